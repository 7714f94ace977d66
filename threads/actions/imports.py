"""Imports of files that were uploaded."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from projects.models import Project
from threadhub.lib import audit
from threads.actions.jobs import queue_job
from threads.models import Job
from threads.tasks import import_path

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def request_import(
    project: Project,
    chunks: Iterable[bytes],
    *,
    name: str,
    by: User | None,
    form: str = "auto",
    is_dry_run: bool = False,
) -> Job:
    """Keep an uploaded file until a worker has imported it; return the job.

    The same file twice at once is one job.

    :param chunks: the file's content, as `UploadedFile.chunks()` gives it.
    :param name: what the file was called, for people only.
    :raises OSError: when the data folder cannot be written to.
    """
    identifier = uuid.uuid4()
    path = import_path(identifier)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    is_new = False
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        job, is_new = queue_job(
            Job.Kind.IMPORT,
            f"import:{project.pk}:{int(is_dry_run)}:{digest.hexdigest()[:32]}",
            by=by,
            project=project,
            parameters={"name": name[:200], "format": form, "is_dry_run": is_dry_run},
            pk=identifier,
        )
    finally:
        if not is_new:
            path.unlink(missing_ok=True)
    if is_new:
        audit.record(
            action="threads.import",
            actor=by,
            target=project,
            project_id=project.pk,
            file=name[:200],
            is_dry_run=is_dry_run,
        )
    return job
