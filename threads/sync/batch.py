"""Many threads of one connection at once: read side by side, written one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from projects.models import Connection
from threads.models import Thread
from threads.refresh import LifeTable
from threads.sources import Source
from threads.sync.learning import expectation_for
from threads.sync.reading import Plan, Reading, plan_for, read
from threads.sync.writing import Outcome, Result, write

READERS = 16  # at 100 ms a call this keeps one writer busy
# While a server accepts fewer calls than it was sent: each one that is out may be refused.
_CAREFUL_READERS = 2
_HEARTBEAT_SECONDS = 1.0  # how often `keep_going` is asked while all readers wait for the network
_CHUNK = 200  # rows fetched at a time
_MOST_ERRORS = 100


@dataclass(slots=True)
class Tally:
    """The sums of a batch, as a `SyncRun` shows them."""

    threads_read: int = 0
    threads_changed: int = 0
    threads_failed: int = 0
    messages_new: int = 0
    messages_changed: int = 0
    calls: int = 0  # that went out
    calls_avoided: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)  # not read, or not to the end
    stopped_by: Outcome | None = None
    is_cancelled: bool = False
    learned: LifeTable = field(default_factory=LifeTable)  # what these visits have shown

    def add(self, outcome: Outcome, *, short_id: str) -> None:
        self.messages_new += outcome.stored.messages_new
        self.messages_changed += outcome.stored.messages_changed
        if outcome.learned is not None:
            self.learned.add(outcome.learned)
        if outcome.result is Result.STOPPED:
            self.stopped_by = self.stopped_by or outcome
            self.left.append(outcome.thread_id)
            return
        if outcome.result is Result.PARTIAL:
            return
        self.threads_read += 1
        self.threads_changed += outcome.result is Result.CHANGED
        self.calls_avoided += max(0, outcome.pages - outcome.calls)
        if outcome.result in {Result.FAILED, Result.GONE}:
            self.threads_failed += outcome.result is Result.FAILED
            if len(self.errors) < _MOST_ERRORS:
                self.errors.append({"thread": short_id, "message": outcome.message})


def sync_thread(
    thread: Thread, source: Source, *, now: datetime, is_full: bool = False
) -> list[Outcome]:
    """Bring one thread up to date. One call when nothing is new; no write to its messages then.

    Reads before it writes: no lock is held during a call. Safe to run twice and beside itself.

    :param is_full: read from the start and compare everything, also what the thread itself says.
    :returns: an outcome for each step; only huge threads have more than one. The last one tells.
    """
    plan: Plan | None = plan_for(thread, source.capabilities, now=now, is_full=is_full)
    expectation = expectation_for(thread.project_id)
    outcomes = []
    while plan is not None:
        reading = read(plan, source)
        outcomes.append(write(thread, reading, expectation=expectation, now=now))
        plan = reading.next_plan() if outcomes[-1].result is Result.PARTIAL else None
    return outcomes


def sync_many(
    thread_ids: Iterable[int],
    *,
    connection: Connection,
    source: Source,
    clock: Callable[[], datetime],
    is_full: bool = False,
    keep_going: Callable[[Tally], bool] = lambda _: True,
    readers: int | None = None,
) -> Tally:
    """Bring threads of one connection up to date, reading several at once.

    Ends early when the connection cannot be asked any more, or when `keep_going` says so; it is
    asked after every thread and every second. What was not read is in `left`.

    :param readers: threads read at once. None: as many as keep one writer busy, and few while the
        connection has to go slower.
    """
    tally = Tally()
    if readers is None:
        readers = READERS if connection.accepted_rate is None else _CAREFUL_READERS
    expectation = expectation_for(connection.project_id)
    waiting = _plans(thread_ids, connection, source, clock=clock, is_full=is_full)
    running: dict[Future[Reading], Thread] = {}
    has_more = True
    with ThreadPoolExecutor(max_workers=readers, thread_name_prefix="sync") as pool:
        while True:
            stops = tally.stopped_by is not None or tally.is_cancelled
            while has_more and not stops and len(running) < readers:
                thread, plan = next(waiting, (None, None))
                if thread is None or plan is None:
                    has_more = False
                else:
                    running[pool.submit(read, plan, source)] = thread
            if not running:
                break
            finished, _ = wait(running, timeout=_HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                thread, reading = running.pop(future), future.result()
                outcome = write(thread, reading, expectation=expectation, now=clock())
                tally.add(outcome, short_id=thread.short_id)
                if outcome.result is not Result.PARTIAL:
                    continue
                if tally.stopped_by is None and not tally.is_cancelled:
                    running[pool.submit(read, reading.next_plan(), source)] = thread
                else:
                    tally.left.append(thread.pk)
            tally.is_cancelled = tally.is_cancelled or not keep_going(tally)
    if has_more:
        tally.left.extend(thread.pk for thread, _ in waiting)
    return tally


def _plans(
    thread_ids: Iterable[int],
    connection: Connection,
    source: Source,
    *,
    clock: Callable[[], datetime],
    is_full: bool,
) -> Iterator[tuple[Thread, Plan]]:
    wanted = list(thread_ids)
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        found = Thread.objects.select_related("project").in_bulk(part)
        for pk in part:
            thread = found.get(pk)
            if thread is None:  # deleted meanwhile
                continue
            thread.connection = connection  # one instance, so that its state is seen by all
            yield thread, plan_for(thread, source.capabilities, now=clock(), is_full=is_full)
