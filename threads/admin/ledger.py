"""The console's pages for the ledger of syncs: batch by batch, and by project and day."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Managed, ProjectFilter, ReadOnly, user_of
from projects.admin.display import UNKNOWN, badge, moment, number, seconds
from projects.admin.paging import CappedPaginator
from projects.models import Project
from threads import sync
from threads.admin.jobs import STATE_KIND
from threads.exports.cells import safe_text
from threads.models import SyncRun
from threads.sync import Day

DAYS = (7, 30, 90, 365)
_SHOWN = 500  # rows of the table; the CSV has all
_COLUMNS = (
    *("day", "project", "run_count", "threads_read", "threads_failed", "calls_made"),
    *("calls_avoided", "messages_new", "messages_changed", "busy_seconds"),
)


def _csv(days: list[Day]) -> HttpResponse:
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    lines.writerow(_COLUMNS)
    for day in days:
        values = {name: getattr(day, name) for name in _COLUMNS}  # numbers stay numbers
        lines.writerow({**values, "project": safe_text(day.project)}.values())
    return HttpResponse(
        "\ufeff" + text.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="threadhub-syncs.csv"'},
    )


def _totals(days: list[Day]) -> Day:
    """Add up all days of all projects."""
    sums: dict[str, Any] = {name: sum(getattr(day, name) for day in days) for name in _COLUMNS[2:]}
    return Day(day=timezone.now().date(), project="", **sums)


def _chart(days: list[Day], *, since: datetime, until: datetime) -> dict[str, Any]:
    """Return columns for uPlot: every day of the range, also those on which nothing ran."""
    first = since.astimezone(UTC).date()
    count = (until.astimezone(UTC).date() - first).days + 1
    every = [first + timedelta(days=number) for number in range(count)]
    made, avoided = dict.fromkeys(every, 0), dict.fromkeys(every, 0)
    for day in days:
        made[day.day] += day.calls_made
        avoided[day.day] += day.calls_avoided
    times = [datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for day in every]
    return {
        "columns": [times, list(made.values()), list(avoided.values())],
        "labels": [gettext("Made"), gettext("Avoided")],
        "shape": "lines",
    }


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly, Managed):
    paginator = CappedPaginator
    list_display = (
        *("started", "project", "connection", "trigger", "state_badge", "read", "messages_new"),
        *("calls_made", "calls_avoided", "failed", "duration"),
    )
    list_filter = (("project", ProjectFilter), "state", "trigger", "started_at")
    list_select_related = ("project", "connection", "connection__project")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-started_at", "-pk")
    fields = readonly_fields = (
        *("started", "duration", "run_count", "state_badge", "trigger", "project", "connection"),
        "job",
        *("threads_planned", "threads_read", "threads_changed", "threads_failed"),
        *("messages_new", "messages_changed", "calls_made", "calls_avoided", "error_list"),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.by_day)
        return [path("days/", view, name="threads_syncrun_days"), *super().get_urls()]

    def by_day(self, request: HttpRequest) -> HttpResponseBase:
        """Show what syncs cost and brought by project and day; `format=csv` sends it all."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        given = request.GET.get("days", "")
        chosen = int(given) if given in map(str, DAYS) else DAYS[1]
        projects = Project.objects.managed_by(user_of(request))
        since = now - timedelta(days=chosen - 1)
        days = list(sync.days_of(projects, since=since))
        if request.GET.get("format") == "csv":
            return _csv(days)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Syncs by day"),
            "opts": self.opts,
            "days": days[:_SHOWN],
            "left_out": max(0, len(days) - _SHOWN),
            "totals": _totals(days),
            "ranges": DAYS,
            "chosen": chosen,
            "chart_data": {"calls": _chart(days, since=since, until=now)},
        }
        return render(request, "admin/threads/syncrun/days.html", context)

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, run: SyncRun) -> str:
        return moment(run.started_at)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, run: SyncRun) -> str:
        return badge(STATE_KIND[run.state], run.get_state_display())

    @admin.display(description=_("threads read"), ordering="threads_read")
    def read(self, run: SyncRun) -> str:
        return f"{number(run.threads_read)} / {number(run.threads_planned)}"

    @admin.display(description=_("failed"), ordering="threads_failed")
    def failed(self, run: SyncRun) -> str:
        return badge("error", number(run.threads_failed)) if run.threads_failed else "0"

    @admin.display(description=_("duration"), ordering="busy_seconds")
    def duration(self, run: SyncRun) -> str:
        return seconds(run.duration_seconds)

    @admin.display(description=_("errors"))
    def error_list(self, run: SyncRun) -> str:
        rows = [(error.get("thread", ""), error.get("message", "")) for error in run.errors]
        return format_html_join("", "<p><code>{}</code> {}</p>", rows) or UNKNOWN
