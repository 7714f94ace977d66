"""The console's pages for messages and assistants. Both are what upstream said: read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Managed, ProjectFilter, ReadOnly, user_of
from projects.admin.display import UNKNOWN, moment, number
from projects.admin.paging import CappedPaginator
from threads import actions
from threads.admin.reading import role_badge
from threads.models import Assistant, Message, Thread

_PREVIEW = 400  # characters of a message that the list reads from the database


@admin.register(Message)
class MessageAdmin(ReadOnly, Managed):
    """Reached from a thread: a list of a million messages is what the search page is for."""

    list_display = ("position", "role_badge", "preview", "kind", "sent", "model", "token_counts")
    list_display_links = ("position", "preview")
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    ordering = ("thread", "position")
    fields = readonly_fields = (
        *("thread_link", "position", "role_badge", "kind", "type", "text", "sent", "model"),
        *("name", "remote_id", "token_counts", "status", "archived_at", "removed_at"),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "thread__id__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and match.url_name == "threads_message_changelist":
            rows = rows.defer("text").annotate(beginning=Left("text", _PREVIEW))
        return rows

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if "thread__id__exact" not in request.GET:
            messages.info(request, gettext("Choose the thread whose messages you want to see."))
            return redirect("admin:threads_thread_changelist")
        self._note(request, request.GET["thread__id__exact"])
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        message = super().get_object(request, object_id, from_field)
        if message is not None:
            self._note(request, str(message.thread_id))
        return message

    @staticmethod
    def _note(request: HttpRequest, thread_id: str) -> None:
        managed = Thread.objects.managed_by(user_of(request)).select_related("project")
        if thread_id.isdigit() and (thread := managed.filter(pk=thread_id).first()):
            actions.note_read(thread, by=user_of(request), via="admin")

    @admin.display(description=_("role"))
    def role_badge(self, message: Message) -> str:
        return role_badge(message)

    @admin.display(description=_("text"))
    def preview(self, message: Any) -> str:
        return Truncator(" ".join(message.beginning.split())).chars(140) or UNKNOWN

    @admin.display(description=_("sent"))
    def sent(self, message: Message) -> str:
        return moment(message.created_at)

    @admin.display(description=_("tokens in / out"))
    def token_counts(self, message: Message) -> str:
        if message.input_tokens is None and message.output_tokens is None:
            return UNKNOWN
        return f"{number(message.input_tokens)} / {number(message.output_tokens)}"

    @admin.display(description=_("thread"))
    def thread_link(self, message: Message) -> str:
        address = reverse("admin:threads_thread_change", args=[message.thread_id])
        return format_html('<a href="{}">{}</a>', address, message.thread)


@admin.register(Assistant)
class AssistantAdmin(ReadOnly, Managed):
    paginator = CappedPaginator
    list_display = ("title", "project", "external_id", "model", "threads", "fetched")
    list_filter = (("project", ProjectFilter),)
    list_select_related = ("project",)
    search_fields = ("name", "external_id", "model")
    ordering = ("name", "pk")
    fields = readonly_fields = ("name", "external_id", "project", "model", "fetched")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and match.url_name == "threads_assistant_changelist":
            rows = rows.annotate(thread_count=Count("threads"))
        return rows

    @admin.display(description=_("assistant"), ordering="name")
    def title(self, assistant: Assistant) -> str:
        return str(assistant)

    @admin.display(description=_("threads"), ordering="thread_count")
    def threads(self, assistant: Any) -> str:
        return number(assistant.thread_count)

    @admin.display(description=_("last fetched"), ordering="fetched_at")
    def fetched(self, assistant: Assistant) -> str:
        return moment(assistant.fetched_at)
