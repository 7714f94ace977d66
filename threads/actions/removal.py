"""Deleting a project with all that is in it: a job, because it may hold a million messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from projects.models import Project
from threadhub.lib import audit
from threads.actions.jobs import Refused, queue_job
from threads.models import Job, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def refuse_held(project: Project) -> None:
    """Stop what would delete a project that is on legal hold, or has a thread that is.

    :raises Refused: then.
    """
    if project.is_held or Thread.objects.filter(project=project, is_held=True).exists():
        raise Refused(_("%s is on legal hold, or a thread in it is.") % project)


def request_project_deletion(project: Project, *, by: User | None, typed: str) -> Job:
    """Queue the deletion of a project; return the live job if there is one.

    Its connections are switched off at once, so that nothing new comes in meanwhile.

    :param typed: the project's short name, as the person has typed it.
    :raises Refused: when that is another name, or something is on legal hold.
    """
    if typed.strip() != project.slug:
        raise Refused(_("Type the short name of the project, %s, to delete it.") % project.slug)
    refuse_held(project)
    with transaction.atomic():
        project.connections.update(is_enabled=False)
        # Without the project itself: the row would go with it.
        job, is_new = queue_job(
            Job.Kind.DELETE_PROJECT,
            f"project:{project.pk}",
            by=by,
            parameters={"project_id": project.pk, "name": project.name},
        )
        if is_new:
            audit.record(action="project.delete", actor=by, target=project, project_id=project.pk)
    return job
