"""The console's pages for threads: find them, note something, refresh them, put them away."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, Managed, ProjectFilter, user_of
from projects.admin.display import UNKNOWN, as_json, badge, moment, number, tokens
from projects.forms import TaggedForm
from projects.models import Connection
from threads.models import Thread

MOST_FOUND = 1_000  # threads that a search here can show; narrower words find the rest

_STATE_KIND = {
    Thread.UpstreamState.ACTIVE: "ok",
    Thread.UpstreamState.GONE: "warn",
    Thread.UpstreamState.CLOSED: "quiet",
    Thread.UpstreamState.RETIRED: "quiet",
    Thread.UpstreamState.IMPORTED: "info",
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
        tomorrow = now + timezone.timedelta(days=1)
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
        widgets = {"remark": forms.TextInput(attrs={"class": "th-remark"})}


class AddThreadsForm(forms.Form):
    """Ids that people have from their own system, to be read from its store."""

    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        label=_("connection"),
        help_text=_("Where the threads are. They go into its project."),
    )
    ids = forms.CharField(
        label=_("thread ids"),
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


@admin.register(Thread)
class ThreadAdmin(Audited, Managed):
    form = ThreadForm
    list_display = (
        *("name", "project", "store", "state", "message_total", "token_total", "last_message"),
        *("priority", "next_refresh", "remark"),
    )
    list_display_links = ("name",)
    list_editable = ("remark",)
    list_filter = (("project", ProjectFilter), "store", StateFilter, RefreshFilter)
    list_select_related = ("project",)
    list_per_page = 50
    show_full_result_count = False
    date_hierarchy = "last_message_timestamp"
    # As the index thread_newest is sorted, so that a page of the list reads a page of the index.
    ordering = (F("last_message_timestamp").desc(), F("id").desc())
    search_fields = ("external_id", "title")
    search_help_text = _("Words in messages and titles, or a thread's id")
    actions = ("refresh_now", "hold", "release", "move_to_trash", "restore")
    readonly_fields = (
        *("name", "project", "connection", "store", "external_id", "address", "end_user"),
        *("assistant", "model", "metadata_json", "created", "archived", "last_message"),
        *("message_total", "item_count", "token_total", "input", "output", "state", "gone_at"),
        *("last_synced", "next_refresh", "priority", "refresh_failures", "stale_refresh_count"),
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
                    *("is_refreshable", "last_synced", "next_refresh", "priority"),
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
        if not search_term.strip():
            return queryset, False
        by_id = queryset.filter(external_id=search_term.strip())
        if by_id.exists():
            return by_id, False
        from threads.search import find

        page = find.find(search_term, within=queryset, limit=MOST_FOUND)
        for notice in page.notices:
            messages.info(request, notice.message)
        return queryset.filter(pk__in=[result.thread.pk for result in page.results]), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # A sync may be writing the other columns right now.
        own = {field.name for field in Thread._meta.concrete_fields}
        obj.save(update_fields=own.intersection(form.changed_data))

    # --- what can be done ---

    def _ids(self, queryset: Any) -> list[int]:
        return list(queryset.order_by().values_list("pk", flat=True))

    def _refresh(self, request: HttpRequest, ids: list[int]) -> HttpResponse:
        from threads import actions

        job = actions.request_sync(thread_ids=ids, actor=user_of(request))
        return redirect("admin:threads_job_change", job.pk)

    @admin.action(description=_("Refresh now"))
    def refresh_now(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        ids = self._ids(queryset.refreshable())
        if not ids:
            text = gettext("None of these can be refreshed: they have no source any more.")
            messages.warning(request, text)
            return None
        return self._refresh(request, ids)

    @admin.action(description=_("Move to the trash"))
    def move_to_trash(self, request: HttpRequest, queryset: Any) -> None:
        from threads import actions

        count = actions.trash(queryset, actor=user_of(request))
        self._report(
            request,
            ngettext("%d thread is in the trash.", "%d threads are in the trash.", count) % count,
        )

    @admin.action(description=_("Take out of the trash"))
    def restore(self, request: HttpRequest, queryset: Any) -> None:
        from threads import actions

        count = actions.restore(queryset, actor=user_of(request))
        self._report(request, ngettext("%d thread is back.", "%d threads are back.", count) % count)

    @admin.action(description=_("Put on legal hold"))
    def hold(self, request: HttpRequest, queryset: Any) -> None:
        self._set_hold(request, queryset, is_held=True)

    @admin.action(description=_("Release from legal hold"))
    def release(self, request: HttpRequest, queryset: Any) -> None:
        self._set_hold(request, queryset, is_held=False)

    def _set_hold(self, request: HttpRequest, queryset: Any, *, is_held: bool) -> None:
        changed = list(queryset.exclude(is_held=is_held).order_by("pk"))
        for thread in changed:
            thread.is_held = is_held
            thread.save(update_fields=["is_held"])
            self.log_change(request, thread, [{"changed": {"fields": ["legal hold"]}}])
        count = len(changed)
        self._report(request, ngettext("%d thread changed.", "%d threads changed.", count) % count)

    def _report(self, request: HttpRequest, sentence: str) -> None:
        messages.success(request, sentence)

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

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Register ids rather than type a thread in: what is said in it comes from its source."""
        from threads import actions

        form = AddThreadsForm(request.POST or None, initial=request.GET.dict())
        choices = Connection.objects.managed_by(user_of(request)).select_related("project")
        form.fields["connection"].queryset = choices.order_by("project__name", "pk")  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid():
            connection = form.cleaned_data["connection"]
            job = actions.add_thread_ids(
                connection=connection, ids=form.cleaned_data["ids"], actor=user_of(request)
            )
            count = len(form.cleaned_data["ids"])
            text = ngettext("%d id is being read.", "%d ids are being read.", count)
            messages.success(request, text % count)
            return redirect("admin:threads_job_change", job.pk)
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
        return badge(kind, thread.get_upstream_state_display())

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
        return moment(thread.next_refresh_at if thread.is_refreshable else None)

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
