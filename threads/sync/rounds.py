"""One batch with its entry in the ledger: what tasks and the command line call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from projects.models import Connection
from threads import refresh
from threads.models import Job, SyncRun, Thread
from threads.models.thread import ThreadQuerySet
from threads.sources import SourceError
from threads.sync import ledger
from threads.sync.batch import Tally, sync_many
from threads.sync.budget import CallBudget
from threads.sync.choice import Choice, candidates, choose
from threads.sync.connections import source_for
from threads.sync.writing import Outcome, write_connection_error

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
    keep_going: KeepGoing = lambda _: True,
) -> Tally:
    """Sync threads of one connection and write the ledger. Never raises a `SourceError`.

    :param share: the part of the connection's calls that this use may take.
    :param waits: wait for room when they are used up. For a foreground command only.
    :param most_calls: stop before the call that would be one more. None: no such limit.
    :param reach: threads that reading everything would have read too; those that were left alone
        count as calls avoided.
    """
    run = ledger.start_run(
        connection, trigger=trigger, planned=len(thread_ids), now=timezone.now(), job=job
    )
    tally = Tally()
    try:
        with source_for(connection, share=share, waits=waits, most_calls=most_calls) as source:
            tally = sync_many(
                thread_ids,
                connection=connection,
                source=source,
                clock=timezone.now,
                is_full=is_full,
                keep_going=keep_going,
            )
            tally.calls = source.calls
    except SourceError as error:
        if connection.state != Connection.State.UNREADABLE:
            write_connection_error(connection, error, now=timezone.now())
        tally.stopped_by = Outcome.stopped(error)
        tally.left = list(thread_ids)
    if reach is not None:
        tally.calls_avoided += ledger.pages_in_reach(reach.exclude(pk__in=list(thread_ids)))
    ledger.finish_run(run, tally, now=timezone.now())
    return tally


def refresh_connection(connection: Connection, *, now: datetime, keep_going: KeepGoing) -> Tally:
    """Read what is worth a call now, and leave some of the calls to people."""
    connection.accepted_rate = refresh.recovered(
        connection.accepted_rate, full=connection.calls_per_minute
    )
    share = 1.0 - refresh.PEOPLE_SHARE
    choice = choose(connection, calls=CallBudget(connection, share=share).left(), now=now)
    connection.refresh_threshold = choice.threshold
    connection.save(update_fields=["accepted_rate", "refresh_threshold"])
    _write_choice(choice)
    if not choice.thread_ids:
        return Tally()
    return sync_batch(
        connection,
        choice.thread_ids,
        trigger=SyncRun.Trigger.SCHEDULE,
        share=share,
        keep_going=keep_going,
    )


def _write_choice(choice: Choice) -> None:
    """Keep the scores for the admin, and when to look again at those that were not chosen.

    Without the second part the same rows would be looked at in every round: measured 3 to 8
    times the staleness.
    """
    rows = [Thread(pk=pk, refresh_priority=score) for pk, score in choice.scores.items()]
    Thread.objects.bulk_update(rows, ["refresh_priority"], batch_size=200)
    rows = [Thread(pk=pk, next_refresh_at=moment) for pk, moment in choice.later.items()]
    Thread.objects.bulk_update(rows, ["next_refresh_at"], batch_size=200)


def not_read_since(
    connection: Connection, moment: datetime, *, now: datetime, is_full: bool = False
) -> ThreadQuerySet:
    """Return the connection's threads that were last read before `moment`, oldest first."""
    name = "last_full_sync_at" if is_full else "last_synced_at"
    is_older = Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__lt": moment})
    return candidates(connection, now).filter(is_older).order_by("last_synced_at", "pk")
