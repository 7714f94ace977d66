"""The console's pages for what is kept about the system: logs, so read only.

Whoever is no administrator needs Django's own permission to view them, and then reads all of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from monitoring.models import AuditEvent, LoginAttempt, SystemMetric
from projects.admin.access import ReadOnly, user_of
from projects.admin.display import as_json, badge, moment, number, percent
from projects.admin.paging import CappedPaginator
from threadhub.lib import audit
from threads.exports.cells import safe_text

_OUTCOME_KIND = {"ok": "ok", "refused": "warn", "failed": "error"}


_COLUMNS = (
    *("id", "at", "actor_name", "ip", "request_id", "action", "target_type", "target_id"),
    *("target_label", "project_id", "outcome", "details", "previous_hash", "row_hash"),
)


class _Echo:
    """What csv writes into: gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _cell(event: AuditEvent, name: str) -> str:
    value = getattr(event, name)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return "" if value is None else str(value)


class Log(ReadOnly):
    """Shows to whom Django's permission "can view" was given."""

    paginator = CappedPaginator
    list_per_page = 100
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


@admin.register(SystemMetric)
class SystemMetricAdmin(Log):
    list_display = (
        *("measured", "resolution", "cpu", "memory", "disk", "queue_length", "running_jobs"),
        *("worker_count", "threads", "messages", "tokens"),
    )
    list_filter = ("resolution", "measured_at")
    ordering = ("-measured_at", "-pk")
    search_fields = ()

    @admin.display(description=_("measured"), ordering="measured_at")
    def measured(self, metric: SystemMetric) -> str:
        return moment(metric.measured_at)

    @admin.display(description=_("CPU"), ordering="cpu_percent")
    def cpu(self, metric: SystemMetric) -> str:
        return percent(metric.cpu_percent)

    @admin.display(description=_("memory"), ordering="memory_percent")
    def memory(self, metric: SystemMetric) -> str:
        return percent(metric.memory_percent)

    @admin.display(description=_("disk"), ordering="disk_percent")
    def disk(self, metric: SystemMetric) -> str:
        return percent(metric.disk_percent)

    @admin.display(description=_("threads"))
    def threads(self, metric: SystemMetric) -> str:
        return number(metric.thread_count)

    @admin.display(description=_("messages"))
    def messages(self, metric: SystemMetric) -> str:
        return number(metric.message_count)

    @admin.display(description=_("tokens"))
    def tokens(self, metric: SystemMetric) -> str:
        return number(metric.total_tokens)


@admin.register(AuditEvent)
class AuditEventAdmin(Log):
    list_display = ("when", "actor_name", "action", "target_label", "outcome_badge", "ip")
    list_filter = ("outcome", "target_type", "at")
    search_fields = ("actor_name", "action", "target_label", "ip", "request_id")
    search_help_text = _("Actor, action, target, address or request id")
    ordering = ("-at", "-pk")
    fields = readonly_fields = (
        *("when", "actor_name", "ip", "request_id", "action", "target_type", "target_id"),
        *("target_label", "project_id", "outcome_badge", "details_json"),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download)
        name = "monitoring_auditevent_download"
        return [path("download/", view, name=name), *super().get_urls()]

    def download(self, request: HttpRequest) -> HttpResponseBase:
        """Send the rows that the list shows, with its search and filters, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_changelist_instance(request).get_queryset(request)
        audit.record(action="audit.export", actor=user_of(request), filters=request.GET.urlencode())
        lines = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, lineterminator="\r\n")

        def content() -> Iterator[str]:
            yield "\ufeff" + lines.writerow(_COLUMNS)
            for event in rows.order_by("pk").iterator(chunk_size=1_000):
                yield lines.writerow([safe_text(_cell(event, name)) for name in _COLUMNS])

        return StreamingHttpResponse(
            content(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="threadhub-audit.csv"'},
        )

    @admin.display(description=_("at"), ordering="at")
    def when(self, event: AuditEvent) -> str:
        return moment(event.at, has_seconds=True)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, event: AuditEvent) -> str:
        return badge(_OUTCOME_KIND.get(event.outcome, "quiet"), event.get_outcome_display())

    @admin.display(description=_("details"))
    def details_json(self, event: AuditEvent) -> str:
        return as_json(event.details)


@admin.register(LoginAttempt)
class LoginAttemptAdmin(Log):
    """Who logged in, or tried to, from where."""

    list_display = ("when", "account", "outcome_badge", "ip", "request_id")
    list_filter = ("outcome", "at")
    date_hierarchy = "at"
    search_fields = ("actor_name", "details__username", "ip", "request_id")
    search_help_text = _("Account, address or request id")
    ordering = ("-at", "-pk")
    fields = readonly_fields = ("when", "account", "outcome_badge", "ip", "request_id")

    @admin.display(description=_("at"), ordering="at")
    def when(self, event: LoginAttempt) -> str:
        return moment(event.at, has_seconds=True)

    @admin.display(description=_("account"))
    def account(self, event: LoginAttempt) -> str:
        """Show the name that was typed where it did not lead to an account."""
        return str(event.details.get("username") or event.actor_name)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, event: LoginAttempt) -> str:
        return badge(_OUTCOME_KIND.get(event.outcome, "quiet"), event.get_outcome_display())
