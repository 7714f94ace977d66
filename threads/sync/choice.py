"""Which threads of a connection are read next. The policy is `threads.refresh`; here is the SQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Q

from projects.models import Connection
from threads import refresh
from threads.models import Thread
from threads.models.thread import ThreadQuerySet
from threads.refresh import Expectation, Look, Round, Silence
from threads.sync.learning import expectation_for

ROUND_SECONDS = 60.0  # as often as the schedule runs
_CALLS_OF_A_FIRST_READING = 2  # the thread itself, and its items
_COUNT_SECONDS = 1_800  # a count of threads is good for this long
_LOOKED_AT = (
    *("pk", "external_id", "last_message_timestamp", "created_at", "last_synced_at"),
    *("session_count", "next_refresh_at"),
)
_Row = tuple[int, str, datetime | None, datetime | None, datetime | None, int, datetime | None]


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


def choose(connection: Connection, *, calls: int, now: datetime) -> Round:
    """Plan a round of at most `calls` calls. Three queries along an index, whatever the size."""
    if calls < 1:
        return Round(threshold=connection.refresh_threshold)
    expectation = expectation_for(connection.project_id)
    waiting = candidates(connection, now)
    pool = waiting.filter(next_refresh_at__isnull=False, last_synced_at__isnull=False)
    earliest = pool.order_by("next_refresh_at", "pk")[: refresh.pool_size(calls)]
    new = waiting.filter(last_synced_at__isnull=True).order_by("pk")[:calls]
    return refresh.plan_round(
        new=list(new.values_list("pk", flat=True)),
        overdue=[_look(row, expectation, now) for row in _overdue(connection, calls, now)],
        pool=[_look(row, expectation, now) for row in earliest.values_list(*_LOOKED_AT)],
        calls=calls,
        threshold=connection.refresh_threshold,
        lowest=lowest_threshold(connection),
        calls_for_new=_CALLS_OF_A_FIRST_READING,
        seconds=ROUND_SECONDS,
    )


def _overdue(connection: Connection, calls: int, now: datetime) -> list[_Row]:
    """Return those unread for longer than is guaranteed, longest first."""
    most = max(1, round(calls * refresh.GUARANTEE_SHARE))
    earliest = now - refresh.LONGEST_UNSYNCED * 0.75
    found = candidates(connection, now).filter(last_synced_at__lt=earliest)
    rows: list[_Row] = list(
        found.order_by("last_synced_at", "pk").values_list(*_LOOKED_AT)[: 4 * most]
    )
    if not rows:
        return []
    total = _count_of(connection)
    overdue = []
    for row in rows:
        limit = refresh.guarantee(
            row[1], threads=total, calls_per_minute=connection.calls_per_minute
        )
        if row[4] is not None and now - row[4] > limit:
            overdue.append(row)
    return overdue[:most]


def _count_of(connection: Connection) -> int:
    name = f"refresh-count:{connection.pk}"
    total: int | None = cache.get(name)
    if total is None:
        total = Thread.objects.refreshable().filter(connection=connection).count()
        cache.set(name, total, timeout=_COUNT_SECONDS)
    return total


def _look(row: _Row, expectation: Expectation, now: datetime) -> Look:
    pk, _, last_message_at, created_at, synced_at, session_count, due_at = row
    assert synced_at is not None  # noqa: S101 - both queries ask for it
    silence = silence_of(
        last_message_at=last_message_at,
        created_at=created_at,
        synced_at=synced_at,
        session_count=session_count,
    )
    since = max(0.0, (now - synced_at).total_seconds())
    return Look(pk, silence, since, expectation, is_due=due_at is not None and due_at <= now)


def next_refresh_at(
    expectation: Expectation, silence: Silence, *, synced_at: datetime, threshold: float
) -> datetime:
    """Return when a thread that was read at `synced_at` is due again."""
    seconds = refresh.next_visit(expectation, silence, threshold=threshold)
    return synced_at + timedelta(seconds=seconds)
