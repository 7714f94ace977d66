"""What workers do. Arguments are ids; each is safe to run twice and returns a sentence."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from projects.models import Connection, Project
from threadhub.lib.tasks import enqueue
from threads import sync
from threads.archive import ImportReport, ListAction, Listing, ingest
from threads.archive.deletion import Deleted, delete_threads
from threads.exports import ExportCancelled, ExportError, ExportOrder, make, select
from threads.exports.kept import export_path
from threads.imports import Place, UnreadableFile, reader
from threads.models import Job, SyncRun, Thread
from threads.models.job import LEASE, MAX_ATTEMPTS
from threads.sources import SourceError, Throttled

logger = logging.getLogger(__name__)

# A task is killed after 300 s; a job that needs longer goes on in a new one.
SLICE_SECONDS = 200.0
_ADVANCE_SECONDS = 1.0  # between two writes of progress
_ROUND = timedelta(seconds=50)  # a round of the refresh ends before the next one begins
_MARK_SECONDS = 300  # for so long a round whose worker died keeps others off its connection
_RUN_IS_DEAD = timedelta(days=1)  # a sync run that has not ended by then never will
_SLICE = 2_000  # threads of a project looked at in one go


def _owner() -> str:
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _run(job_id: str, work: Callable[[Job], str]) -> str:
    """Claim a job and do `work`, which finishes or releases it; what it raises fails it."""
    if not Job.objects.claim(job_id, owner=_owner(), now=timezone.now()):
        return _("Nothing to do: this job has ended, or another worker has it.")
    job = Job.objects.select_related("project", "requested_by").get(pk=job_id)
    if job.cancel_requested_at is not None:
        job.finish(now=timezone.now())
        return _("Cancelled before it began.")
    try:
        return work(job)
    except Exception as error:
        logger.exception("Job %s failed", job.pk)
        message = _("It failed unexpectedly (%(name)s). The worker's log says more.")
        message %= {"name": type(error).__name__}
        job.finish(now=timezone.now(), error=message)
        return message


def enqueue_job(job: Job) -> None:
    """Queue the task of a job once the transaction commits."""
    if job.kind == Job.Kind.SYNC_THREAD:
        enqueue(fetch_thread_task, thread_id=int(job.parameters["thread_id"]), job_id=str(job.pk))
    else:
        enqueue(_TASKS[job.kind], job_id=str(job.pk))


def _go_on(job: Job) -> str:
    """Give the job back and queue it again: its next slice may run in another worker."""
    if job.release(now=timezone.now()):
        enqueue_job(job)
    return _("%(done)d of %(total)d done; it goes on.") % {
        "done": job.done_count,
        "total": job.total_count or job.done_count,
    }


def _wait(job: Job) -> str:
    """Give the job back until the sweeper's next round, when there may be calls again."""
    job.release(now=timezone.now() - LEASE)
    return _("The calls per minute are used up, or the server asked for a pause; it goes on.")


def _progress(job: Job, *, total: int, before: int = 0) -> Callable[[sync.Tally], bool]:
    """Return a `keep_going` that writes progress and ends with the slice, or on cancelling."""
    began, last = time.monotonic(), 0.0

    def keep_going(tally: sync.Tally) -> bool:
        nonlocal last
        moment = time.monotonic()
        if moment - last < _ADVANCE_SECONDS:
            return True
        last = moment
        is_mine = job.advance(
            now=timezone.now(), done=before + tally.threads_read, total=max(total, 1)
        )
        return is_mine and moment - began < SLICE_SECONDS

    return keep_going


def _sentence(tally: sync.Tally) -> str:
    if tally.stopped_by is not None:
        return tally.stopped_by.message
    if tally.threads_read == 1 and tally.errors:
        return str(tally.errors[0]["message"])
    return _("%(threads)d threads read: %(new)d new messages, %(changed)d changed.") % {
        "threads": tally.threads_read,
        "new": tally.messages_new,
        "changed": tally.messages_changed,
    }


def _may_go_on_later(error: SourceError | None) -> bool:
    if isinstance(error, Throttled):
        return not error.is_permanent
    return isinstance(error, sync.BudgetSpent)


# One thread.


def fetch_thread_task(*, thread_id: int, job_id: str = "") -> str:
    """Bring one thread up to date. With a job, that shows what became of it."""
    if job_id:
        return _run(job_id, lambda job: _fetch_for(job, thread_id))
    connection = _connection_of(thread_id)
    if connection is None:
        return _not_read()
    tally = sync.sync_batch(connection, [thread_id], trigger=SyncRun.Trigger.MANUAL)
    return _sentence(tally)


def _not_read() -> str:
    return _("Not read: the thread has no connection that can be asked at present.")


def _connection_of(thread_id: int) -> Connection | None:
    usable = Connection.objects.usable(timezone.now())
    return usable.filter(threads=thread_id).first()


def _fetch_for(job: Job, thread_id: int) -> str:
    connection = _connection_of(thread_id)
    if connection is None:
        job.finish(now=timezone.now(), error=_not_read())
        return _not_read()
    tally = sync.sync_batch(
        connection,
        [thread_id],
        trigger=SyncRun.Trigger.MANUAL,
        is_full=bool(job.parameters.get("is_full")),
        job=job,
        keep_going=_progress(job, total=1),
    )
    if tally.stopped_by is not None and sync.is_own_limit(tally.stopped_by):
        return _wait(job)
    sentence = _sentence(tally)
    failed = bool(tally.errors or tally.stopped_by)
    job.advance(now=timezone.now(), done=tally.threads_read, total=1)
    job.finish(
        now=timezone.now(),
        result={"message": sentence, "messages_new": tally.messages_new},
        error=sentence if failed else "",
    )
    return sentence


# Smart Refresh.


def refresh_due_threads() -> str:
    """Read what is due, connection by connection, within each one's calls per minute."""
    totals = sync.Tally()
    now = timezone.now()
    until = now + _ROUND
    hour = timezone.localtime(now).hour
    for connection in Connection.objects.usable(now).filter(is_refreshed=True).order_by("pk"):
        if not connection.is_refresh_hour(hour):
            continue
        mark = f"refresh:{connection.pk}"
        if timezone.now() >= until or not cache.add(mark, 1, timeout=_MARK_SECONDS):
            continue  # another worker is at it
        try:
            tally = sync.refresh_connection(
                connection, now=now, keep_going=lambda _: timezone.now() < until
            )
        finally:
            cache.delete(mark)
        totals.threads_read += tally.threads_read
        totals.messages_new += tally.messages_new
        totals.messages_changed += tally.messages_changed
    return _sentence(totals)


def replan_refresh() -> str:
    """Count what was learned again from the archive, and plan every thread by it."""
    projects, threads = sync.replan(now=timezone.now())
    return _("Learned from %(projects)d projects; %(threads)d threads planned anew.") % {
        "projects": projects,
        "threads": threads,
    }


# A whole project.


def sync_project_task(*, job_id: str) -> str:
    """Read all threads of a project, in slices, within the calls per minute."""
    return _run(job_id, _sync_project)


def _sync_project(job: Job) -> str:
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
            return _end_if_cancelled(job) or _go_on(job)
    if must_wait:
        return _end_if_cancelled(job) or _wait(job)
    return _end_if_cancelled(job) or _finish_project(job, done)


_SUMS = ("threads_read", "threads_failed", "messages_new", "messages_changed")


def _callable_of(job: Job) -> list[Connection]:
    found = Connection.objects.filter(project=job.project, is_enabled=True)
    return list(found.filter(state__in=Connection.CALLABLE_STATES).order_by("pk"))


def _end_if_cancelled(job: Job) -> str:
    job.refresh_from_db(fields=["cancel_requested_at"])
    if job.cancel_requested_at is None:
        return ""
    job.finish(now=timezone.now(), result=dict(job.result))
    return _("Cancelled.")


def _finish_project(job: Job, done: dict[str, int]) -> str:
    sentence = _("%(threads)d threads read: %(new)d new messages, %(changed)d changed.") % {
        "threads": done["threads_read"],
        "new": done["messages_new"],
        "changed": done["messages_changed"],
    }
    stopped = Connection.objects.filter(project=job.project, is_enabled=True)
    reasons = [
        f"{connection}: {connection.state_reason}"
        for connection in stopped.exclude(state__in=Connection.CALLABLE_STATES)
    ]
    job.advance(now=timezone.now(), done=done["threads_read"], total=max(1, done["threads_read"]))
    job.finish(now=timezone.now(), result={"message": sentence, **done}, error=" ".join(reasons))
    return sentence


# Fresh searches.


def perform_search_task(*, job_id: str) -> str:
    """Ask the sources what is new before a search, in slices, within the calls allowed."""
    return _run(job_id, _fresh_search)


def _fresh_search(job: Job) -> str:
    project_ids = [int(pk) for pk in job.parameters.get("project_ids", [])]
    connections = list(Connection.objects.callable_of(project_ids))
    end = sync.read_for(job, connections)
    if end is sync.End.LATER:
        return _go_on(job)
    if end is sync.End.TAKEN:
        return _end_if_cancelled(job) or _("Another worker has it.")
    result = dict(job.result)
    sentence = _("%(threads)d threads read: %(new)d new messages, %(changed)d changed.") % {
        "threads": result["threads_read"],
        "new": result["messages_new"],
        "changed": result["messages_changed"],
    }
    notes = [str(note) for note in result.get("notes", [])]
    if not connections:
        notes = [_("None of these projects has a connection that can be asked at present.")]
    is_failure = bool(notes) and not result["threads_read"]
    job.finish(
        now=timezone.now(),
        result={"message": sentence, **result},
        error=" ".join(notes) if is_failure else "",
    )
    return sentence


# Imports.


def import_path(job_id: object) -> Path:
    """Return where the file of an import waits. Its name is the job's id, nothing from outside."""
    return Path(settings.THREADHUB_DATA_DIR) / "imports" / str(job_id)


def run_import_task(*, job_id: str) -> str:
    """Import a file that was uploaded, in slices; the report stays with the job."""
    return _run(job_id, _import)


def _import(job: Job) -> str:
    path = import_path(job.pk)
    is_dry_run = bool(job.parameters.get("is_dry_run"))
    known = job.result.get("report")
    report = ImportReport.from_json(known) if known else ImportReport(is_dry_run=is_dry_run)
    start = Place(int(job.result.get("line", 0)), int(job.result.get("offset", 0)))
    assert job.project is not None  # noqa: S101 - request_import gives it one
    try:
        read = reader(path, str(job.parameters.get("format", "auto")))
        size = path.stat().st_size
    except (UnreadableFile, OSError) as error:
        return _refuse_file(job, error)
    began, last, is_mine = time.monotonic(), 0.0, True
    reached = start

    def keep_going(place: Place) -> bool:
        nonlocal last, is_mine, reached
        reached = place
        moment = time.monotonic()
        if moment - last < _ADVANCE_SECONDS:
            return True
        last = moment
        is_mine = _keep_place(job, report, place) and job.advance(
            now=timezone.now(), done=place.offset // 1024, total=max(1, size // 1024)
        )
        return is_mine and moment - began < SLICE_SECONDS

    try:
        is_end = ingest(
            read(path, start=start),
            project=job.project,
            now=timezone.now(),
            report=report,
            keep_going=keep_going,
            listing=_listing(job),
        )
    except UnreadableFile as error:
        return _refuse_file(job, error)
    if not is_end and is_mine:
        return _go_on(job)
    result: dict[str, object] = {"report": report.as_json(), "message": str(report)}
    if is_end:
        job.advance(now=timezone.now(), done=max(1, size // 1024), total=max(1, size // 1024))
    else:  # so that it goes on here when somebody wants it after all
        result |= {"line": reached.line, "offset": reached.offset}
    is_finished = job.finish(now=timezone.now(), result=result)
    # A rehearsed file waits for the word to import it; forget_uploads takes away what is left.
    if is_finished and job.state == Job.State.DONE and not is_dry_run:
        path.unlink(missing_ok=True)
    return str(report)


def _listing(job: Job) -> Listing:
    wanted = job.parameters.get("connection_id")
    connection = Connection.objects.filter(project=job.project, pk=wanted).first()
    return Listing(ListAction(job.parameters.get("list_action", ListAction.ADD)), connection)


def _refuse_file(job: Job, error: Exception) -> str:
    path = import_path(job.pk)
    path.unlink(missing_ok=True)
    message = str(error) if isinstance(error, UnreadableFile) else _("The file is not there.")
    message = message.replace(path.name, str(job.parameters.get("name", "")))
    job.finish(now=timezone.now(), error=message)
    return message


def _keep_place(job: Job, report: ImportReport, place: Place) -> bool:
    """Write how far the import is, with its counts; False when the job is another worker's."""
    result = {"report": report.as_json(), "line": place.line, "offset": place.offset}
    mine = Job.objects.filter(pk=job.pk, owner=job.owner, state=Job.State.RUNNING)
    return mine.update(result=result) == 1


# Exports.


def run_export_task(*, job_id: str) -> str:
    """Make the file of an export; it stays with the job until it expires."""
    return _run(job_id, _export)


def _export(job: Job) -> str:
    now = timezone.now()
    order = ExportOrder.from_json(job.parameters)
    with translation.override(order.language):
        # What the person may read now, not when they asked.
        within = Project.objects.visible_to(job.requested_by)
        selected = select(order, within=within, now=now, allow_scans=True)
        total, last = len(selected.thread_ids), 0.0
        job.advance(now=now, done=0, total=total)

        def progress(done: int) -> bool:
            nonlocal last
            moment = time.monotonic()
            if moment - last < _ADVANCE_SECONDS:
                return True
            last = moment
            return job.advance(now=timezone.now(), done=done)

        try:
            made = make(
                order,
                export_path(job.pk),
                selected,
                by=job.requested_by,
                now=now,
                progress=progress,
            )
        except ExportCancelled:
            return _end_if_cancelled(job) or _("Another worker has taken it over.")
        except ExportError as error:
            job.finish(now=timezone.now(), error=str(error))
            return str(error)
        sentence = _("%(threads)d threads with %(messages)d messages exported.") % {
            "threads": made.threads,
            "messages": made.messages,
        }
    job.advance(now=timezone.now(), done=total)
    job.finish(now=timezone.now(), result={"message": sentence, **asdict(made)})
    return sentence


# Deleting a project.


def delete_project_task(*, job_id: str) -> str:
    """Delete a project with all that is in it, in slices."""
    return _run(job_id, _delete_project)


def _delete_project(job: Job) -> str:
    project = Project.objects.filter(pk=job.parameters["project_id"]).first()
    if project is not None:
        before, last, is_mine, began = job.done_count, 0.0, True, time.monotonic()

        def keep_going(deleted: Deleted) -> bool:
            nonlocal last, is_mine
            moment = time.monotonic()
            if moment - last < _ADVANCE_SECONDS:
                return True
            last = moment
            is_mine = job.advance(
                now=timezone.now(), done=before + deleted.threads, total=before + left
            )
            return is_mine and moment - began < SLICE_SECONDS

        pks = list(Thread.objects.filter(project=project).order_by("pk").values_list("pk"))
        left = len(pks)
        deleted = delete_threads((pk for (pk,) in pks), now=timezone.now(), keep_going=keep_going)
        if not is_mine:
            return _end_if_cancelled(job) or _("Another worker has taken it over.")
        if deleted.held:
            message = _("Not deleted: it came on legal hold, and what is held stays.")
            job.finish(now=timezone.now(), error=message)
            return message
        if deleted.threads < left:
            job.advance(now=timezone.now(), done=before + deleted.threads)
            return _end_if_cancelled(job) or _go_on(job)
        project.delete()
        job.advance(now=timezone.now(), done=before + left, total=max(1, before + left))
    sentence: str = _("The project %s is deleted.") % str(job.parameters["name"])
    job.finish(now=timezone.now(), result={"message": sentence})
    return sentence


# Upkeep.


def sweep_jobs() -> str:
    """Queue again what a dead worker or a lost queue left behind; end what failed too often."""
    now = timezone.now()
    lost = Job.objects.lost(now)
    message = _("It was started %(count)d times and never came to its end.") % {
        "count": MAX_ATTEMPTS
    }
    failed = 0
    for job in lost.filter(attempts__gte=MAX_ATTEMPTS):
        failed += lost.filter(pk=job.pk, attempts__gte=MAX_ATTEMPTS).update(
            state=Job.State.FAILED, error=message, finished_at=now, lease_until=None
        )
    queued = 0
    for job in lost.filter(attempts__lt=MAX_ATTEMPTS, kind__in=[Job.Kind.SYNC_THREAD, *_TASKS]):
        # Marked first: two sweepers at once queue it once.
        if _mark_queued(job, now):
            enqueue_job(job)
            queued += 1
    SyncRun.objects.filter(state=SyncRun.State.RUNNING, started_at__lt=now - _RUN_IS_DEAD).update(
        state=SyncRun.State.FAILED, finished_at=now
    )
    return _("%(queued)d jobs queued again, %(failed)d ended.") % {
        "queued": queued,
        "failed": failed,
    }


def _mark_queued(job: Job, now: datetime) -> bool:
    same = Job.objects.filter(pk=job.pk, state=job.state, attempts=F("attempts"))
    same = same.filter(queued_at=job.queued_at, lease_until=job.lease_until)
    return same.update(state=Job.State.QUEUED, queued_at=now, lease_until=None) == 1


_TASKS: dict[str, Callable[..., str]] = {
    Job.Kind.SYNC_PROJECT: sync_project_task,
    Job.Kind.FRESH_SEARCH: perform_search_task,
    Job.Kind.IMPORT: run_import_task,
    Job.Kind.EXPORT: run_export_task,
    Job.Kind.DELETE_PROJECT: delete_project_task,
}
