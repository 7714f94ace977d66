"""The console's pages for what is kept about the system: logs, so read only.

Whoever is no administrator needs Django's own permission to view them, and then reads all of them.
"""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring.models import AuditEvent, SystemMetric
from projects.admin.access import ReadOnly
from projects.admin.display import UNKNOWN, as_json, badge, moment, number

_OUTCOME_KIND = {"ok": "ok", "refused": "warn", "failed": "error"}


class Log(ReadOnly):
    """Shows to whom Django's permission "can view" was given."""

    list_per_page = 100
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} %"


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
        return _percent(metric.cpu_percent)

    @admin.display(description=_("memory"), ordering="memory_percent")
    def memory(self, metric: SystemMetric) -> str:
        return _percent(metric.memory_percent)

    @admin.display(description=_("disk"), ordering="disk_percent")
    def disk(self, metric: SystemMetric) -> str:
        return _percent(metric.disk_percent)

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

    @admin.display(description=_("at"), ordering="at")
    def when(self, event: AuditEvent) -> str:
        return moment(event.at)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, event: AuditEvent) -> str:
        return badge(_OUTCOME_KIND.get(event.outcome, "quiet"), event.get_outcome_display())

    @admin.display(description=_("details"))
    def details_json(self, event: AuditEvent) -> str:
        return as_json(event.details)
