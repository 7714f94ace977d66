"""Ask the sources before a search: new threads, then what may have changed, best first.

All of it within the calls allowed.

The plan and the sums are kept with the job. A worker that takes it over reads what nobody has read
since it was asked for, so a killed one costs the calls that were under way and no more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_noop

from projects.models import Connection, SiteSettings
from threads.models import Job, SyncRun, Thread
from threads.sources import may_list, tells_use
from threads.sync.batch import READERS, Tally
from threads.sync.budget import CallBudget
from threads.sync.choice import choose
from threads.sync.listing import most_pages
from threads.sync.reading import PAGE
from threads.sync.rounds import list_connection, sync_batch

_SLICE_SECONDS = 200.0
_PROGRESS_SECONDS = 0.5
# In message-seconds: what is expected to be newer by less than that was read just now, or is long
# asleep. The refresh itself may use calls on it that nobody else needs; here somebody waits.
_LOWEST_SCORE = 1.0
_USUAL_CALL_SECONDS = 0.3  # where nothing has been measured yet
_RUNS_LOOKED_AT = 5
_LISTED_JUST_NOW = timedelta(seconds=30)  # a thread that is younger can wait for the next search
_SUMS = ("threads_read", "threads_failed", "messages_new", "messages_changed", "calls")
LISTING = gettext_noop("Looking for new threads")
PLANNING = gettext_noop("Looking for what may have changed")
READING = gettext_noop("Reading from the source")


@dataclass(frozen=True, slots=True)
class Cost:
    """What asking a connection would take. No calls: nothing can have changed, or none are left.

    New threads that are found meanwhile come on top, as far as the calls allow.
    """

    connection: Connection
    thread_ids: list[int]
    calls: int
    seconds: int
    looks_for_new: bool  # the store is asked for threads that nobody knows here yet
    is_spent: bool  # no calls are left at present


class End(Enum):
    DONE = "done"  # nothing is left to do
    LATER = "later"  # the slice is over; go on in another one
    TAKEN = "taken"  # cancelled, or another worker has the job


def preview(connections: Iterable[Connection], *, now: datetime) -> list[Cost]:
    """Tell what a fresh search over these connections would read. Five queries each, no calls."""
    return [_cost(connection, now=now) for connection in connections]


def _cost(connection: Connection, *, now: datetime) -> Cost:
    left = CallBudget(connection).left()
    calls = min(left, SiteSettings.current().fresh_search_calls)
    looks_for_new = calls > 0 and _looks_for_new(connection, now=now)
    pages = min(calls, _pages(connection)) if looks_for_new else 0
    chosen = choose(connection, calls=calls - pages, now=now)
    # Those without a score were never read: a call for the thread and one for its items.
    thread_ids = [pk for pk in chosen.keys if chosen.scores.get(pk, math.inf) >= _LOWEST_SCORE]
    reading = len(thread_ids) + sum(pk not in chosen.scores for pk in thread_ids)
    needed = min(pages + reading, calls)
    return Cost(
        connection,
        thread_ids,
        calls=needed,
        seconds=math.ceil(needed * _call_seconds(connection)),
        looks_for_new=looks_for_new,
        is_spent=left == 0,
    )


def _looks_for_new(connection: Connection, *, now: datetime) -> bool:
    """Tell whether the store can say what is new, and was not asked that just now."""
    can_list = may_list(
        connection.store, base_url=connection.base_url, azure_endpoint=connection.azure_endpoint
    )
    listed_at = connection.listed_at
    return can_list and (listed_at is None or now - listed_at >= _LISTED_JUST_NOW)


def _pages(connection: Connection) -> int:
    """Guess how many pages of the list are read: one, or all where it tells what was used."""
    if not tells_use(connection.store):
        return 1
    known = Thread.objects.filter(connection=connection).count()
    return min(most_pages(connection), 1 + known // PAGE)


def seconds_left(job: Job, *, now: datetime) -> int | None:
    """Estimate how long a fresh search still takes, by how long it took so far; None: too early."""
    began_at = parse_datetime(str(job.result.get("began_at", "")))
    if began_at is None or not job.total_count or not job.done_count:
        return None
    per_thread = (now - began_at).total_seconds() / job.done_count
    return max(1, math.ceil(per_thread * (job.total_count - job.done_count)))


def _call_seconds(connection: Connection) -> float:
    """Return how long a call took of late, with many under way at once."""
    runs = SyncRun.objects.filter(
        connection=connection, state=SyncRun.State.DONE, calls_made__gt=READERS
    ).order_by("-started_at")[:_RUNS_LOOKED_AT]
    seconds, calls = 0.0, 0
    for run in runs:
        if run.finished_at is not None:
            seconds += (run.finished_at - run.started_at).total_seconds()
            calls += run.calls_made
    return seconds / calls if calls else _USUAL_CALL_SECONDS / READERS


@dataclass(slots=True)
class _State:
    """What the job keeps from one slice to the next."""

    since: datetime
    began_at: datetime
    plan: dict[str, list[int]] = field(default_factory=dict)  # by connection
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    notes: list[str] = field(default_factory=list)
    is_planned: bool = False

    @classmethod
    def of(cls, job: Job) -> _State:
        kept = job.result
        since = parse_datetime(str(kept.get("since", ""))) or job.queued_at
        began_at = parse_datetime(str(kept.get("began_at", ""))) or timezone.now()
        if "plan" not in kept:
            return cls(since, began_at)
        sums = {name: int(kept.get(name, 0)) for name in _SUMS}
        notes = list(kept.get("notes", []))
        return cls(since, began_at, dict(kept["plan"]), sums, notes, is_planned=True)

    def as_json(self, tally: Tally | None = None) -> dict[str, object]:
        sums = dict(self.sums)
        for name in _SUMS if tally is not None else ():
            sums[name] += getattr(tally, name)
        moments = {"since": self.since.isoformat(), "began_at": self.began_at.isoformat()}
        return {**moments, "plan": self.plan, "notes": self.notes, **sums}

    def add(self, tally: Tally) -> None:
        for name in _SUMS:
            self.sums[name] += getattr(tally, name)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def read_for(job: Job, connections: Iterable[Connection]) -> End:
    """Do a slice of a fresh search's job, and leave what it came to in the job's result.

    `job` is claimed by this worker. Progress only ever grows, also after a worker was killed.
    """
    began = time.monotonic()
    state = _State.of(job)
    connections = list(connections)
    if not state.is_planned and not _plan(job, connections, state):
        return End.TAKEN
    total = sum(len(ids) for ids in state.plan.values())
    if not job.advance(
        now=timezone.now(),
        done=job.done_count,
        total=max(total, 1),
        phase=READING,
        result=state.as_json(),
    ):
        return End.TAKEN
    for connection in connections:
        end = _read(job, connection, state, until=began + _SLICE_SECONDS)
        if end is not End.DONE:
            return end
    finished = job.advance(now=timezone.now(), done=max(total, 1), result=state.as_json())
    return End.DONE if finished else End.TAKEN


def _plan(job: Job, connections: Iterable[Connection], state: _State) -> bool:
    """Look for new threads, then choose what to read of all. False: the job is not ours any more.

    Nothing of it is kept before it is done: whoever takes the job over does it again.
    """
    is_mine = True

    def keep_going() -> bool:
        nonlocal is_mine
        is_mine = job.advance(now=timezone.now(), done=job.done_count, phase=LISTING)
        return is_mine

    for connection in connections:
        used: list[int] = []
        if not _is_paused(connection) and _looks_for_new(connection, now=timezone.now()):
            listed = list_connection(
                connection,
                now=timezone.now(),
                trigger=SyncRun.Trigger.FRESH_SEARCH,
                most_calls=SiteSettings.current().fresh_search_calls,
                job=job,
                keep_going=keep_going,
            )
            used = listed or []
        if not (is_mine and job.advance(now=timezone.now(), done=job.done_count, phase=PLANNING)):
            return False
        chosen = _cost(connection, now=timezone.now()).thread_ids
        state.plan[str(connection.pk)] = list(dict.fromkeys([*used, *chosen]))
    state.sums["calls"] = sum(_calls_made(job, connection) for connection in connections)
    return True


def _calls_made(job: Job, connection: Connection) -> int:
    """Return how many calls the job's runs over this connection have made; those that ended."""
    runs = SyncRun.objects.filter(job=job, connection=connection)
    return int(runs.aggregate(calls=Sum("calls_made"))["calls"] or 0)


def _is_paused(connection: Connection) -> bool:
    return connection.paused_until is not None and connection.paused_until > timezone.now()


def _read(job: Job, connection: Connection, state: _State, *, until: float) -> End:
    wanted = _left(connection, state)
    if not wanted:
        return End.DONE
    if _is_paused(connection):
        state.note(f"{connection}: {connection.state_reason or Connection.State.EXHAUSTED.label}")
        return End.DONE
    before = sum(len(ids) for ids in state.plan.values()) - sum(
        len(_ids_left(ids, state.since)) for ids in state.plan.values()
    )
    most = SiteSettings.current().fresh_search_calls
    last, is_mine = 0.0, True

    def keep_going(tally: Tally) -> bool:
        nonlocal last, is_mine
        moment = time.monotonic()
        if moment - last < _PROGRESS_SECONDS:
            return True
        last = moment
        is_mine = job.advance(
            now=timezone.now(),
            done=max(job.done_count, before + tally.threads_read),
            result=state.as_json(tally),
        )
        return is_mine and moment < until

    tally = sync_batch(
        connection,
        wanted,
        trigger=SyncRun.Trigger.FRESH_SEARCH,
        most_calls=max(0, most - _calls_made(job, connection)),
        job=job,
        keep_going=keep_going,
    )
    state.add(tally)
    if tally.stopped_by is not None:
        state.note(f"{connection}: {tally.stopped_by.message}")
    done = max(job.done_count, before + tally.threads_read)
    if not job.advance(now=timezone.now(), done=done, result=state.as_json()):
        return End.TAKEN
    return End.LATER if tally.is_cancelled else End.DONE


def _left(connection: Connection, state: _State) -> list[int]:
    return _ids_left(state.plan.get(str(connection.pk), []), state.since)


def _ids_left(thread_ids: list[int], since: datetime) -> list[int]:
    """Return those that nobody has read since then, in the same order."""
    unread = Q(last_synced_at__isnull=True) | Q(last_synced_at__lt=since)
    not_put_off = Q(refresh_not_before__isnull=True) | Q(refresh_not_before__lte=timezone.now())
    known = set(
        Thread.objects.filter(unread & not_put_off, pk__in=thread_ids).values_list("pk", flat=True)
    )
    return [pk for pk in thread_ids if pk in known]
