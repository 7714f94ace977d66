"""What the console's first page shows: figures, charts, what ran last, what to do first.

Everything about threads is limited to the projects that the user manages; the machine's figures
are for administrators. The number of queries is the same for an empty archive and a full one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from monitoring.models import SystemMetric
from projects.admin.display import UNKNOWN, number
from projects.models import Connection, Project
from threadhub.lib import cluster
from threads.models import Job, Message, SyncRun, Thread
from threads.search.keys import EPOCH, key_for

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

DAYS = 30  # of the chart of messages
HOURS = 24  # of the chart of the machine: at most 1,440 points, one a minute
RECENT = 6  # rows in the lists of runs and jobs
# Search keys count from midnight UTC, so their days are UTC's.
_KEYS_PER_DAY = key_for(EPOCH + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the top row. `exact` is the tooltip of a shortened number."""

    label: str
    value: str
    exact: str
    note: str = ""
    link: str = ""
    kind: str = ""  # "error" draws attention


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns for uPlot (Unix times first), and the same in words."""

    key: str
    title: str
    summary: str
    columns: list[list[float | None]]
    labels: list[str]
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    figures: list[Figure]
    charts: list[Chart]
    runs: list[SyncRun]
    jobs: list[Job]
    worker_is_missing: bool
    needs_project: bool
    needs_connection: bool
    has_sample: bool
    may_change_sample: bool
    may_add_project: bool
    chart_data: dict[str, Any] = field(default_factory=dict)


def short(value: int | None) -> str:
    """Return a count in at most five characters: 812, 12.3 k, 4.5 M; "—" when it is unknown."""
    if value is None:
        return UNKNOWN
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if value >= size:
            divisor = 1_000 if letter == "k" else size
            scaled = value / divisor
            return f"{scaled:.1f} {letter}" if scaled < 100 else f"{scaled:.0f} {letter}"
    return number(value)


def for_user(user: User | AnonymousUser, *, now: datetime | None = None) -> Dashboard:
    """Collect the page; twelve queries for an administrator, fewer for an owner."""
    now = now or timezone.now()
    projects = list(Project.objects.managed_by(user).values_list("pk", "is_sample"))
    own = [pk for pk, is_sample in projects if not is_sample]
    is_admin = bool(user.is_superuser)
    charts = [_messages_by_day(user, now)]
    if is_admin:
        charts.append(_machine(now))
    has_connection = Connection.objects.managed_by(user).exists()
    return Dashboard(
        figures=_figures(user, now, project_count=len(projects)),
        charts=charts,
        runs=list(
            SyncRun.objects.filter(project__in=Project.objects.managed_by(user))
            .select_related("project")
            .order_by("-started_at", "-pk")[:RECENT]
        ),
        jobs=list(
            Job.objects.visible_to(user).select_related("project").order_by("-queued_at")[:RECENT]
        ),
        worker_is_missing=cluster.worker_count() == 0,
        needs_project=not own,
        needs_connection=bool(own) and not has_connection,
        has_sample=len(own) < len(projects),
        may_change_sample=is_admin,
        may_add_project=is_admin or user.has_perm("projects.add_project"),
        chart_data={
            chart.key: {"columns": chart.columns, "labels": chart.labels} for chart in charts
        },
    )


def _figures(user: User | AnonymousUser, now: datetime, *, project_count: int) -> list[Figure]:
    threads = Thread.objects.managed_by(user).filter(trashed_at__isnull=True)
    totals = threads.aggregate(
        threads=Count("pk"),
        messages=Coalesce(Sum("message_count"), 0),
        tokens=Sum("total_tokens"),
        counted=Count("total_tokens"),
        failing=Count("pk", filter=Q(refresh_failures__gt=0)),
    )
    day_ago = now - timedelta(days=1)
    failed_runs = SyncRun.objects.filter(
        project__in=Project.objects.managed_by(user),
        state=SyncRun.State.FAILED,
        started_at__gte=day_ago,
    ).count()
    jobs = (
        Job.objects.visible_to(user)
        .live()
        .order_by()
        .aggregate(
            waiting=Count("pk", filter=Q(state=Job.State.QUEUED), distinct=True),
            running=Count("pk", filter=Q(state=Job.State.RUNNING), distinct=True),
        )
    )
    unknown = totals["threads"] - totals["counted"]
    return [
        Figure(
            label=gettext("Threads"),
            value=short(totals["threads"]),
            exact=number(totals["threads"]),
            note=ngettext("in %d project", "in %d projects", project_count) % project_count,
            link="admin:threads_thread_changelist",
        ),
        Figure(
            label=gettext("Messages"),
            value=short(totals["messages"]),
            exact=number(totals["messages"]),
            note=gettext("archived"),
        ),
        Figure(
            label=gettext("Tokens"),
            value=short(totals["tokens"]),
            exact=number(totals["tokens"]),
            note=(
                gettext("unknown for %s threads") % number(unknown)
                if unknown
                else gettext("in all threads")
            ),
        ),
        Figure(
            label=gettext("Failed syncs"),
            value=short(failed_runs),
            exact=number(failed_runs),
            note=gettext("in 24 hours; %s threads fail now") % number(totals["failing"]),
            link="admin:threads_syncrun_changelist",
            kind="error" if failed_runs or totals["failing"] else "",
        ),
        Figure(
            label=gettext("Queue"),
            value=short(jobs["waiting"]),
            exact=number(jobs["waiting"]),
            note=gettext("%s running") % number(jobs["running"]),
            link="admin:threads_job_changelist",
        ),
    ]


def _messages_by_day(user: User | AnonymousUser, now: datetime) -> Chart:
    """Count by the key that orders the archive: its index has all that this needs."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=DAYS - 1)
    messages = Message.objects.filter(search_key__gte=key_for(first)).order_by()
    if not user.is_superuser:
        messages = messages.filter(project__in=Project.objects.managed_by(user))
    counts = dict(
        messages.annotate(day=F("search_key") / _KEYS_PER_DAY)
        .values("day")
        .annotate(count=Count("pk"))
        .values_list("day", "count")
    )
    times = [first + timedelta(days=offset) for offset in range(DAYS)]
    values: list[float | None] = [counts.get(key_for(day) // _KEYS_PER_DAY, 0) for day in times]
    total = sum(counts.values())
    return Chart(
        key="messages",
        title=gettext("Messages by day"),
        summary=gettext("%(total)s messages in %(days)d days, %(today)s of them today (UTC).")
        % {"total": number(total), "days": DAYS, "today": number(values[-1])},
        columns=[[day.timestamp() for day in times], values],
        labels=[gettext("Messages")],
        is_empty=not counts,
    )


def _machine(now: datetime) -> Chart:
    rows = list(
        SystemMetric.objects.filter(
            resolution=SystemMetric.Resolution.MINUTE,
            measured_at__gte=now - timedelta(hours=HOURS),
        )
        .order_by("measured_at")
        .values_list("measured_at", "cpu_percent", "memory_percent")
    )
    summary = gettext("No measurement in the last 24 hours.")
    if rows:
        cpu, memory = rows[-1][1:]
        summary = gettext("Now: processor %(cpu)s, memory %(memory)s.") % {
            "cpu": UNKNOWN if cpu is None else f"{cpu:.0f} %",
            "memory": UNKNOWN if memory is None else f"{memory:.0f} %",
        }
    return Chart(
        key="machine",
        title=gettext("Processor and memory"),
        summary=summary,
        columns=[
            [row[0].timestamp() for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
        ],
        labels=[gettext("Processor %"), gettext("Memory %")],
        is_empty=not rows,
    )
