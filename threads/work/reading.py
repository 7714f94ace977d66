"""Reading one thread, or all threads of a project, from their sources."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from projects.models import Connection
from threads import sync
from threads.models import Job, SyncRun
from threads.sources import SourceError, Throttled
from threads.work.slices import Outcome, Pace, cancelled, go_on, wait

_SLICE = 2_000  # threads of a project looked at in one go
_SUMS = ("threads_read", "threads_failed", "messages_new", "messages_changed")


def sentence_for(tally: sync.Tally) -> str:
    """Say what reading threads brought, or why it stopped."""
    if tally.stopped_by is not None:
        return tally.stopped_by.message
    if tally.threads_read == 1 and tally.errors:
        return str(tally.errors[0]["message"])
    return brought(tally.threads_read, tally.messages_new, tally.messages_changed)


def brought(threads: int, new: int, changed: int) -> str:
    return _("%(threads)d threads read: %(new)d new messages, %(changed)d changed.") % {
        "threads": threads,
        "new": new,
        "changed": changed,
    }


def _progress(job: Job, *, total: int, before: int = 0) -> Callable[[sync.Tally], bool]:
    """Return a `keep_going` that writes progress and ends with the slice, or on cancelling."""
    pace = Pace()

    def keep_going(tally: sync.Tally) -> bool:
        if not pace.is_due():
            return True
        is_mine = job.advance(
            now=timezone.now(), done=before + tally.threads_read, total=max(total, 1)
        )
        return is_mine and not pace.is_over()

    return keep_going


# One thread.


def read_thread(thread_id: int) -> str:
    """Bring one thread up to date that nobody follows."""
    connection = _connection_of(thread_id)
    if connection is None:
        return _not_read()
    tally = sync.sync_batch(connection, [thread_id], trigger=SyncRun.Trigger.MANUAL)
    return sentence_for(tally)


def _not_read() -> str:
    return _("Not read: the thread has no connection that can be asked at present.")


def _connection_of(thread_id: int) -> Connection | None:
    usable = Connection.objects.usable(timezone.now())
    return usable.filter(threads=thread_id).first()


def read_thread_for(job: Job, thread_id: int) -> Outcome:
    """Bring one thread up to date; the job shows what became of it."""
    connection = _connection_of(thread_id)
    if connection is None:
        job.finish(now=timezone.now(), error=_not_read())
        return Outcome(_not_read())
    tally = sync.sync_batch(
        connection,
        [thread_id],
        trigger=SyncRun.Trigger.MANUAL,
        is_full=bool(job.parameters.get("is_full")),
        job=job,
        keep_going=_progress(job, total=1),
    )
    if tally.stopped_by is not None and sync.is_own_limit(tally.stopped_by):
        return wait()
    sentence = sentence_for(tally)
    failed = bool(tally.errors or tally.stopped_by)
    job.advance(now=timezone.now(), done=tally.threads_read, total=1)
    job.finish(
        now=timezone.now(),
        result={"message": sentence, "messages_new": tally.messages_new},
        error=sentence if failed else "",
    )
    return Outcome(sentence)


# A whole project.


def read_project(job: Job) -> Outcome:
    """Read those that nobody has read since the job was asked for: a killed slice costs nothing."""
    is_full = bool(job.parameters.get("is_full"))
    since = parse_datetime(str(job.parameters.get("since", ""))) or job.queued_at
    done = {name: int(job.result.get(name, 0)) for name in _SUMS}
    must_wait = False
    for connection in _callable_of(job):
        if connection.paused_until is not None and connection.paused_until > timezone.now():
            must_wait = True
            continue
        left = sync.not_read_since(connection, since, now=timezone.now(), is_full=is_full)
        thread_ids = list(left.values_list("pk", flat=True)[:_SLICE])
        if not thread_ids:
            continue
        before = done["threads_read"]
        tally = sync.sync_batch(
            connection,
            thread_ids,
            trigger=SyncRun.Trigger.MANUAL,
            is_full=is_full,
            job=job,
            keep_going=_progress(job, total=before + left.count(), before=before),
        )
        for name in _SUMS:
            done[name] += getattr(tally, name)
        # Kept with the row, so that the next slice counts on.
        Job.objects.filter(pk=job.pk, owner=job.owner).update(result=done)
        if tally.stopped_by is not None:
            must_wait = must_wait or _may_go_on_later(tally.stopped_by.error)
        elif tally.is_cancelled or len(thread_ids) == _SLICE:
            return cancelled(job) or go_on(job)
    if must_wait:
        return cancelled(job) or wait()
    return cancelled(job) or _finish_project(job, done)


def _callable_of(job: Job) -> list[Connection]:
    found = Connection.objects.filter(project=job.project, is_enabled=True)
    return list(found.filter(state__in=Connection.CALLABLE_STATES).order_by("pk"))


def _may_go_on_later(error: SourceError | None) -> bool:
    if isinstance(error, Throttled):
        return not error.is_permanent
    return isinstance(error, sync.BudgetSpent)


def _finish_project(job: Job, done: dict[str, int]) -> Outcome:
    sentence = brought(done["threads_read"], done["messages_new"], done["messages_changed"])
    stopped = Connection.objects.filter(project=job.project, is_enabled=True)
    reasons = [
        f"{connection}: {connection.state_reason}"
        for connection in stopped.exclude(state__in=Connection.CALLABLE_STATES)
    ]
    job.advance(now=timezone.now(), done=done["threads_read"], total=max(1, done["threads_read"]))
    job.finish(now=timezone.now(), result={"message": sentence, **done}, error=" ".join(reasons))
    return Outcome(sentence)
