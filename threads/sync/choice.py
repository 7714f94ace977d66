"""Which threads of a connection are read next. The policy is `threads.refresh`; here is the SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from projects.models import Connection
from threads import refresh
from threads.models import Thread
from threads.models.thread import ThreadQuerySet

_LOOKED_AT = ("pk", "external_id", "last_message_timestamp", "created_at", "last_synced_at")
_CALLS_OF_A_FIRST_READING = 2  # the thread itself, and its items
_Candidate = tuple[int, str, datetime | None, datetime | None, datetime | None]


@dataclass(slots=True)
class Choice:
    """Threads to read, best first, with their scores; and those that were looked at in vain."""

    thread_ids: list[int] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    later: dict[int, datetime] = field(default_factory=dict)  # when to look at them again
    threshold: float = refresh.LOWEST_THRESHOLD


def candidates(connection: Connection, now: datetime) -> ThreadQuerySet:
    """Those that may be asked about now: refreshed, not in the trash, not gone, not put off."""
    found: ThreadQuerySet = Thread.objects.refreshable().filter(
        Q(refresh_not_before__isnull=True) | Q(refresh_not_before__lte=now), connection=connection
    )
    return found.exclude(upstream_state=Thread.UpstreamState.GONE)


def choose(connection: Connection, *, calls: int, now: datetime) -> Choice:
    """Pick at most `calls` threads. Three queries, each along an index, whatever the size.

    New threads first (half of the calls while others wait), then those that nothing has read for
    longest (a fifth), then the highest scores.
    """
    choice = Choice(threshold=connection.refresh_threshold)
    if calls < 1:
        return choice
    pool = _rows(
        candidates(connection, now)
        .filter(next_refresh_at__isnull=False, last_synced_at__isnull=False)
        .order_by("next_refresh_at", "pk")[: refresh.POOL_FACTOR * calls]
    )
    ranked = sorted(
        ((_score(row, now), row) for row in pool), key=lambda pair: pair[0], reverse=True
    )
    worthy = [(score, row) for score, row in ranked if score >= refresh.LOWEST_THRESHOLD]
    never = _rows(
        candidates(connection, now).filter(last_synced_at__isnull=True).order_by("pk")[:calls]
    )
    others = min(len(worthy), calls - max(1, int(calls * refresh.NEW_SHARE)))
    new = never[: max(1, (calls - others) // _CALLS_OF_A_FIRST_READING)]
    choice.thread_ids = [row[0] for row in new]
    room = calls - _CALLS_OF_A_FIRST_READING * len(new)

    for row in _overdue(connection, calls=calls, now=now)[: max(0, room)]:
        choice.thread_ids.append(row[0])
        choice.scores[row[0]] = _score(row, now)
        room -= 1

    taken = set(choice.thread_ids)
    lowest = None
    for score, row in worthy:
        if room > 0 and row[0] not in taken:
            choice.thread_ids.append(row[0])
            taken.add(row[0])
            choice.scores[row[0]] = lowest = score
            room -= 1
    choice.threshold = refresh.move_threshold(choice.threshold, lowest_read=lowest)
    for _, row in ranked:
        if row[0] not in taken:
            choice.later[row[0]] = _look_again(row, threshold=choice.threshold, now=now)
    return choice


def _rows(found: ThreadQuerySet) -> list[_Candidate]:
    return list(found.values_list(*_LOOKED_AT))


def _overdue(connection: Connection, *, calls: int, now: datetime) -> list[_Candidate]:
    """Return those unread for longer than is guaranteed, longest first."""
    most = max(1, int(calls * refresh.GUARANTEE_SHARE))
    earliest = now - refresh.LONGEST_UNSYNCED * 0.75
    found = candidates(connection, now).filter(last_synced_at__lt=earliest)
    rows = _rows(found.order_by("last_synced_at", "pk")[: 4 * most])
    if not rows:
        return []
    total = Thread.objects.filter(connection=connection, is_refreshable=True).count()
    overdue = []
    for row in rows:
        limit = refresh.guarantee(
            row[1], threads=total, calls_per_minute=connection.calls_per_minute
        )
        synced_at = row[4]
        if synced_at is not None and now - synced_at > limit:
            overdue.append(row)
    return overdue[:most]


def _silence(row: _Candidate) -> tuple[refresh.Silence, datetime]:
    _, _, last_message_at, created_at, synced_at = row
    assert synced_at is not None  # noqa: S101 - both queries ask for it
    silence = refresh.Silence.of(last_message_at=last_message_at or created_at, synced_at=synced_at)
    return silence, synced_at


def _score(row: _Candidate, now: datetime) -> float:
    silence, synced_at = _silence(row)
    return refresh.score(silence, since_sync_seconds=(now - synced_at).total_seconds())


def _look_again(row: _Candidate, *, threshold: float, now: datetime) -> datetime:
    silence, synced_at = _silence(row)
    due = refresh.next_visit(silence, synced_at=synced_at, threshold=threshold)
    return max(due, now + refresh.SHORTEST_PAUSE)
