"""The console's list of threads, and the page of one: read it, note something, act on it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, Managed, ProjectFilter, account_of, user_of
from projects.admin.display import UNKNOWN, as_json, badge, moment, number, tokens, until
from projects.admin.paging import IndexedPaginator
from projects.models import Project
from threads import actions, search, sync
from threads.admin import deletion, reading, retention
from threads.admin.adding import AddingPage
from threads.admin.filters import (
    BookmarkFilter,
    PriorityFilter,
    RefreshFilter,
    StateFilter,
    TagFilter,
    TokensFilter,
)
from threads.admin.imports import ImportPages
from threads.admin.thread_actions import ThreadActions
from threads.admin.thread_forms import RowForm, ThreadForm
from threads.models import Bookmark, Thread
from threads.search.query import parse

MOST_FOUND = 100  # threads that a search here shows: the best ones, in the order of the list

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
# Joined, the database reads the row of every thread to sort them: 155 ms of 100,000, not 34.
_PROJECT_NAME = Subquery(Project.objects.filter(pk=OuterRef("project")).values("name"))


@admin.register(Thread)
class ThreadAdmin(AddingPage, ThreadActions, ImportPages, Audited, Managed):
    form = ThreadForm
    list_display = (
        *("name", "place", "state", "message_total", "token_total"),
        *("last_message", "next_refresh", "remark", "tag_words"),
    )
    list_display_links = ("name",)
    list_editable = ("remark",)  # and the tags: see RowForm
    paginator = IndexedPaginator
    # A filter and no date_hierarchy, which converts every row's time to find its days:
    # 1.7 s of a list's 1.8 s with 100,000 threads.
    list_filter = (
        *(("project", ProjectFilter), "store", StateFilter, TagFilter, RefreshFilter),
        *(PriorityFilter, TokensFilter, "last_message_timestamp", BookmarkFilter),
    )
    list_select_related = ("project",)
    list_per_page = 25  # two fields a row are edited in place: rows are what a page costs
    show_full_result_count = False
    view_on_site = False  # the template has its own link, which the trash takes away
    # As the index thread_newest is sorted, so that a page of the list reads a page of the index.
    ordering = (F("last_message_timestamp").desc(), F("id").desc())
    search_fields = ("external_id", "title")
    search_help_text = _("Words in messages and titles, or a thread's id")
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

    def get_urls(self) -> list[URLPattern]:
        pages = [*deletion.urls(self.admin_site), *retention.urls(self.admin_site)]
        return [*pages, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows: models.QuerySet = super().get_queryset(request)
        match = request.resolver_match
        if match is None or match.url_name != "threads_thread_changelist":
            return rows
        mine = Bookmark.objects.filter(user=account_of(request), thread=OuterRef("pk"))
        marked: models.QuerySet = rows.annotate(is_bookmarked=Exists(mine))
        return marked.prefetch_related("tags")

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{"form": RowForm, **kwargs})

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

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["show_save_and_add_another"] = False
        if (thread := context.get("original")) is not None:
            if request.method == "GET":
                actions.note_read(thread, by=user_of(request), via="admin")
            mine = Bookmark.objects.filter(user=account_of(request), thread=thread)
            context["is_bookmarked"] = mine.exists()
            context["reading"] = reading.page_of(thread, request.GET.get("messages", ""))
        return super().render_change_form(request, context, *args, **kwargs)

    # --- columns ---

    def action_checkbox(self, thread: Thread) -> SafeString:
        """Draw the box that chooses a row; Django's own asks a template fifty times a page."""
        text = format_html(gettext("Select this object for an action - {}"), thread)
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            helpers.ACTION_CHECKBOX_NAME,
            thread.pk,
            text,
        )

    @admin.display(description=_("tags"))
    def tag_words(self, thread: Thread) -> str:
        return ", ".join(sorted(tag.name for tag in thread.tags.all())) or UNKNOWN

    @admin.display(description=_("thread"), ordering="title")
    def name(self, thread: Any) -> str:
        name = thread.title or thread.external_id
        if not getattr(thread, "is_bookmarked", False):
            return str(name)
        title = gettext("My bookmark")
        return format_html('<span class="th-star" title="{}">★</span> {}', title, name)

    @admin.display(description=_("project"), ordering=_PROJECT_NAME)
    def place(self, thread: Thread) -> str:
        """Show the source below the project: side by side, the last columns leave the screen."""
        store = thread.get_store_display()
        return format_html('{}<span class="th-under">{}</span>', thread.project, store)

    @admin.display(description=_("state"), ordering="upstream_state")
    def state(self, thread: Thread) -> str:
        if thread.trashed_at:
            return badge("error", gettext("In the trash"))
        if thread.refresh_failures:
            return badge("error", gettext("Sync failed"), title=thread.last_error)
        if thread.is_missed:
            return badge("warn", gettext("Not found"), title=thread.last_error)
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
