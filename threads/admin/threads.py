"""The console's pages for threads: find them, note something, refresh them, put them away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, Managed, ProjectFilter, account_of, user_of
from projects.admin.display import UNKNOWN, as_json, badge, moment, number, tokens, until
from projects.forms import TaggedForm
from projects.models import Connection, Project
from threads import actions, search, sync
from threads.admin.imports import ImportPages
from threads.models import Thread
from threads.search.query import parse

MOST_FOUND = 200  # threads that a search here shows: the best ones, in the order of the list
MOST_EXPORTED = 500  # their ids go through an address, which has room for some kilobytes
MOST_REFRESHED = 200  # jobs that one click may queue
_MOST_TOLD = 5  # refused ids that a message names

_STATE_KIND = {
    Thread.UpstreamState.ACTIVE: "ok",
    Thread.UpstreamState.GONE: "warn",
    Thread.UpstreamState.CLOSED: "quiet",
    Thread.UpstreamState.RETIRED: "quiet",
    Thread.UpstreamState.IMPORTED: "info",
}
_SHORT_STATE = {
    Thread.UpstreamState.GONE.value: _("Gone"),
    Thread.UpstreamState.RETIRED.value: _("Retired"),
    Thread.UpstreamState.IMPORTED.value: _("Imported"),
}


class StateFilter(admin.SimpleListFilter):
    """How a thread stands here and at its source. The trash is seen only when asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            *Thread.UpstreamState.choices,
            ("failing", _("Last sync failed")),
            ("held", _("Legal hold")),
            ("trash", _("In the trash")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value = self.value()
        if value == "trash":
            return queryset.filter(trashed_at__isnull=False)
        queryset = queryset.filter(trashed_at__isnull=True)
        if value == "failing":
            return queryset.filter(refresh_failures__gt=0)
        if value == "held":
            return queryset.filter(Q(is_held=True) | Q(project__is_held=True))
        return queryset.filter(upstream_state=value) if value else queryset


class RefreshFilter(admin.SimpleListFilter):
    title = _("refresh")
    parameter_name = "refresh"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("due", _("Due now")),
            ("day", _("Due within a day")),
            ("later", _("Later")),
            ("never", _("Never synced")),
            ("off", _("Not refreshed")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        now = timezone.now()
        tomorrow = now + timedelta(days=1)
        refreshed = queryset.filter(is_refreshable=True)
        match self.value():
            case "due":
                return refreshed.filter(next_refresh_at__lte=now)
            case "day":
                return refreshed.filter(next_refresh_at__lte=tomorrow)
            case "later":
                return refreshed.filter(next_refresh_at__gt=tomorrow)
            case "never":
                return queryset.filter(last_synced_at__isnull=True)
            case "off":
                return queryset.filter(is_refreshable=False)
        return queryset


class ThreadForm(TaggedForm):
    class Meta:
        model = Thread
        fields = ("remark", "tags", "is_held", "is_refreshable")
        widgets = {"remark": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})}


class RemarkForm(forms.ModelForm):
    """The one field that the list edits in place."""

    class Meta:
        model = Thread
        fields = ("remark",)
        widgets = {
            "remark": forms.TextInput(attrs={"class": "th-remark", "aria-label": _("Remark")})
        }


class AddThreadsForm(forms.Form):
    """Ids that people have from their own system, to be read from its store."""

    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        label=_("Connection"),
        help_text=_("Where the threads are. They go into its project."),
    )
    ids = forms.CharField(
        label=_("Thread ids"),
        max_length=500_000,
        widget=forms.Textarea(
            attrs={"rows": 10, "class": "vLargeTextField", "spellcheck": "false"}
        ),
        help_text=_("One a line, or separated by spaces or commas: conv_…, thread_…"),
    )

    def clean_ids(self) -> list[str]:
        words = self.cleaned_data["ids"].replace(",", " ").replace(";", " ").split()
        ids = list(dict.fromkeys(word.strip("\"'") for word in words))
        too_long = [word for word in ids if len(word) > 200]
        if too_long:
            raise forms.ValidationError(
                gettext("This is too long for an id: %s…") % too_long[0][:40]
            )
        return ids


def report_added(request: HttpRequest, added: actions.Added) -> None:
    """Say what became of the ids, one sentence for each outcome that there was."""
    if count := len(added.added) + len(added.adopted):
        text = ngettext(
            "%d thread is new here and will be read in the next minutes.",
            "%d threads are new here and will be read in the next minutes.",
            count,
        )
        messages.success(request, text % count)
    if count := len(added.known):
        text = ngettext("%d was here already.", "%d were here already.", count)
        messages.info(request, text % count)
    for identifier, why in list(added.refused.items())[:_MOST_TOLD]:
        messages.error(request, f"“{identifier}”: {why}")
    if (count := len(added.refused) - _MOST_TOLD) > 0:
        text = ngettext("%d more was refused.", "%d more were refused.", count)
        messages.error(request, text % count)


@admin.register(Thread)
class ThreadAdmin(ImportPages, Audited, Managed):
    form = ThreadForm
    list_display = (
        *("name", "project", "store", "state", "message_total", "token_total", "last_message"),
        *("priority", "next_refresh", "remark"),
    )
    list_display_links = ("name",)
    list_editable = ("remark",)
    # A filter and no date_hierarchy, which converts every row's time to find its days:
    # 1.7 s of a list's 1.8 s with 100,000 threads.
    list_filter = (
        *(("project", ProjectFilter), "store", StateFilter, RefreshFilter),
        "last_message_timestamp",
    )
    list_select_related = ("project",)
    list_per_page = 50
    show_full_result_count = False
    view_on_site = False  # the template has its own link, which the trash takes away
    # As the index thread_newest is sorted, so that a page of the list reads a page of the index.
    ordering = (F("last_message_timestamp").desc(), F("id").desc())
    search_fields = ("external_id", "title")
    search_help_text = _("Words in messages and titles, or a thread's id")
    actions = (
        "refresh_now",
        "refresh_fully",
        "export",
        "hold",
        "release",
        "move_to_trash",
        "restore",
    )
    readonly_fields = (
        *("name", "project", "connection", "store", "external_id", "address", "end_user"),
        *("assistant", "model", "metadata_json", "created", "archived", "last_message"),
        *("message_total", "item_count", "token_total", "input", "output", "state", "gone_at"),
        *(
            "last_synced",
            "next_refresh",
            "why_then",
            "priority",
            "refresh_failures",
            "stale_refresh_count",
        ),
        *("last_error", "trashed_at"),
    )
    fieldsets = (
        (None, {"fields": ("name", "remark", "tags", "is_held")}),
        (
            _("What it is"),
            {
                "fields": (
                    *("project", "store", "connection", "external_id", "address", "state"),
                    *("end_user", "assistant", "model", "created", "archived"),
                )
            },
        ),
        (
            _("What is in it"),
            {
                "fields": (
                    *("message_total", "item_count", "last_message"),
                    *("token_total", "input", "output"),
                )
            },
        ),
        (
            _("Refreshing"),
            {
                "fields": (
                    *("is_refreshable", "last_synced", "next_refresh", "why_then", "priority"),
                    *("stale_refresh_count", "refresh_failures", "last_error"),
                )
            },
        ),
        (_("Metadata"), {"classes": ("collapse",), "fields": ("metadata_json",)}),
    )

    # Threads go to the trash; nothing is deleted from here.
    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{"form": RemarkForm, **kwargs})

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Search as the front page does, among what the user manages."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id = queryset.filter(Q(external_id=term) | Q(short_id=term))
        if by_id.exists():
            return by_id, False
        if request.GET.get(StateFilter.parameter_name) == "trash":  # not in the index
            return queryset.filter(Q(title__icontains=term) | Q(remark__icontains=term)), False
        query = parse(term, now=timezone.now(), zone=timezone.get_current_timezone())
        projects = Project.objects.managed_by(user_of(request))
        page = search.find(query, within=projects, limit=MOST_FOUND, now=timezone.now())
        if page.next_cursor:
            text = gettext("These are the best %d; more words find the others.") % MOST_FOUND
            messages.info(request, text)
        return queryset.filter(pk__in=[result.thread.pk for result in page.results]), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # A sync may be writing the other columns right now.
        own = {field.name for field in Thread._meta.concrete_fields}
        obj.save(update_fields=own.intersection(form.changed_data))

    # --- what can be done ---

    @admin.action(description=_("Refresh now"))
    def refresh_now(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._refresh(request, queryset, is_full=False)

    @admin.action(description=_("Read again in full"))
    def refresh_fully(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._refresh(request, queryset, is_full=True)

    def _refresh(
        self, request: HttpRequest, queryset: Any, *, is_full: bool
    ) -> HttpResponse | None:
        threads = list(queryset.refreshable().select_related("project")[: MOST_REFRESHED + 1])
        if not threads:
            text = gettext("None of these can be refreshed: they have no source any more.")
            messages.warning(request, text)
            return None
        if len(threads) > MOST_REFRESHED:
            text = gettext("Only the first %d are refreshed. For all of them, sync the project.")
            messages.warning(request, text % MOST_REFRESHED)
        by = account_of(request)
        jobs = [
            actions.request_sync(thread, by=by, is_full=is_full)
            for thread in threads[:MOST_REFRESHED]
        ]
        if len(jobs) == 1:
            return redirect("admin:threads_job_change", jobs[0].pk)
        text = ngettext("%d thread is in the queue.", "%d threads are in the queue.", len(jobs))
        messages.success(request, text % len(jobs))
        return redirect("admin:threads_job_changelist")

    @admin.action(description=_("Export"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Hand the chosen threads to the export page, in the list's order."""
        chosen = list(queryset.values_list("short_id", flat=True)[: MOST_EXPORTED + 1])
        if len(chosen) > MOST_EXPORTED:
            text = gettext(
                "More than %d threads: search for them on the public page, and export from there."
            )
            messages.warning(request, text % MOST_EXPORTED)
            return None
        where = reverse("threads:new_export")
        return HttpResponseRedirect(f"{where}?{urlencode({'thread': ','.join(chosen)})}")

    @admin.action(description=_("Move to the trash"))
    def move_to_trash(self, request: HttpRequest, queryset: Any) -> None:
        wanted = queryset.filter(trashed_at__isnull=True).count()
        count = actions.trash_threads(queryset, by=account_of(request))
        text = ngettext("%d thread is in the trash.", "%d threads are in the trash.", count)
        messages.success(request, text % count)
        if held := wanted - count:
            text = ngettext(
                "%d thread stays: it is on legal hold.",
                "%d threads stay: they are on legal hold.",
                held,
            )
            messages.warning(request, text % held)

    @admin.action(description=_("Take out of the trash"))
    def restore(self, request: HttpRequest, queryset: Any) -> None:
        count = actions.restore_threads(queryset, by=account_of(request))
        text = ngettext("%d thread is back.", "%d threads are back.", count)
        messages.success(request, text % count)

    @admin.action(description=_("Put on legal hold"))
    def hold(self, request: HttpRequest, queryset: Any) -> None:
        self._set_hold(request, queryset, is_held=True)

    @admin.action(description=_("Release from legal hold"))
    def release(self, request: HttpRequest, queryset: Any) -> None:
        self._set_hold(request, queryset, is_held=False)

    def _set_hold(self, request: HttpRequest, queryset: Any, *, is_held: bool) -> None:
        count = actions.hold_threads(queryset, is_held=is_held, by=account_of(request))
        text = ngettext("%d thread changed.", "%d threads changed.", count)
        messages.success(request, text % count)

    def response_change(self, request: HttpRequest, obj: Thread) -> HttpResponse:
        chosen = Thread.objects.managed_by(user_of(request)).filter(pk=obj.pk)
        if "_refresh" in request.POST:
            return self.refresh_now(request, chosen) or HttpResponseRedirect(request.path)
        if "_trash" in request.POST:
            self.move_to_trash(request, chosen)
            return redirect("admin:threads_thread_changelist")
        if "_restore" in request.POST:
            self.restore(request, chosen)
            return HttpResponseRedirect(request.path)
        return super().response_change(request, obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["show_save_and_add_another"] = False
        if request.method == "GET" and (thread := context.get("original")) is not None:
            actions.note_read(thread, by=user_of(request), via="admin")
        return super().render_change_form(request, context, *args, **kwargs)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Register ids rather than type a thread in: what is said in it comes from its source."""
        form = AddThreadsForm(request.POST or None, initial=request.GET.dict())
        choices = Connection.objects.managed_by(user_of(request)).select_related("project")
        form.fields["connection"].queryset = choices.order_by("project__name", "pk")  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid():
            connection = form.cleaned_data["connection"]
            added = actions.add_thread_ids(
                connection.project, connection, form.cleaned_data["ids"], by=account_of(request)
            )
            report_added(request, added)
            return redirect("admin:threads_thread_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Add threads by their ids"),
            "form": form,
            "opts": self.opts,
            "has_connections": choices.exists(),
        }
        return TemplateResponse(request, "admin/threads/thread/add.html", context)

    # --- columns ---

    @admin.display(description=_("thread"), ordering="title")
    def name(self, thread: Thread) -> str:
        return thread.title or thread.external_id

    @admin.display(description=_("state"), ordering="upstream_state")
    def state(self, thread: Thread) -> str:
        if thread.trashed_at:
            return badge("error", gettext("In the trash"))
        if thread.refresh_failures:
            return badge("error", gettext("Sync failed"), title=thread.last_error)
        kind = _STATE_KIND.get(Thread.UpstreamState(thread.upstream_state), "quiet")
        label = thread.get_upstream_state_display()
        return badge(kind, str(_SHORT_STATE.get(thread.upstream_state, label)), title=label)

    @admin.display(description=_("messages"), ordering="message_count")
    def message_total(self, thread: Thread) -> str:
        return number(thread.message_count)

    @admin.display(description=_("tokens"), ordering="total_tokens")
    def token_total(self, thread: Thread) -> str:
        return tokens(
            thread.total_tokens, estimated=thread.estimated_tokens, is_exact=thread.usage_is_exact
        )

    @admin.display(description=_("input tokens"))
    def input(self, thread: Thread) -> str:
        return number(thread.input_tokens)

    @admin.display(description=_("output tokens"))
    def output(self, thread: Thread) -> str:
        return number(thread.output_tokens)

    @admin.display(description=_("last message"), ordering="last_message_timestamp")
    def last_message(self, thread: Thread) -> str:
        return moment(thread.last_message_timestamp)

    @admin.display(description=_("priority"), ordering="refresh_priority")
    def priority(self, thread: Thread) -> str:
        return f"{thread.refresh_priority:.1f}" if thread.is_refreshable else UNKNOWN

    @admin.display(description=_("next refresh"), ordering="next_refresh_at")
    def next_refresh(self, thread: Thread) -> str:
        return until(thread.next_refresh_at if thread.is_refreshable else None)

    @admin.display(description=_("why then"))
    def why_then(self, thread: Thread) -> str:
        return sync.reason_for(thread, now=timezone.now())

    @admin.display(description=_("last synced"))
    def last_synced(self, thread: Thread) -> str:
        return moment(thread.last_synced_at)

    @admin.display(description=_("created"))
    def created(self, thread: Thread) -> str:
        return moment(thread.created_at)

    @admin.display(description=_("archived"))
    def archived(self, thread: Thread) -> str:
        return moment(thread.archived_at)

    @admin.display(description=_("address"))
    def address(self, thread: Thread) -> str:
        return format_html('<a href="{0}">{0}</a>', thread.get_absolute_url())

    @admin.display(description=_("metadata"))
    def metadata_json(self, thread: Thread) -> str:
        return as_json(thread.metadata)
