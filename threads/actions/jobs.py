"""Jobs: queued once, cancelled, tried again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Project
from threadhub.lib import audit
from threads.models import Job
from threads.tasks import enqueue_job

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Refused(Exception):
    """What was asked for cannot be done. The text is a sentence for the person who asked."""


def queue_job(
    kind: Job.Kind,
    key: str,
    *,
    by: User | None,
    project: Project | None = None,
    parameters: dict[str, Any] | None = None,
    pk: uuid.UUID | None = None,
) -> tuple[Job, bool]:
    """Make a job and queue it once the transaction commits.

    :returns: the job, and False when one of this kind and key was live already: that one.
    """
    job = Job(kind=kind, key=key, project=project, requested_by=by, parameters=parameters or {})
    if pk is not None:
        job.pk = pk
    while True:
        try:
            with transaction.atomic():
                job.save(force_insert=True)
                enqueue_job(job)
        except IntegrityError:
            live = Job.objects.live().filter(kind=kind, key=key).first()
            if live is not None:
                return live, False
            if Job.objects.filter(pk=job.pk).exists():
                raise
            continue  # it ended between the two statements
        return job, True


def cancel_job(job: Job, *, by: User | None) -> bool:
    """End a job that waits; ask one that runs to stop at its next page. False: it had ended."""
    now = timezone.now()
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
    running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING)
    is_done = bool(
        waiting.update(state=Job.State.CANCELLED, cancel_requested_at=now, finished_at=now)
        or running.update(cancel_requested_at=now)
    )
    if is_done:
        audit.record(action="job.cancel", actor=by, target=job, project_id=job.project_id)
    return is_done


def retry_job(job: Job, *, by: User | None) -> Job:
    """Queue a job again that failed or was cancelled. An import goes on where it was.

    :returns: the job, or another one of the same kind and key that is live already.
    :raises Refused: when it has not ended, or ended well.
    """
    ended = [Job.State.FAILED, Job.State.CANCELLED]
    try:
        with transaction.atomic():
            changed = Job.objects.filter(pk=job.pk, state__in=ended).update(
                state=Job.State.QUEUED,
                attempts=0,
                error="",
                cancel_requested_at=None,
                finished_at=None,
                started_at=None,
                lease_until=None,
                queued_at=timezone.now(),
            )
            if not changed:
                raise Refused(_("Only a job that failed or was cancelled can be tried again."))
            job.refresh_from_db()
            enqueue_job(job)
            audit.record(action="job.retry", actor=by, target=job, project_id=job.project_id)
    except IntegrityError:
        return Job.objects.live().get(kind=job.kind, key=job.key)
    return job
