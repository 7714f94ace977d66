"""Making the file of an export; it stays with the job until it expires."""

from __future__ import annotations

from dataclasses import asdict

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from projects.models import Project
from threads.exports import ExportCancelled, ExportError, ExportOrder, make, select
from threads.exports.base import too_much
from threads.exports.kept import export_path
from threads.models import Job
from threads.work.slices import Outcome, Pace, taken_over

# Of a ZIP with thousands of PDFs: it says so itself before the queue kills the task at 300 s.
PDF_SECONDS = 280.0


def export_file(job: Job) -> Outcome:
    """Make the file, in the language and with the permission of the person who asked."""
    now = timezone.now()
    order = ExportOrder.from_json(job.parameters)
    with translation.override(order.language):
        # What the person may read now, not when they asked.
        within = Project.objects.usable_by(job.requested_by)
        selected = select(order, within=within, now=now, allow_scans=True)
        total, pace = len(selected.thread_ids), Pace()
        job.advance(now=now, done=0, total=total)

        def progress(done: int) -> bool:
            if order.form == "pdf" and pace.is_over(PDF_SECONDS):
                raise too_much(f"{done} / {total}: {PDF_SECONDS:.0f} s")
            return not pace.is_due() or job.advance(now=timezone.now(), done=done)

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
            return taken_over(job)
        except ExportError as error:
            job.finish(now=timezone.now(), error=str(error))
            return Outcome(str(error))
        sentence = _("%(threads)d threads with %(messages)d messages exported.") % {
            "threads": made.threads,
            "messages": made.messages,
        }
    job.advance(now=timezone.now(), done=total)
    job.finish(now=timezone.now(), result={"message": sentence, **asdict(made)})
    return Outcome(sentence)
