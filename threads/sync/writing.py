"""The database half of a sync: what was read goes into the archive, what failed into columns."""

from __future__ import annotations

import enum
import logging
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.utils.translation import gettext as _

from projects.models import Connection
from threads import archive, refresh
from threads.archive import Stored
from threads.models import Thread
from threads.refresh import Expectation, LifeTable
from threads.sources import (
    Denied,
    Gone,
    Retired,
    SourceError,
    Throttled,
    Unavailable,
)
from threads.sync.budget import BudgetSpent
from threads.sync.choice import lowest_threshold, next_refresh_at, silence_of
from threads.sync.reading import PAGE, Reading, Unforeseen

logger = logging.getLogger(__name__)

State = Thread.UpstreamState
# What a visit writes that has found nothing.
_VISIT = (
    *("last_synced_at", "stale_refresh_count", "refresh_priority", "next_refresh_at"),
    *("refresh_failures", "refresh_not_before", "last_error"),
)


class Result(enum.Enum):
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    PARTIAL = "partial"  # kept so far; there is more to read
    GONE = "gone"
    FAILED = "failed"
    STOPPED = "stopped"  # the connection as a whole cannot be asked at present


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one thread. `message` is a sentence when something went wrong."""

    thread_id: int
    result: Result
    stored: Stored
    calls: int = 0
    pages: int = 1  # calls that reading all of it would take
    message: str = ""
    error: SourceError | None = None
    learned: LifeTable | None = None  # for the project's life table

    @classmethod
    def stopped(cls, error: SourceError) -> Self:
        """Return the outcome of a batch that could not even begin."""
        return cls(0, Result.STOPPED, Stored(0), message=str(error), error=error)


def write(thread: Thread, reading: Reading, *, expectation: Expectation, now: datetime) -> Outcome:
    """Store what was read, move the cursor and plan the next visit, in one transaction.

    :raises OperationalError: when the database cannot be used at all, as everything does then.
    """
    try:
        return _write(thread, reading, expectation=expectation, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # nothing of it is written: one thread must not stop all others
        logger.exception("Thread %s cannot be written", thread.pk)
        unforeseen = Unforeseen(error)
        result, message = _write_error(thread, unforeseen, now=now)
    return Outcome(
        thread.pk, result, Stored(thread.pk), reading.calls, message=message, error=unforeseen
    )


def _write(thread: Thread, reading: Reading, *, expectation: Expectation, now: datetime) -> Outcome:
    stored, learned = Stored(thread.pk), _note_nothing_new(thread, reading, expectation)
    has_news = reading.messages or reading.is_end or reading.thread is not None
    if learned is None and has_news:
        stored, learned = _store(thread, reading, expectation)
    if reading.error is not None:
        result, message = _write_error(thread, reading.error, now=now)
    elif not reading.is_end:
        result, message = Result.PARTIAL, ""
    else:
        result, message = Result.CHANGED if stored.is_changed else Result.UNCHANGED, ""
        _write_success(thread, now=now)
    return Outcome(
        thread_id=thread.pk,
        result=result,
        stored=stored,
        calls=reading.calls,
        pages=max(1, -(-max(thread.item_count, len(reading.messages)) // PAGE)),
        message=message,
        error=reading.error,
        learned=learned,
    )


def _note_nothing_new(
    thread: Thread, reading: Reading, expectation: Expectation
) -> LifeTable | None:
    """Note a visit that found nothing, as most do: one statement, no lock and no second look.

    None, and nothing is written, when there is more to it: news, a first or full reading, a
    thread that was gone, or somebody else's visit meanwhile.
    """
    is_plain = thread.upstream_state in {State.ACTIVE, State.CLOSED} and thread.gone_at is None
    has_news = reading.messages or reading.thread is not None or reading.usage is not None
    if (
        not (is_plain and reading.is_end)
        or has_news
        or reading.plan.is_full
        or reading.plan.seen
        or thread.last_synced_at is None
        or thread.last_full_sync_at is None
        or thread.last_synced_at > reading.plan.began_at
    ):
        return None
    before = thread.last_synced_at, thread.last_message_timestamp, thread.session_count
    stored, row = Stored(thread.pk), copy(thread)
    learned = _learn(*before, stored=stored, now=reading.plan.began_at)
    row.refresh_priority = _score_of(row, expectation, *before, now=reading.plan.began_at)
    _finish(row, reading, stored, expectation)
    same = Thread.objects.filter(
        pk=thread.pk,
        last_synced_at=thread.last_synced_at,
        last_item_id=thread.last_item_id,
        upstream_state=thread.upstream_state,
        gone_at=None,
    )
    return learned if same.update(**{name: getattr(row, name) for name in _VISIT}) else None


def _store(
    thread: Thread, reading: Reading, expectation: Expectation
) -> tuple[Stored, LifeTable | None]:
    plan, connection = reading.plan, thread.connection
    assert connection is not None  # noqa: S101 - the caller has asked it
    before = thread.last_synced_at, thread.last_message_timestamp, thread.session_count
    is_whole = reading.is_end and not plan.seen  # else the nightly count sees it
    learned: LifeTable | None = None

    def finish(row: Thread, stored: Stored) -> None:
        nonlocal learned
        learned = None  # a transaction that is tried again counts once
        if row.last_synced_at is not None and row.last_synced_at > plan.began_at:
            return  # somebody else has read it later than we have
        if is_whole and row.last_synced_at == before[0]:
            learned = _learn(*before, stored=stored, now=plan.began_at)
            row.refresh_priority = _score_of(row, expectation, *before, now=plan.began_at)
        if row.connection_id in {None, connection.pk}:
            row.connection = connection  # also what is known already: the row came without it
        if reading.usage is not None:
            archive.write_usage(row, reading.usage)
        is_first = row.last_full_sync_at is None
        # A pass over what is known already moves the cursor at its end only.
        if reading.is_end or is_first or not plan.is_full:
            row.last_item_id = reading.cursor
        if reading.is_end:
            _finish(row, reading, stored, expectation)
            if is_first or plan.is_full:
                row.last_full_sync_at = plan.began_at

    stored = archive.store(
        reading.messages,
        project=thread.project,
        external_id=thread.external_id,
        remote=reading.thread,
        connection=connection,
        now=plan.began_at,
        began_at=plan.began_at,
        seen=plan.seen,
        # A first reading has nothing to compare with but what a file may have brought.
        is_complete=reading.is_end and plan.is_full and thread.last_full_sync_at is not None,
        finish=finish,
    )
    return stored, learned


def _learn(
    synced_at: datetime | None,
    last_message_at: datetime | None,
    session_count: int,
    *,
    stored: Stored,
    now: datetime,
) -> LifeTable:
    """Count the silences that this visit saw begin, go on or end.

    Messages without a time of their own came between the last visit and this one; evenly, as
    far as anybody knows. What a first visit brings without times tells nothing.
    """
    until = now.timestamp()
    since = None if synced_at is None else synced_at.timestamp()
    times = []
    share = 1 / (len(stored.new_times) + 1)
    for number, moment in enumerate(stored.new_times, 1):
        if moment is not None:
            times.append(min(moment.timestamp(), until))
        elif since is not None:
            times.append(since + (until - since) * number * share)
    learned = LifeTable()
    learned.add_visit(
        times,
        now=until,
        sessions=session_count,
        last_message_at=None if last_message_at is None else last_message_at.timestamp(),
        synced_at=since,
    )
    return learned


def _score_of(
    row: Thread,
    expectation: Expectation,
    synced_at: datetime | None,
    last_message_at: datetime | None,
    session_count: int,
    *,
    now: datetime,
) -> float:
    """Return what this visit was expected to be worth; 0 for the first one."""
    if synced_at is None:
        return 0.0
    silence = silence_of(
        last_message_at=last_message_at,
        created_at=row.created_at,
        synced_at=synced_at,
        session_count=session_count,
    )
    return expectation.score(silence, (now - synced_at).total_seconds())


def _finish(row: Thread, reading: Reading, stored: Stored, expectation: Expectation) -> None:
    """Set the columns that the next visit depends on."""
    row.last_synced_at = reading.plan.began_at
    row.stale_refresh_count = 0 if stored.is_changed else row.stale_refresh_count + 1
    row.refresh_failures, row.refresh_not_before, row.last_error = 0, None, ""
    row.gone_at = None
    if row.upstream_state == State.GONE:
        row.is_refreshable = True  # it was taken out of the refresh when it had gone
    if row.upstream_state in {State.GONE, State.RETIRED, State.IMPORTED}:
        row.upstream_state = State.ACTIVE
    connection = row.connection
    assert connection is not None  # noqa: S101 - the caller has asked it
    silence = silence_of(
        last_message_at=row.last_message_timestamp,
        created_at=row.created_at,
        synced_at=reading.plan.began_at,
        session_count=row.session_count,
    )
    row.next_refresh_at = next_refresh_at(
        expectation,
        silence,
        synced_at=reading.plan.began_at,
        threshold=max(connection.refresh_threshold, lowest_threshold(connection)),
    )
    if row.upstream_state == State.CLOSED:
        row.next_refresh_at = None  # nothing is expected any more: only the guarantee looks at it


def _write_success(thread: Thread, *, now: datetime) -> None:
    """Say that the connection works, once."""
    connection = thread.connection
    if connection is None or connection.state == Connection.State.WORKING:
        return
    _set_state(connection, Connection.State.WORKING, "", now=now)


def _set_state(connection: Connection, state: str, reason: str, *, now: datetime) -> None:
    connection.state, connection.state_reason = state, reason[:500]
    connection.checked_at = now
    connection.save(update_fields=["state", "state_reason", "checked_at"])


def _pause(connection: Connection, error: Throttled, *, now: datetime) -> bool:
    """Pause after a 429. False when another one has begun a pause that is still on.

    Sixteen calls may be out when the server has had enough: half the rate for each of them would
    leave none of it after one such moment.
    """
    until = refresh.pause_until(error.retry_after_seconds, now=now)
    before = connection.paused_until
    is_first = before is None or before <= now
    connection.paused_until = until if before is None else max(before, until)
    if is_first:
        connection.accepted_rate = refresh.slower(
            connection.accepted_rate, full=connection.calls_per_minute
        )
    connection.save(update_fields=["paused_until", "accepted_rate"])
    return is_first


def write_connection_error(connection: Connection, error: SourceError, *, now: datetime) -> bool:
    """Note on the connection what went wrong. True when it concerns all of its threads."""
    message = str(error)
    match error:
        case Throttled(is_permanent=True):
            _set_state(connection, Connection.State.EXHAUSTED, message, now=now)
        case Throttled():
            if not _pause(connection, error, now=now):
                return True
        case Denied():
            _set_state(connection, Connection.State.DENIED, message, now=now)
        case Retired():
            _set_state(connection, Connection.State.RETIRED, message, now=now)
            Thread.objects.filter(connection=connection, upstream_state=State.ACTIVE).update(
                upstream_state=State.RETIRED
            )
        case BudgetSpent():
            pass
        case Unavailable():
            if connection.state in Connection.CALLABLE_STATES:
                _set_state(connection, Connection.State.UNREACHABLE, message, now=now)
            return False
        case _:
            return False
    if not isinstance(error, BudgetSpent):
        logger.warning("Connection %s: %s", connection.pk, message)
    return True


def _write_error(thread: Thread, error: SourceError, *, now: datetime) -> tuple[Result, str]:
    connection = thread.connection
    assert connection is not None  # noqa: S101 - the caller has asked it
    message = str(error)
    if isinstance(error, Gone):
        return _write_gone(thread, message, now=now)
    if write_connection_error(connection, error, now=now):
        # The thread has done nothing wrong: neither its times nor its failures change.
        if isinstance(error, Throttled) and connection.paused_until is not None:
            Thread.objects.filter(pk=thread.pk).update(refresh_not_before=connection.paused_until)
        return Result.STOPPED, message
    again_at = refresh.retry_at(thread.refresh_failures + 1, now=now)
    Thread.objects.filter(pk=thread.pk).update(
        refresh_failures=F("refresh_failures") + 1,
        refresh_not_before=again_at,
        next_refresh_at=again_at,
        last_error=message[:500],
    )
    return Result.FAILED, message


def _write_gone(thread: Thread, message: str, *, now: datetime) -> tuple[Result, str]:
    """Believe "no such thread" the second time, a day later. What is archived stays as it is."""
    first = thread.gone_at
    if first is None:
        changes: dict[str, object] = {
            "gone_at": now,
            "refresh_not_before": now + refresh.GONE_AFTER,
            "next_refresh_at": now + refresh.GONE_AFTER,
        }
    elif now - first >= refresh.GONE_AFTER - timedelta(minutes=5):
        # Out of the indexes of the refresh as well, at whose front it would stand for ever.
        changes = {
            "upstream_state": State.GONE,
            "next_refresh_at": None,
            "is_refreshable": False,
        }
        message = _("The store has no such thread any more; the archive keeps what it holds.")
    else:
        changes = {}
    Thread.objects.filter(pk=thread.pk).update(last_error=message[:500], **changes)
    return Result.GONE, message
