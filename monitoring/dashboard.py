"""What the console's first page shows: figures, charts, what ran last, what to do first.

Everything about threads is limited to the projects that the user manages; the machine's figures
are for administrators. The number of queries is the same for an empty archive and a full one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from monitoring.charts import RANGES, USUAL, Chart, charts_for
from projects.admin.display import UNKNOWN, number
from projects.models import Connection, Project
from threads.models import Job, SyncRun, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

RECENT = 6  # rows in the lists of runs and jobs
_TELLS = Q(total_tokens__isnull=False)


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
class Dashboard:
    figures: list[Figure]
    charts: list[Chart]
    runs: list[SyncRun]
    jobs: list[Job]
    needs_project: bool
    needs_connection: bool
    has_sample: bool
    may_change_sample: bool
    may_add_project: bool
    ranges: list[tuple[str, str]]
    range: str
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


def for_user(
    user: User | AnonymousUser, *, now: datetime | None = None, wanted_range: str = USUAL
) -> Dashboard:
    """Collect the page. `wanted_range`: a key of RANGES; any other is the usual one."""
    now = now or timezone.now()
    chosen = RANGES.get(wanted_range, RANGES[USUAL])
    projects = list(Project.objects.managed_by(user).values_list("pk", "is_sample"))
    own = [pk for pk, is_sample in projects if not is_sample]
    is_admin = bool(user.is_superuser)
    charts = charts_for(user, chosen, now=now)
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
        needs_project=not own,
        needs_connection=bool(own) and not has_connection,
        has_sample=len(own) < len(projects),
        may_change_sample=is_admin,
        may_add_project=is_admin or user.has_perm("projects.add_project"),
        ranges=[(each.key, str(each.label)) for each in RANGES.values()],
        range=chosen.key,
        chart_data={chart.key: chart.as_json() for chart in charts},
    )


def _source_of_tokens(totals: dict[str, int]) -> str:
    """Say how far the sum is what the sources told, and how far our own estimate."""
    notes = []
    if estimated := totals["known"] - totals["tellers"]:
        text = ngettext("estimated for %s thread", "estimated for %s threads", estimated)
        notes.append(text % number(estimated))
    if unknown := totals["threads"] - totals["known"]:
        notes.append(gettext("unknown for %s threads") % number(unknown))
    return "; ".join(notes) or gettext("in all threads")


def _figures(user: User | AnonymousUser, now: datetime, *, project_count: int) -> list[Figure]:
    threads = Thread.objects.managed_by(user).filter(trashed_at__isnull=True)
    totals = threads.aggregate(
        threads=Count("pk"),
        messages=Coalesce(Sum("message_count"), 0),
        told=Coalesce(Sum("total_tokens"), 0),
        estimated=Coalesce(Sum("estimated_tokens", filter=~_TELLS), 0),
        tellers=Count("pk", filter=_TELLS),
        known=Count("pk", filter=_TELLS | Q(estimated_tokens__isnull=False)),
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
    token_count = totals["told"] + totals["estimated"] if totals["known"] else None
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
            value=short(token_count),
            exact=number(token_count),
            note=_source_of_tokens(totals),
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
