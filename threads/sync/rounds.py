"""One batch with its entry in the ledger: what tasks and the command line call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from projects.models import Connection
from threads import refresh
from threads.models import Job, SyncRun, Thread
from threads.models.thread import ThreadQuerySet
from threads.sources import Capability, SourceError, Unsupported
from threads.sync import learning, ledger
from threads.sync.batch import Tally, sync_many
from threads.sync.budget import CallBudget
from threads.sync.choice import (
    ROUND_SECONDS,
    candidates,
    choose,
    lowest_threshold,
    next_refresh_at,
    silence_of,
)
from threads.sync.connections import source_for
from threads.sync.listing import is_listing_due, list_new
from threads.sync.names import learn_names
from threads.sync.writing import Outcome, write_connection_error

_CHUNK = 1_000  # rows planned in one transaction, some 50 ms
_PLANNED_BY = (
    *("pk", "last_message_timestamp", "created_at", "last_synced_at", "session_count"),
    "refresh_not_before",
)
# Not over what a sync has written since: then it is not due any more.
_PUT_OFF = "UPDATE threads_thread SET next_refresh_at = %s WHERE id = %s AND next_refresh_at <= %s"
_PLAN = "UPDATE threads_thread SET next_refresh_at = %s WHERE id = %s AND last_synced_at = %s"
KeepGoing = Callable[[Tally], bool]


def sync_batch(
    connection: Connection,
    thread_ids: Sequence[int],
    *,
    trigger: str,
    is_full: bool = False,
    share: float = 1.0,
    waits: bool = False,
    most_calls: int | None = None,
    job: Job | None = None,
    reach: ThreadQuerySet | None = None,
    left_alone: int = 0,
    keep_going: KeepGoing = lambda _: True,
) -> Tally:
    """Sync threads of one connection and write the ledger. Never raises a `SourceError`.

    :param share: the part of the connection's calls that this use may take.
    :param waits: wait for room when they are used up. For a foreground command only.
    :param most_calls: stop before the call that would be one more. None: no such limit.
    :param reach: threads that reading everything would have read too; those that were left alone
        count as calls avoided.
    :param left_alone: threads that were due and not worth a call; each is a call avoided.
    """
    run = ledger.start_run(
        connection, trigger=trigger, planned=len(thread_ids), now=timezone.now(), job=job
    )
    tally = Tally()
    try:
        with source_for(connection, share=share, waits=waits, most_calls=most_calls) as source:

            def count_and_ask(so_far: Tally) -> bool:
                so_far.calls = source.calls
                return keep_going(so_far)

            tally = sync_many(
                thread_ids,
                connection=connection,
                source=source,
                clock=timezone.now,
                is_full=is_full,
                keep_going=count_and_ask,
            )
            if tally.messages_new and tally.stopped_by is None:
                learn_names(connection, source, now=timezone.now())
            tally.calls = source.calls
        learning.add_counts(connection.project_id, tally.learned)
    except SourceError as error:
        if connection.state != Connection.State.UNREADABLE:
            write_connection_error(connection, error, now=timezone.now())
        tally.stopped_by = Outcome.stopped(error)
        tally.left = list(thread_ids)
    tally.calls_avoided += left_alone
    if reach is not None:
        tally.calls_avoided += ledger.pages_in_reach(reach.exclude(pk__in=list(thread_ids)))
    ledger.finish_run(run, tally, now=timezone.now())
    return tally


def refresh_connection(
    connection: Connection,
    *,
    now: datetime,
    keep_going: KeepGoing,
    seconds: float = ROUND_SECONDS,
) -> Tally:
    """Read what is worth a call now, and leave some of the calls to people.

    :param seconds: from one round to the next.
    """
    connection.accepted_rate = refresh.recovered(
        connection.accepted_rate,
        full=connection.calls_per_minute,
        minutes=seconds / 60,
    )
    share = 1.0 - refresh.PEOPLE_SHARE
    used: list[int] = []
    if CallBudget(connection, share=share).is_day_spent():
        return Tally()  # as its owner wished: no failure, and no row of the ledger every minute
    if is_listing_due(connection, now):
        listed = list_connection(connection, share=share, now=now)
        if listed is None:
            return Tally()
        used = listed
    calls = CallBudget(connection, share=share).left()
    used = used[: -(-calls // 2)]  # those that do not fit in are listed again
    plan = choose(connection, calls=calls - len(used), now=now, seconds=seconds)
    connection.refresh_threshold = plan.threshold
    connection.save(update_fields=["accepted_rate", "refresh_threshold"])
    put_off(plan.later, now=now)
    chosen = list(dict.fromkeys([*used, *plan.keys]))
    if not chosen:
        return Tally()
    return sync_batch(
        connection,
        chosen,
        trigger=SyncRun.Trigger.SCHEDULE,
        share=share,
        left_alone=plan.left_alone,
        keep_going=keep_going,
    )


def list_connection(
    connection: Connection,
    *,
    now: datetime,
    trigger: str = SyncRun.Trigger.SCHEDULE,
    share: float = 1.0,
    most_calls: int | None = None,
    job: Job | None = None,
    keep_going: Callable[[], bool] = lambda: True,
) -> list[int] | None:
    """Look for new threads, with an entry in the ledger. None: nothing can be asked now.

    :param most_calls: stop before the call that would be one more. None: no such limit.
    :param keep_going: asked before each call.
    :returns: threads of which the list says that there is something new.
    """
    began, tally, used = timezone.now(), Tally(), list[int]()
    try:
        with source_for(connection, share=share, most_calls=most_calls) as source:
            if Capability.LIST_THREADS not in source.capabilities:
                return used
            try:
                used = list_new(connection, source, now=now, keep_going=keep_going)
            except SourceError as error:
                tally.stopped_by = Outcome.stopped(error)
            tally.calls = source.calls
    except SourceError as error:  # no key, or an address that may not be called
        tally.stopped_by = Outcome.stopped(error)
    failure = None if tally.stopped_by is None else tally.stopped_by.error
    if isinstance(failure, Unsupported):  # an answer, and no failure: many servers have no list
        tally.errors.append({"thread": "", "message": str(failure)})
        tally.stopped_by = None
    if tally.calls or tally.stopped_by is not None:
        run = ledger.start_run(connection, trigger=trigger, planned=0, now=began, job=job)
        ledger.finish_run(run, tally, now=timezone.now())
    if failure is None:
        return used
    if connection.state == Connection.State.UNREADABLE:
        return None
    if isinstance(failure, Unsupported):  # asked again tomorrow: a server may learn it
        connection.listed_at = now + timedelta(days=1)
        connection.save(update_fields=["listed_at"])
        return used
    return None if write_connection_error(connection, failure, now=now) else used


def put_off(later: Mapping[int, float], *, now: datetime) -> None:
    """Write when to look again at those that were due and not chosen, in seconds from now."""
    if not later:
        return
    adapt = database.ops.adapt_datetimefield_value
    until = adapt(now)
    rows = [(adapt(now + timedelta(seconds=wait)), pk, until) for pk, wait in sorted(later.items())]
    with transaction.atomic(), database.cursor() as cursor:
        cursor.executemany(_PUT_OFF, rows)


def replan(*, now: datetime) -> tuple[int, int]:
    """Count the life tables again and set every thread's next visit by them.

    :returns: the number of projects that have a table, and of threads that were planned anew.
    """
    projects, threads = learning.count_again(now), 0
    for connection in Connection.objects.order_by("pk"):
        threads += _replan(connection)
    return projects, threads


def _replan(connection: Connection) -> int:
    expectation = learning.expectation_for(connection.project_id)
    threshold = max(connection.refresh_threshold, lowest_threshold(connection))
    adapt = database.ops.adapt_datetimefield_value
    planned = Thread.objects.refreshable().filter(
        connection=connection, last_synced_at__isnull=False
    )
    planned = planned.exclude(upstream_state=Thread.UpstreamState.CLOSED)
    last, count = 0, 0
    while True:
        following = planned.filter(pk__gt=last).order_by("pk")
        part = list(following.values_list(*_PLANNED_BY)[:_CHUNK])
        if not part:
            return count
        rows = []
        for pk, last_message_at, created_at, synced_at, session_count, not_before in part:
            assert synced_at is not None  # noqa: S101 - the query asks for it
            silence = silence_of(
                last_message_at=last_message_at,
                created_at=created_at,
                synced_at=synced_at,
                session_count=session_count,
            )
            due_at = next_refresh_at(expectation, silence, synced_at=synced_at, threshold=threshold)
            due_at = due_at if not_before is None else max(due_at, not_before)
            # Not over what a sync has written since.
            rows.append((adapt(due_at), pk, adapt(synced_at)))
        with transaction.atomic(), database.cursor() as cursor:
            cursor.executemany(_PLAN, rows)
        last, count = part[-1][0], count + len(part)


def not_read_since(
    connection: Connection, moment: datetime, *, now: datetime, is_full: bool = False
) -> ThreadQuerySet:
    """Return the connection's threads that were last read before `moment`, oldest first."""
    name = "last_full_sync_at" if is_full else "last_synced_at"
    is_older = Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__lt": moment})
    return candidates(connection, now).filter(is_older).order_by("last_synced_at", "pk")
