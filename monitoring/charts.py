"""The dashboard's charts: what is drawn for which stretch of time, small enough to draw at once.

Each chart has at most MOST_POINTS points, however long its range: figures were merged as they
grew old (`retention.py`), and what is still too fine is merged here. What is counted over the
archive is kept for some minutes, because it reads an index of all messages.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.db.models import CharField, Count, F, Func, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.models import SystemMetric
from projects.admin.display import UNKNOWN, number, percent
from projects.models import Project
from threads.models import Message, SyncRun, Thread
from threads.search.keys import EPOCH, key_for

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MOST_POINTS = 1_500
MOST_PROJECTS = 5  # lines of their own; the others are one line together
_KEPT_SECONDS = 300
# Search keys count from midnight UTC, so their days and hours are UTC's.
_KEYS_PER_HOUR = key_for(EPOCH + timedelta(hours=1))
Columns = list[list[float | None]]


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time up to now, and the width of what is counted within it."""

    key: str
    label: Any  # lazy
    length: timedelta
    step: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """Return where each step begins, the oldest first, ending with the one that runs."""
        width = self.step.total_seconds()
        last = int(now.timestamp() // width)
        first = last - round(self.length / self.step) + 1
        return [datetime.fromtimestamp(place * width, tz=UTC) for place in range(first, last + 1)]


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
RANGES = {
    each.key: each
    for each in (
        Range("hour", _("Hour"), _HOUR, timedelta(minutes=1)),
        Range("day", _("Day"), _DAY, _HOUR),
        Range("week", _("Week"), 7 * _DAY, _HOUR),
        Range("month", _("Month"), 30 * _DAY, _DAY),
        Range("quarter", _("Quarter"), 91 * _DAY, _DAY),
        Range("year", _("Year"), 365 * _DAY, _DAY),
    )
}
USUAL = "month"


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns for uPlot (Unix times first), and the same in words.

    :param shape: bars, lines, or percent: lines from 0 to 100.
    :param wants: what to say where there is nothing to draw.
    """

    key: str
    title: str
    summary: str
    columns: Columns
    labels: list[str]
    wants: str
    is_empty: bool
    shape: str = "lines"

    def as_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "labels": self.labels, "shape": self.shape}


class _Moment(Func):
    """The hour or day of a time, in UTC, as text that sorts: "2026-11-27 13"."""

    output_field = CharField()

    def __init__(self, expression: Any, *, step: timedelta) -> None:
        self._is_day = step == _DAY
        super().__init__(F(expression))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Times are ISO text there: cutting it is 20 times as fast as Django's Trunc, in Python.
        length = 10 if self._is_day else 13
        return super().as_sql(
            compiler, connection, template=f"substr(%(expressions)s, 1, {length})", **context
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        form = "YYYY-MM-DD" if self._is_day else "YYYY-MM-DD HH24"
        return super().as_sql(
            compiler,
            connection,
            template=f"to_char(%(expressions)s AT TIME ZONE 'UTC', '{form}')",
            **context,
        )


def _name(moment: datetime, step: timedelta) -> str:
    return f"{moment:%Y-%m-%d}" if step == _DAY else f"{moment:%Y-%m-%d %H}"


def charts_for(user: User | AnonymousUser, chosen: Range, *, now: datetime) -> list[Chart]:
    """Return what `user` may see; at most seven queries, and none while the last ones are good."""
    counted: list[Callable[..., Chart]] = [_messages, _tokens, _calls, _news]
    charts = [_kept(make, user, chosen, now) for make in counted]
    if user.is_superuser:
        rows = _metrics(chosen, now)
        charts += [_machine(rows), _queue(rows), _searches(rows), _errors(rows)]
    return charts


def _kept(make: Callable[..., Chart], user: Any, chosen: Range, now: datetime) -> Chart:
    """Return the chart as it was made some minutes ago, or make it."""
    width = min(chosen.step.total_seconds(), _KEPT_SECONDS)
    moment = int(now.timestamp() // width)
    # Whoever is given a project sees it at once.
    scope = "all" if user.is_superuser else _fingerprint(Project.objects.managed_by(user))
    language = gettext("Messages")
    key = f"chart:{make.__name__}:{chosen.key}:{moment}:{scope}:{_digest(language)}"
    chart = cache.get(key)
    if not isinstance(chart, Chart):
        chart = make(user, chosen, now)
        cache.set(key, chart, _KEPT_SECONDS)
    return chart


def _fingerprint(projects: QuerySet[Project]) -> str:
    return _digest(",".join(map(str, projects.order_by("pk").values_list("pk", flat=True))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _times(starts: Iterable[datetime]) -> list[float | None]:
    return [start.timestamp() for start in starts]


def _step_for_archive(chosen: Range) -> Range:
    """Count what is in the archive by hours at the finest: sources seldom give more."""
    if chosen.key == "hour":
        return RANGES["day"]
    return chosen


def _messages(user: Any, chosen: Range, now: datetime) -> Chart:
    """Count by the key that orders the archive: its index has all that this needs."""
    chosen = _step_for_archive(chosen)
    starts = chosen.starts(now)
    width = _KEYS_PER_HOUR * round(chosen.step / _HOUR)
    messages = Message.objects.filter(search_key__gte=key_for(starts[0])).order_by()
    if not user.is_superuser:
        messages = messages.filter(project__in=Project.objects.managed_by(user))
    counts = dict(
        messages.annotate(place=F("search_key") / width)
        .values("place")
        .annotate(count=Count("pk"))
        .values_list("place", "count")
    )
    values: list[float | None] = [counts.get(key_for(start) // width, 0) for start in starts]
    return Chart(
        key="messages",
        title=gettext("Messages sent"),
        summary=gettext("%(total)s messages in this time, %(last)s of them in its last step.")
        % {"total": number(sum(value or 0 for value in values)), "last": number(values[-1])},
        columns=[_times(starts), values],
        labels=[gettext("Messages")],
        wants=gettext("No message is dated in these days."),
        is_empty=not any(values),
        shape="bars",
    )


def _tokens(user: Any, chosen: Range, now: datetime) -> Chart:
    """Sum the tokens of threads by the time of their last message: stores tell no other."""
    chosen = _step_for_archive(chosen)
    starts = chosen.starts(now)
    threads = Thread.objects.filter(last_message_timestamp__gte=starts[0], trashed_at__isnull=True)
    if not user.is_superuser:
        threads = threads.filter(project__in=Project.objects.managed_by(user))
    sums = (
        threads.order_by()
        .annotate(moment=_Moment("last_message_timestamp", step=chosen.step))
        .values("project", "moment")
        .annotate(
            told=Coalesce(Sum("total_tokens"), 0),
            estimated=Coalesce(Sum("estimated_tokens", filter=Q(total_tokens__isnull=True)), 0),
        )
        .values_list("project", "moment", "told", "estimated")
    )
    by_project: defaultdict[int, dict[str, int]] = defaultdict(dict)
    all_estimated = 0
    for project_id, moment, told, estimated in sums:
        if told or estimated:
            by_project[project_id][moment] = told + estimated
        all_estimated += estimated
    ranked = sorted(by_project, key=lambda pk: -sum(by_project[pk].values()))
    first, others = ranked[:MOST_PROJECTS], ranked[MOST_PROJECTS:]
    names = dict(Project.objects.filter(pk__in=first).values_list("pk", "name"))
    steps = [_name(start, chosen.step) for start in starts]
    columns: Columns = [_times(starts)]
    columns += [[by_project[pk].get(step, 0) for step in steps] for pk in first]
    labels = [names.get(pk, UNKNOWN) for pk in first]
    if others:
        columns.append([sum(by_project[pk].get(step, 0) for pk in others) for step in steps])
        labels.append(gettext("Other projects"))
    if not first:
        columns.append([0] * len(steps))
        labels.append(gettext("Tokens"))
    total = sum(sum(each.values()) for each in by_project.values())
    summary = gettext("%s tokens of threads whose last message is from this time.") % number(total)
    if all_estimated:
        summary = f"{summary} {gettext('%s of them are estimated.') % number(all_estimated)}"
    return Chart(
        key="tokens",
        title=gettext("Tokens by project"),
        summary=summary,
        columns=columns,
        labels=labels,
        wants=gettext("No thread of this time tells its tokens."),
        is_empty=not total,
    )


def _sums(user: Any, chosen: Range, now: datetime, *names: str) -> tuple[list[datetime], Columns]:
    """Sum columns of the syncs' ledger over the steps of a range."""
    chosen = _step_for_archive(chosen)
    starts = chosen.starts(now)
    runs = SyncRun.objects.filter(started_at__gte=starts[0])
    if not user.is_superuser:
        runs = runs.filter(project__in=Project.objects.managed_by(user))
    rows = (
        runs.order_by()
        .annotate(moment=_Moment("started_at", step=chosen.step))
        .values("moment")
        .annotate(**{f"sum_{name}": Sum(name) for name in names})
    )
    found: dict[str, Any] = {row["moment"]: row for row in rows}
    steps = [found.get(_name(start, chosen.step), {}) for start in starts]
    columns: Columns = [[step.get(f"sum_{name}", 0) for step in steps] for name in names]
    return starts, columns


def _calls(user: Any, chosen: Range, now: datetime) -> Chart:
    starts, columns = _sums(user, chosen, now, "calls_made", "calls_avoided")
    made, avoided = (int(sum(value or 0 for value in column)) for column in columns)
    return Chart(
        key="calls",
        title=gettext("Calls to sources"),
        summary=gettext("%(made)s calls made, %(avoided)s avoided by Smart Refresh.")
        % {"made": number(made), "avoided": number(avoided)},
        columns=[_times(starts), *columns],
        labels=[gettext("Made"), gettext("Avoided")],
        wants=gettext("Nothing was synced in this time."),
        is_empty=not made + avoided,
    )


def _news(user: Any, chosen: Range, now: datetime) -> Chart:
    starts, columns = _sums(user, chosen, now, "messages_new", "threads_failed")
    new, failed = (int(sum(value or 0 for value in column)) for column in columns)
    return Chart(
        key="news",
        title=gettext("What syncs brought"),
        summary=gettext("%(new)s new messages; reading a thread failed %(failed)s times.")
        % {"new": number(new), "failed": number(failed)},
        columns=[_times(starts), *columns],
        labels=[gettext("New messages"), gettext("Failures")],
        wants=gettext("Nothing was synced in this time."),
        is_empty=not new + failed,
    )


_FIGURES = (
    *("cpu_percent", "memory_percent", "disk_percent", "queue_length", "running_jobs"),
    *("search_p50_ms", "search_p95_ms", "search_count", "error_count", "failed_jobs"),
)
_ADDED = {"search_count", "error_count"}
_HIGHEST = {"queue_length", "running_jobs", "failed_jobs", "search_p50_ms", "search_p95_ms"}


@dataclass(frozen=True, slots=True)
class Metrics:
    """The machine's figures of a range: times, and a column for each name of `_FIGURES`."""

    times: list[float | None]
    columns: dict[str, list[float | None]]

    def last(self, name: str) -> float | None:
        return next((value for value in reversed(self.columns[name]) if value is not None), None)


def _metrics(chosen: Range, now: datetime) -> Metrics:
    """Read the figures of a range, merged so that MOST_POINTS are enough; one query."""
    since = now - chosen.length
    rows = SystemMetric.objects.filter(measured_at__gte=since).order_by("measured_at")
    groups: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    width = max(60, -(-int(chosen.length.total_seconds()) // (MOST_POINTS // 2)))
    for row in rows.values_list("measured_at", *_FIGURES).iterator(chunk_size=5_000):
        groups[int(row[0].timestamp()) // width].append(row[1:])
    columns: dict[str, list[float | None]] = {name: [] for name in _FIGURES}
    for members in groups.values():
        for name, values in zip(_FIGURES, zip(*members, strict=True), strict=True):
            columns[name].append(_merged(name, [value for value in values if value is not None]))
    return Metrics([float(place * width) for place in groups], columns)


def _merged(name: str, values: list[float]) -> float | None:
    if not values:
        return None
    if name in _ADDED:
        return sum(values)
    return max(values) if name in _HIGHEST else round(sum(values) / len(values), 1)


def _chart_of(rows: Metrics, key: str, **about: Any) -> Chart:
    names: tuple[str, ...] = about.pop("names")
    return Chart(
        key=key,
        columns=[rows.times, *(rows.columns[name] for name in names)],
        wants=gettext("Measurements begin with the background worker: one a minute."),
        is_empty=not rows.times,
        **about,
    )


def _machine(rows: Metrics) -> Chart:
    values = [percent(rows.last(f"{name}_percent")) for name in ("cpu", "memory", "disk")]
    text = gettext("Now: processor %(cpu)s, memory %(memory)s, disk %(disk)s.")
    return _chart_of(
        rows,
        "machine",
        names=("cpu_percent", "memory_percent", "disk_percent"),
        title=gettext("Processor, memory and disk"),
        summary=text % dict(zip(("cpu", "memory", "disk"), values, strict=True)),
        labels=[gettext("Processor %"), gettext("Memory %"), gettext("Disk %")],
        shape="percent",
    )


def _queue(rows: Metrics) -> Chart:
    text = gettext("Now: %(waiting)s tasks wait, %(running)s jobs run.")
    return _chart_of(
        rows,
        "queue",
        names=("queue_length", "running_jobs"),
        title=gettext("Queue"),
        summary=text
        % {
            "waiting": number(rows.last("queue_length")),
            "running": number(rows.last("running_jobs")),
        },
        labels=[gettext("Waiting tasks"), gettext("Running jobs")],
    )


def _searches(rows: Metrics) -> Chart:
    count = int(sum(value or 0 for value in rows.columns["search_count"]))
    slowest = max((value for value in rows.columns["search_p95_ms"] if value), default=None)
    slowest = None if slowest is None else round(slowest)
    text = gettext(
        "%(count)s searches; in the slowest minute 95 %% of them ended in %(slowest)s ms."
    )
    return _chart_of(
        rows,
        "searches",
        names=("search_p50_ms", "search_p95_ms"),
        title=gettext("Time of searches (ms)"),
        summary=text % {"count": number(count), "slowest": number(slowest)},
        labels=[gettext("Half of them"), gettext("95 of 100")],
    )


def _errors(rows: Metrics) -> Chart:
    errors = int(sum(value or 0 for value in rows.columns["error_count"]))
    text = gettext("%(errors)s answers failed; %(jobs)s jobs failed in the last 24 hours.")
    return _chart_of(
        rows,
        "errors",
        names=("error_count", "failed_jobs"),
        title=gettext("Errors"),
        summary=text % {"errors": number(errors), "jobs": number(rows.last("failed_jobs"))},
        labels=[gettext("Failed answers"), gettext("Failed jobs of a day")],
    )
