"""Deleting threads, and projects with all that is in them: jobs, after something was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _

from projects.models import Project
from threadhub.lib import audit
from threads.actions.jobs import Refused, queue_job
from threads.actions.keeping import digest_of
from threads.models import Job, Thread
from threads.models.thread import Store
from threads.sources import calls_for, can_erase

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

MOST_DELETED = 10_000  # threads of one job; whoever wants all of a project gone deletes it
MOST_ERASED = 2_000  # of one that deletes upstream too, and tells of each what became of it


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


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting a choice of threads comes to.

    :param threads: that would go; `held` stay and are not among them.
    :param by_store: how many of these are at each store that offers deletion.
    :param without_source: how many are at no source that could be asked.
    :param calls: about how many calls deleting upstream takes.
    """

    threads: int
    messages: int
    held: int
    by_store: dict[str, int]
    without_source: int
    calls: int


_HELD = Q(is_held=True) | Q(project__is_held=True)


def plan_deletion(threads: QuerySet[Thread]) -> Deletion:
    """Count what would go and what would stay; two queries. Changes nothing."""
    totals = threads.order_by().aggregate(
        threads=Count("pk", filter=~_HELD),
        messages=Sum("item_count", filter=~_HELD, default=0),
        held=Count("pk", filter=_HELD),
    )
    free = threads.exclude(_HELD).order_by().filter(connection__isnull=False)
    rows = free.values_list("store").annotate(count=Count("pk"), items=Sum("item_count"))
    stores = {store: (count, items) for store, count, items in rows if can_erase(store)}
    return Deletion(
        threads=totals["threads"],
        messages=totals["messages"],
        held=totals["held"],
        by_store={str(Store(store).label): count for store, (count, _items) in stores.items()},
        without_source=totals["threads"] - sum(count for count, _items in stores.values()),
        # As if each had its share of the items: near enough to tell minutes from days.
        calls=sum(
            calls_for(store, items=items // count) * count
            for store, (count, items) in stores.items()
        ),
    )


def request_thread_deletion(
    threads: QuerySet[Thread], *, by: User | None, typed: str, erases_upstream: bool
) -> Job:
    """Queue the deletion of threads, here or at their stores too; those on legal hold stay.

    :param typed: how many threads go, as the person has typed it: who counts has looked.
    :raises Refused: when that is another number, or nothing or too much would go.
    """
    rows = list(threads.exclude(_HELD).order_by("pk").values_list("pk", "project_id"))
    if not rows:
        raise Refused(_("None of these threads can be deleted: they are on legal hold, or gone."))
    most = MOST_ERASED if erases_upstream else MOST_DELETED
    if len(rows) > most:
        raise Refused(_("At most %d threads can be deleted at once. Choose fewer.") % most)
    if typed.strip().replace(",", "").replace(" ", "") != str(len(rows)):
        raise Refused(_("Type the number of threads that go, %d, to delete them.") % len(rows))
    pks = [pk for pk, _project in rows]
    project_ids = {project_id for _pk, project_id in rows}
    with transaction.atomic():
        job, is_new = queue_job(
            Job.Kind.DELETE_THREADS,
            digest_of(pks),
            by=by,
            project=Project.objects.get(pk=min(project_ids)) if len(project_ids) == 1 else None,
            parameters={"thread_ids": pks, "erases_upstream": erases_upstream},
        )
        if is_new:
            for project_id in sorted(project_ids):
                audit.record(
                    action="thread.request_deletion",
                    actor=by,
                    project_id=project_id,
                    count=sum(each == project_id for _pk, each in rows),
                    upstream=erases_upstream,
                )
    return job
