"""What workers do. Arguments are ids; each is safe to run twice and returns a sentence.

The work itself is in `threads.work`. These names stay: they are in the queue's rows and lists.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from threadhub.lib.tasks import enqueue
from threads.models import Job, SyncRun
from threads.models.job import LEASE, MAX_ATTEMPTS
from threads.work import (
    changing,
    erasing,
    exporting,
    fresh,
    importing,
    reading,
    refreshing,
    removal,
    subjects,
)
from threads.work.slices import Outcome, Then

logger = logging.getLogger(__name__)

_RUN_IS_DEAD = timedelta(days=1)  # a sync run that has not ended by then never will


def _owner() -> str:
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _run(job_id: str, work: Callable[[Job], Outcome]) -> str:
    """Claim a job and do a slice of its `work`; what that raises fails the job."""
    if not Job.objects.claim(job_id, owner=_owner(), now=timezone.now()):
        return _("Nothing to do: this job has ended, or another worker has it.")
    job = Job.objects.select_related("project", "requested_by").get(pk=job_id)
    if job.cancel_requested_at is not None:
        job.finish(now=timezone.now())
        return _("Cancelled before it began.")
    try:
        outcome = work(job)
    except Exception as error:
        logger.exception("Job %s failed", job.pk)
        message = _("It failed unexpectedly (%(name)s). The worker's log says more.")
        message %= {"name": type(error).__name__}
        job.finish(now=timezone.now(), error=message)
        return message
    if outcome.then is Then.LATER:
        job.release(now=timezone.now() - LEASE)  # lost, as the sweeper sees it
    elif outcome.then is Then.NOW and job.release(now=timezone.now()):
        enqueue_job(job)
    return outcome.sentence


def enqueue_job(job: Job) -> None:
    """Queue the task of a job once the transaction commits."""
    if job.kind == Job.Kind.SYNC_THREAD:
        enqueue(fetch_thread_task, thread_id=int(job.parameters["thread_id"]), job_id=str(job.pk))
    else:
        enqueue(_TASKS[job.kind], job_id=str(job.pk))


def fetch_thread_task(*, thread_id: int, job_id: str = "") -> str:
    """Bring one thread up to date. With a job, that shows what became of it."""
    if job_id:
        return _run(job_id, lambda job: reading.read_thread_for(job, thread_id))
    return reading.read_thread(thread_id)


def sync_project_task(*, job_id: str) -> str:
    """Read all threads of a project, in slices, within the calls per minute."""
    return _run(job_id, reading.read_project)


def refresh_due_threads() -> str:
    """Read what is due, connection by connection, within each one's calls per minute."""
    return refreshing.refresh_due()


def replan_refresh() -> str:
    """Count what was learned again from the archive, and plan every thread by it."""
    return refreshing.replan()


def perform_search_task(*, job_id: str) -> str:
    """Ask the sources what is new before a search, in slices, within the calls allowed."""
    return _run(job_id, fresh.read_for_search)


def run_import_task(*, job_id: str) -> str:
    """Import a file that was uploaded, in slices; the report stays with the job."""
    return _run(job_id, importing.import_file)


def run_export_task(*, job_id: str) -> str:
    """Make the file of an export; it stays with the job until it expires."""
    return _run(job_id, exporting.export_file)


def delete_project_task(*, job_id: str) -> str:
    """Delete a project with all that is in it, in slices."""
    return _run(job_id, removal.delete_project)


def change_threads_task(*, job_id: str) -> str:
    """Trash, restore, hold or tag many threads, in slices."""
    return _run(job_id, changing.change_chosen)


def delete_threads_task(*, job_id: str) -> str:
    """Delete chosen threads, here or at their stores too, in slices."""
    return _run(job_id, erasing.delete_chosen)


def find_subject_task(*, job_id: str) -> str:
    """Find the threads that a data request is about."""
    return _run(job_id, subjects.find_data)


def pack_subject_task(*, job_id: str) -> str:
    """Write the pack of a data request."""
    return _run(job_id, subjects.pack_data)


def erase_subject_task(*, job_id: str) -> str:
    """Delete the threads of a data request, in slices, and make its receipt."""
    return _run(job_id, subjects.erase_data)


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
    Job.Kind.CHANGE_THREADS: change_threads_task,
    Job.Kind.DELETE_THREADS: delete_threads_task,
    Job.Kind.DELETE_PROJECT: delete_project_task,
    Job.Kind.FIND_SUBJECT: find_subject_task,
    Job.Kind.PACK_SUBJECT: pack_subject_task,
    Job.Kind.ERASE_SUBJECT: erase_subject_task,
}
