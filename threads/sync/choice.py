"""Which threads of a connection are read next. The policy is `threads.refresh`; here is the SQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import (
    BooleanField,
    DateTimeField,
    ExpressionWrapper,
    FloatField,
    Func,
    Q,
    Value,
)
from django.db.models.functions import Coalesce

from projects.models import Connection
from threads import refresh
from threads.models import Thread
from threads.models.thread import ThreadQuerySet
from threads.refresh import Expectation, Look, Round, Silence
from threads.sync.learning import expectation_for

ROUND_SECONDS = 60.0  # as often as the schedule runs, unless the settings say otherwise
_CALLS_OF_A_FIRST_READING = 2  # the thread itself, and its items
_COUNT_SECONDS = 1_800  # a count of threads is good for this long
_Row = tuple[int, str, float, float, int, bool]


class _Seconds(Func):
    """How many seconds the first time lies after the second.

    The database subtracts: to read 1,900 times a round as Python's cost more than to find them.
    """

    output_field = FloatField()
    arity = 2

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((julianday(%(expressions)s)) * 86400.0)"
        return self.as_sql(
            compiler, connection, template=template, arg_joiner=") - julianday(", **context
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(EXTRACT(EPOCH FROM (%(expressions)s)) AS double precision)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **context)


def candidates(connection: Connection, now: datetime) -> ThreadQuerySet:
    """Those that may be asked about now: refreshed, not in the trash, not gone, not put off."""
    found: ThreadQuerySet = Thread.objects.refreshable().filter(
        Q(refresh_not_before__isnull=True) | Q(refresh_not_before__lte=now), connection=connection
    )
    return found.exclude(upstream_state=Thread.UpstreamState.GONE)


def lowest_threshold(connection: Connection) -> float:
    """Return the score below which nothing is worth a call of this connection."""
    return refresh.ECONOMY_THRESHOLD if connection.saves_calls else 0.0


def silence_of(
    *,
    last_message_at: datetime | None,
    created_at: datetime | None,
    synced_at: datetime,
    session_count: int,
) -> Silence:
    """Build it from columns; a thread without any message counts as begun when it was made."""
    last = last_message_at or created_at or synced_at
    return Silence(max(0.0, (synced_at - last).total_seconds()), session_count)


def choose(
    connection: Connection, *, calls: int, now: datetime, seconds: float = ROUND_SECONDS
) -> Round:
    """Plan a round of at most `calls` calls. Three queries along an index, whatever the size.

    :param seconds: from one round to the next.
    """
    if calls < 1:
        return Round(threshold=connection.refresh_threshold)
    expectation = expectation_for(connection.project_id)
    waiting = candidates(connection, now)
    pool = waiting.filter(next_refresh_at__isnull=False, last_synced_at__isnull=False)
    earliest = pool.order_by("next_refresh_at", "pk")[: refresh.pool_size(calls)]
    new = waiting.filter(last_synced_at__isnull=True).order_by("pk")[:calls]
    return refresh.plan_round(
        new=list(new.values_list("pk", flat=True)),
        overdue=[_look(row, expectation) for row in _overdue(connection, calls, now)],
        pool=[_look(row, expectation) for row in _rows(earliest, now)],
        calls=calls,
        threshold=connection.refresh_threshold,
        lowest=lowest_threshold(connection),
        calls_for_new=_CALLS_OF_A_FIRST_READING,
        seconds=seconds,
    )


def _overdue(connection: Connection, calls: int, now: datetime) -> list[_Row]:
    """Return those unread for longer than is guaranteed, longest first."""
    most = max(1, round(calls * refresh.GUARANTEE_SHARE))
    earliest = now - refresh.LONGEST_UNSYNCED * 0.75
    found = candidates(connection, now).filter(last_synced_at__lt=earliest)
    rows = _rows(found.order_by("last_synced_at", "pk")[: 4 * most], now)
    if not rows:
        return []
    total = _count_of(connection)
    overdue = []
    for row in rows:
        limit = refresh.guarantee(
            row[1], threads=total, calls_per_minute=connection.calls_per_minute
        )
        if row[3] > limit.total_seconds():
            overdue.append(row)
    return overdue[:most]


def _count_of(connection: Connection) -> int:
    name = f"refresh-count:{connection.pk}"
    total: int | None = cache.get(name)
    if total is None:
        total = Thread.objects.refreshable().filter(connection=connection).count()
        cache.set(name, total, timeout=_COUNT_SECONDS)
    return total


def _rows(threads: ThreadQuerySet, now: datetime) -> list[_Row]:
    """Return what a look needs: key, id, age when it was read, seconds since, sessions, is due."""
    last = Coalesce("last_message_timestamp", "created_at", "last_synced_at")
    due = ExpressionWrapper(
        Q(next_refresh_at__isnull=False, next_refresh_at__lte=now), BooleanField()
    )
    since = _Seconds(Value(now, DateTimeField()), "last_synced_at")
    age = _Seconds("last_synced_at", last)
    found: Any = threads.values_list("pk", "external_id", age, since, "session_count", due)
    return list(found)


def _look(row: _Row, expectation: Expectation) -> Look:
    pk, _, age, since, session_count, is_due = row
    silence = Silence(max(0.0, age), session_count)
    return Look(pk, silence, max(0.0, since), expectation, is_due=is_due)


def next_refresh_at(
    expectation: Expectation, silence: Silence, *, synced_at: datetime, threshold: float
) -> datetime:
    """Return when a thread that was read at `synced_at` is due again."""
    seconds = refresh.next_visit(expectation, silence, threshold=threshold)
    return synced_at + timedelta(seconds=seconds)
