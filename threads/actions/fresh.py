"""Fresh searches: what one costs, who may have one, started, joined, stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Connection, Project, SiteSettings
from projects.models.project import ProjectQuerySet
from threadhub.lib import audit
from threads import sync
from threads.actions.jobs import Refused, cancel_job, queue_job, retry_job
from threads.models import FreshSearch, Job
from threads.models.fresh_search import LONGEST_QUERY

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_A_DAY = timedelta(days=1)
CAPTCHA_PURPOSE = "fresh-search"


@dataclass(frozen=True, slots=True)
class ProjectCost:
    """What asking the sources of one project would take, before new threads are found."""

    project: Project
    threads: int
    calls: int
    seconds: int
    looks_for_new: bool
    is_spent: bool  # no calls are left at present


def askable_projects(user: User | AnonymousUser | None) -> ProjectQuerySet:
    """Return the projects whose sources `user` may have asked, and that have one."""
    callable_ones = Connection.objects.filter(
        project=OuterRef("pk"), is_enabled=True, state__in=Connection.CALLABLE_STATES
    )
    return Project.objects.askable_by(user).filter(Exists(callable_ones))


def needs_captcha(user: User | AnonymousUser | None) -> bool:
    """Tell whether `user` answers a question first: visitors always, members after some a day."""
    if user is None or not user.is_authenticated:
        return True
    if user.is_staff:
        return False
    recent = FreshSearch.objects.filter(
        requested_by_id=user.pk, asked_at__gt=timezone.now() - _A_DAY
    )
    return recent.count() >= SiteSettings.current().free_fresh_searches


def preview_fresh_search(projects: Iterable[Project], *, now: datetime) -> list[ProjectCost]:
    """Tell what a fresh search would cost. A few queries for each connection, no network."""
    projects = list(projects)
    connections = Connection.objects.callable_of(project.pk for project in projects)
    costs = sync.preview(connections.select_related("project"), now=now)
    return [
        ProjectCost(
            project,
            threads=sum(len(cost.thread_ids) for cost in own),
            calls=sum(cost.calls for cost in own),
            seconds=sum(cost.seconds for cost in own),
            looks_for_new=any(cost.looks_for_new for cost in own),
            is_spent=bool(own) and all(cost.is_spent for cost in own),
        )
        for project in projects
        for own in [[cost for cost in costs if cost.connection.project_id == project.pk]]
    ]


def request_fresh_search(
    query: str, projects: Iterable[Project], *, by: User | None, ip: str = ""
) -> FreshSearch:
    """Queue a fresh search; the same words for the same projects, asked meanwhile, share its job.

    :param projects: out of `askable_projects(by)`.
    :param by: None for a visitor.
    :raises Refused: when there is nothing to look for, or nothing to ask.
    """
    query = query.strip()
    project_ids = sorted(project.pk for project in projects)
    if not query:
        raise Refused(_("Say what to look for."))
    if len(query) > LONGEST_QUERY:
        raise Refused(_("This query is too long."))
    if not project_ids:
        raise Refused(_("Choose at least one project whose source can be asked."))
    words = " ".join(query.casefold().split())
    digest = hashlib.sha256(f"{project_ids}\n{words}".encode()).hexdigest()[:32]
    only_project = project_ids[0] if len(project_ids) == 1 else None
    with transaction.atomic():
        job, is_new = queue_job(
            Job.Kind.FRESH_SEARCH,
            f"search:{digest}",
            by=by,
            project=Project.objects.get(pk=only_project) if only_project else None,
            parameters={
                "query": query,
                "project_ids": project_ids,
            },
        )
        if not is_new and by is not None:
            own = FreshSearch.objects.filter(job=job, requested_by=by, left_at=None).first()
            if own is not None:
                return own
        search = FreshSearch.objects.create(job=job, requested_by=by, query=query)
        audit.record(
            action="fresh_search.request",
            actor=by,
            target=search,
            project_id=only_project,
            ip=ip,
            joined=not is_new,
        )
    return search


def cancel_fresh_search(search: FreshSearch, *, by: User | None) -> bool:
    """Stop it at once, or only leave it while others wait for the same. False: it had ended.

    The worker sees within two seconds that the job is not its own any more; answers that are
    under way are still written, and no further call is made.
    """
    with transaction.atomic():
        others = FreshSearch.objects.filter(job=search.job, left_at=None).exclude(pk=search.pk)
        if others.exists():
            left = FreshSearch.objects.filter(
                pk=search.pk, left_at=None, job__state__in=Job.LIVE_STATES
            )
            return bool(left.update(left_at=timezone.now()))
        is_stopped = cancel_job(search.job, by=by)
        Job.objects.filter(pk=search.job.pk, state=Job.State.RUNNING).update(
            state=Job.State.CANCELLED, finished_at=timezone.now(), lease_until=None
        )
    return is_stopped


def retry_fresh_search(search: FreshSearch, *, by: User | None) -> FreshSearch:
    """Go on with a fresh search that failed or was stopped; its plan and its sums are kept.

    :raises Refused: when it has not ended, or ended well.
    """
    job = search.job
    if not job.is_live:
        job = retry_job(job, by=by)
    elif search.left_at is None:
        raise Refused(_("Only a job that failed or was cancelled can be tried again."))
    search.job, search.left_at = job, None
    search.save(update_fields=["job", "left_at"])
    return search
