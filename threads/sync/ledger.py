"""What a batch cost and brought, as a row of the ledger."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Sum, Value
from django.db.models.functions import Greatest

from projects.models import Connection
from threads.models import Job, SyncRun
from threads.models.thread import ThreadQuerySet
from threads.sync.batch import Tally
from threads.sync.reading import PAGE


def start_run(
    connection: Connection,
    *,
    trigger: str,
    planned: int,
    now: datetime,
    job: Job | None = None,
) -> SyncRun:
    return SyncRun.objects.create(
        project_id=connection.project_id,
        connection=connection,
        job=job,
        trigger=trigger,
        started_at=now,
        threads_planned=planned,
    )


def finish_run(run: SyncRun, tally: Tally, *, now: datetime) -> None:
    """Write the sums of a batch. It failed when the connection stopped it before any thread."""
    run.threads_read = tally.threads_read
    run.threads_changed = tally.threads_changed
    run.threads_failed = tally.threads_failed
    run.calls_made = tally.calls
    run.calls_avoided = tally.calls_avoided
    run.messages_new = tally.messages_new
    run.messages_changed = tally.messages_changed
    run.errors = list(tally.errors)
    if tally.stopped_by is not None:
        run.errors.append({"thread": "", "message": tally.stopped_by.message})
    run.state = SyncRun.State.DONE
    if tally.is_cancelled:
        run.state = SyncRun.State.CANCELLED
    elif tally.stopped_by is not None and not tally.threads_read:
        run.state = SyncRun.State.FAILED
    run.finished_at = now
    run.save()


def pages_in_reach(threads: ThreadQuerySet) -> int:
    """Return how many calls reading all of these threads would take. One query."""
    pages = Greatest((F("item_count") + Value(PAGE - 1)) / Value(PAGE), Value(1))
    total = threads.order_by().aggregate(total=Sum(pages))["total"]
    return int(total or 0)
