"""Imports of files that were uploaded."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from projects.models import Connection, Project
from threadhub.lib import audit
from threads.actions.jobs import Refused, queue_job
from threads.archive import ListAction
from threads.models import Job
from threads.work.importing import import_path

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEEP_UPLOADS = timedelta(days=2)  # of rehearsals, and of imports that failed or were cancelled


def request_import(
    project: Project,
    chunks: Iterable[bytes],
    *,
    name: str,
    by: User | None,
    form: str = "auto",
    is_dry_run: bool = False,
    list_action: ListAction = ListAction.ADD,
    connection: Connection | None = None,
) -> Job:
    """Keep an uploaded file until a worker has imported it; return the job.

    The same file twice at once is one job.

    :param chunks: the file's content, as `UploadedFile.chunks()` gives it.
    :param name: what the file was called, for people only.
    :param list_action: what a list of ids does; `connection`: through which its threads are read.
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
            _key(project, digest.hexdigest(), list_action, is_dry_run=is_dry_run),
            by=by,
            project=project,
            parameters={
                "name": name[:200],
                "format": form,
                "is_dry_run": is_dry_run,
                "list_action": list_action.value,
                "connection_id": connection.pk if connection else None,
                "digest": digest.hexdigest(),
            },
            pk=identifier,
        )
    finally:
        if not is_new:
            path.unlink(missing_ok=True)
    if is_new:
        _record(job, by=by)
    return job


def _key(project: Project, digest: str, action: str, *, is_dry_run: bool) -> str:
    return f"import:{project.pk}:{int(is_dry_run)}:{action}:{digest[:32]}"


def _record(job: Job, *, by: User | None) -> None:
    audit.record(
        action="threads.import",
        actor=by,
        target=job.project,
        project_id=job.project_id,
        file=str(job.parameters["name"]),
        is_dry_run=bool(job.parameters["is_dry_run"]),
        list_action=str(job.parameters["list_action"]),
    )


def has_file(job: Job) -> bool:
    """Tell whether the uploaded file of an import is still here."""
    return job.kind == Job.Kind.IMPORT and import_path(job.pk).exists()


def has_upload(job: Job) -> bool:
    """Tell whether this is a finished rehearsal whose file still waits to be imported."""
    is_rehearsal = bool(job.parameters.get("is_dry_run"))
    return is_rehearsal and job.state == Job.State.DONE and has_file(job)


def confirm_import(job: Job, *, by: User | None) -> Job:
    """Import the file of a finished rehearsal; return the job that does.

    :raises Refused: when there is no such file any more.
    """
    if not has_upload(job) or job.project is None:
        raise Refused(_("The file is not here any more. Upload it again."))
    identifier = uuid.uuid4()
    path = import_path(identifier)
    try:
        import_path(job.pk).rename(path)
    except OSError as error:  # somebody else has confirmed it in this moment
        raise Refused(_("The file is not here any more. Upload it again.")) from error
    parameters = {**job.parameters, "is_dry_run": False}
    key = _key(job.project, parameters["digest"], str(parameters["list_action"]), is_dry_run=False)
    is_new = False
    try:
        confirmed, is_new = queue_job(
            Job.Kind.IMPORT, key, by=by, project=job.project, parameters=parameters, pk=identifier
        )
    finally:
        if not is_new:
            path.unlink(missing_ok=True)
    if is_new:
        _record(confirmed, by=by)
    return confirmed


def forget_uploads(*, now: datetime) -> int:
    """Remove uploaded files that nobody came back for. Returns how many those were."""
    folder = import_path("x").parent
    live = {str(pk) for pk in Job.objects.live().values_list("pk", flat=True)}
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        age = now.timestamp() - path.stat().st_mtime
        if path.name not in live and age > KEEP_UPLOADS.total_seconds():
            path.unlink(missing_ok=True)
            removed += 1
    return removed
