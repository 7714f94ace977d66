"""Deleting a project with all that is in it."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Project
from threads.archive.deletion import Deleted, delete_threads
from threads.models import Job, Thread
from threads.work.slices import Outcome, Pace, cancelled, go_on, taken_over


def delete_project(job: Job) -> Outcome:
    """Delete threads in slices, and the project with the last one. What is held stays."""
    project = Project.objects.filter(pk=job.parameters["project_id"]).first()
    if project is not None:
        before, pace, is_mine = job.done_count, Pace(), True

        def keep_going(deleted: Deleted) -> bool:
            nonlocal is_mine
            if not pace.is_due():
                return True
            is_mine = job.advance(
                now=timezone.now(), done=before + deleted.threads, total=before + left
            )
            return is_mine and not pace.is_over()

        pks = list(Thread.objects.filter(project=project).order_by("pk").values_list("pk"))
        left = len(pks)
        deleted = delete_threads((pk for (pk,) in pks), now=timezone.now(), keep_going=keep_going)
        if not is_mine:
            return taken_over(job)
        if deleted.held:
            message = _("Not deleted: it came on legal hold, and what is held stays.")
            job.finish(now=timezone.now(), error=message)
            return Outcome(message)
        if deleted.threads < left:
            job.advance(now=timezone.now(), done=before + deleted.threads)
            return cancelled(job) or go_on(job)
        project.delete()
        job.advance(now=timezone.now(), done=before + left, total=max(1, before + left))
    sentence: str = _("The project %s is deleted.") % str(job.parameters["name"])
    job.finish(now=timezone.now(), result={"message": sentence})
    return Outcome(sentence)
