"""The network half of a sync: knows no database, so that many threads can be read at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

from threads import refresh
from threads.models import Thread
from threads.sources import (
    BESIDE,
    Capability,
    CursorLost,
    Denied,
    RemoteMessage,
    RemoteThread,
    Runs,
    Source,
    SourceError,
    TellsRuns,
    Usage,
    is_made_up,
)

logger = logging.getLogger(__name__)

# A server that fails on this often in a row is read without what stands beside the messages.
_FAILURES_FORGIVEN = 3
PAGE = 100  # items a call; the most that the API allows
# Pages held in memory before they are written: a first read of a huge thread is kept in steps.
_PAGES_A_READING = 10


class Unforeseen(SourceError):
    """What nobody has thought of: the fault is ours, and it is one thread's, not all others'."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"ThreadHub failed at this thread ({type(error).__name__}); see the log.")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask about one thread."""

    thread_id: int
    remote_id: str
    began_at: datetime
    after: str | None = None  # read what follows this item; None: from the start
    is_full: bool = False  # compare everything that the archive has
    asks_thread: bool = False  # also what the store says about the thread itself
    asks_usage: bool = False
    # Carried from one reading of the same pass to the next.
    seen: set[str] = field(default_factory=set)
    cursor: str = ""
    is_cursor_held: bool = False
    known_to: str = ""  # what comes up to this item was read before; "": nothing was


@dataclass(frozen=True, slots=True)
class Reading:
    """What came back. With an `error` it holds what was read before."""

    plan: Plan
    messages: tuple[RemoteMessage, ...] = ()
    thread: RemoteThread | None = None
    usage: Usage | None = None
    cursor: str = ""  # the last item before the first one that may still change
    is_cursor_held: bool = False
    following: str | None = None  # where to go on; None: this was the end, or it failed
    calls: int = 0
    error: SourceError | None = None

    @property
    def is_end(self) -> bool:
        return self.error is None and self.following is None

    def next_plan(self) -> Plan:
        """Return the plan that goes on where this reading stopped."""
        return replace(
            self.plan,
            after=self.following,
            asks_thread=False,
            cursor=self.cursor,
            is_cursor_held=self.is_cursor_held,
            known_to="" if self.plan.known_to in self.ids else self.plan.known_to,
        )

    @property
    def ids(self) -> list[str]:
        return [message.remote_id for message in self.messages]

    @property
    def fresh_from(self) -> int:
        """Return the index of the first message that no earlier visit has read to its end."""
        known_to, ids = self.plan.known_to, self.ids
        if not known_to:
            return 0
        if known_to in ids:
            return ids.index(known_to) + 1
        return len(ids) if self.following is not None else 0  # or it was removed upstream


def plan_for(
    thread: Thread, capabilities: Capability, *, now: datetime, is_full: bool = False
) -> Plan:
    """Decide how to read a thread: what follows the last item, or all of it."""
    can_resume = Capability.RESUME_AFTER in capabilities and bool(thread.last_item_id)
    is_due = refresh.is_full_read_due(
        items=thread.item_count, last_full_at=thread.last_full_sync_at, now=now
    )
    reads_all = is_full or is_due or not can_resume
    return Plan(
        thread_id=thread.pk,
        remote_id=thread.external_id,
        began_at=now,
        after=None if reads_all else thread.last_item_id,
        is_full=reads_all,
        # A first reading that was stopped by its budget has brought the thread itself already.
        asks_thread=is_full or (thread.last_synced_at is None and thread.created_at is None),
        asks_usage=Capability.USAGE in capabilities
        and thread.refresh_failures < _FAILURES_FORGIVEN,
        cursor="" if reads_all else thread.last_item_id,
        known_to=thread.last_item_id if reads_all and thread.last_full_sync_at else "",
    )


def read(plan: Plan, source: Source) -> Reading:
    """Read up to ten pages of a thread. Never raises anything: what went wrong is in the result."""
    try:
        return _read(plan, source)
    except Exception as error:
        logger.exception("Thread %s cannot be read", plan.thread_id)
        return Reading(plan, cursor=plan.cursor, error=Unforeseen(error))


def _read(plan: Plan, source: Source) -> Reading:
    reading = Reading(plan, cursor=plan.cursor, is_cursor_held=plan.is_cursor_held)
    try:
        if plan.asks_thread:
            reading = replace(reading, calls=1)
            reading = replace(reading, thread=source.thread(plan.remote_id))
        reading = _read_pages(reading, source)
    except CursorLost as error:
        if plan.after is None:
            return replace(reading, error=error)
        again = replace(plan, after=None, is_full=True, cursor="", is_cursor_held=False, seen=set())
        return _plus_call(_read(again, source), reading.calls)
    except SourceError as error:
        return replace(reading, error=_confirmed(error, source))
    if reading.error is None and plan.asks_usage:
        reading = _read_beside(reading, source)
    return reading


def _confirmed(error: SourceError, source: Source) -> SourceError:
    """Ask once more when a key seems refused: it may be this one thread that it may not read."""
    if not isinstance(error, Denied):
        return error
    try:
        source.check()
    except SourceError as confirmed:
        return confirmed
    return SourceError(str(error))


def _plus_call(reading: Reading, calls: int) -> Reading:
    return replace(reading, calls=reading.calls + calls)


def _read_pages(reading: Reading, source: Source) -> Reading:
    after = reading.plan.after
    for _ in range(_PAGES_A_READING):
        reading = replace(reading, calls=reading.calls + 1)
        try:
            page = source.messages(reading.plan.remote_id, after, limit=PAGE)
        except CursorLost:
            raise
        except SourceError as error:
            return replace(reading, error=_confirmed(error, source), following=None)
        cursor, is_held = reading.cursor, reading.is_cursor_held
        for message in page.items:
            is_held = is_held or not message.is_final
            # What has no id of its own comes again with what follows the one before it.
            is_passed = is_held or is_made_up(message.remote_id)
            cursor = cursor if is_passed else message.remote_id
        after = page.next
        reading = replace(
            reading,
            messages=reading.messages + page.items,
            cursor=cursor,
            is_cursor_held=is_held,
            following=after,
        )
        if after is None:
            break
    return reading


def _read_beside(reading: Reading, source: Source) -> Reading:
    """Ask what the thread cost and which tools were called, if there is anything new."""
    first = reading.fresh_from
    fresh = reading.messages[first:]
    if not fresh and not reading.plan.asks_thread:
        return reading
    if isinstance(source, TellsRuns):
        return _with_runs(reading, source.runs(reading.plan.remote_id, fresh), first)
    if reading.following is not None:
        return reading  # once, at the end
    try:
        usage = source.usage(reading.plan.remote_id)
    except SourceError:  # no reason to lose the messages
        usage = None
    return replace(reading, usage=usage, calls=reading.calls + 1)


def _with_runs(reading: Reading, runs: Runs, first: int) -> Reading:
    """Put what the runs tell between the messages.

    Messages whose run could not be read are left for the next visit: they would stand before
    their own tool calls for ever.
    """
    ids = [message.remote_id for message in runs.messages]
    end = ids.index(runs.unread_from) if runs.unread_from in ids else len(ids)
    reading = replace(
        reading,
        messages=reading.messages[:first] + runs.messages[:end],
        usage=runs.usage,
        calls=reading.calls + runs.calls,
    )
    if runs.error is None:
        return reading
    cursor = reading.plan.cursor
    for message in reading.messages:
        if not message.is_final:
            break
        if not message.type.startswith(BESIDE) and not is_made_up(message.remote_id):
            cursor = message.remote_id
    return replace(reading, error=runs.error, cursor=cursor, following=None)
