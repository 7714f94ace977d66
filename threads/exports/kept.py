"""The files of exports that were made in the background: where they lie, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings

from threads.models import Job

KEPT = timedelta(days=7)


def export_path(job_id: UUID | str) -> Path:
    """Return where an export's file lies. Its name is the job's id, nothing from outside."""
    return Path(settings.THREADHUB_DATA_DIR) / "exports" / str(job_id)


def expires_at(job: Job) -> datetime | None:
    """Return until when the file is kept; None while there is none."""
    return job.finished_at + KEPT if job.finished_at and job.result.get("sha256") else None


def remove_expired(now: datetime) -> int:
    """Remove files and jobs of exports that ended longer ago than they are kept.

    :returns: how many exports that were. Files without a job go, too, once they are that old.
    """
    ended = Job.objects.filter(kind=Job.Kind.EXPORT, finished_at__lt=now - KEPT)
    removed = 0
    for job_id in list(ended.values_list("pk", flat=True)):
        export_path(job_id).unlink(missing_ok=True)
        removed += ended.filter(pk=job_id).delete()[0]
    folder = export_path("")
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.stat().st_mtime < (now - KEPT).timestamp():
            path.unlink(missing_ok=True)
    return removed
