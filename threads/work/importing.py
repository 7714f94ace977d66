"""Importing a file that was uploaded; the report stays with the job."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Connection
from threads.archive import ImportReport, ListAction, Listing, ingest
from threads.imports import Place, UnreadableFile, reader
from threads.models import Job
from threads.work.slices import Outcome, Pace, go_on


def import_path(job_id: object) -> Path:
    """Return where the file of an import waits. Its name is the job's id, nothing from outside."""
    return Path(settings.THREADHUB_DATA_DIR) / "imports" / str(job_id)


def import_file(job: Job) -> Outcome:
    """Import from where the last slice came to; a rehearsal reads all and writes nothing."""
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
    pace, is_mine, reached = Pace(), True, start

    def keep_going(place: Place) -> bool:
        nonlocal is_mine, reached
        reached = place
        if not pace.is_due():
            return True
        is_mine = _keep_place(job, report, place) and job.advance(
            now=timezone.now(), done=place.offset // 1024, total=max(1, size // 1024)
        )
        return is_mine and not pace.is_over()

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
        return go_on(job)
    result: dict[str, object] = {"report": report.as_json(), "message": str(report)}
    if is_end:
        job.advance(now=timezone.now(), done=max(1, size // 1024), total=max(1, size // 1024))
    else:  # so that it goes on here when somebody wants it after all
        result |= {"line": reached.line, "offset": reached.offset}
    is_finished = job.finish(now=timezone.now(), result=result)
    # A rehearsed file waits for the word to import it; forget_uploads takes away what is left.
    if is_finished and job.state == Job.State.DONE and not is_dry_run:
        path.unlink(missing_ok=True)
    return Outcome(str(report))


def _listing(job: Job) -> Listing:
    wanted = job.parameters.get("connection_id")
    connection = Connection.objects.filter(project=job.project, pk=wanted).first()
    return Listing(ListAction(job.parameters.get("list_action", ListAction.ADD)), connection)


def _refuse_file(job: Job, error: Exception) -> Outcome:
    path = import_path(job.pk)
    path.unlink(missing_ok=True)
    message = str(error) if isinstance(error, UnreadableFile) else _("The file is not there.")
    message = message.replace(path.name, str(job.parameters.get("name", "")))
    job.finish(now=timezone.now(), error=message)
    return Outcome(message)


def _keep_place(job: Job, report: ImportReport, place: Place) -> bool:
    """Write how far the import is, with its counts; False when the job is another worker's."""
    result = {"report": report.as_json(), "line": place.line, "offset": place.offset}
    mine = Job.objects.filter(pk=job.pk, owner=job.owner, state=Job.State.RUNNING)
    return mine.update(result=result) == 1
