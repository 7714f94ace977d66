"""Which threads have been kept long enough: by their project's rule, or in the trash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from projects.models import Project, SiteSettings
from threads.models import Thread


def keep_trash() -> timedelta:
    """Return how long the trash keeps what is in it: the administrators' setting."""
    return timedelta(days=SiteSettings.current().keep_trash_days)


@dataclass(frozen=True, slots=True)
class Expired:
    """What has expired in one project, and what of it a legal hold keeps."""

    project: Project
    silent_threads: int  # beyond the project's retention
    trashed_threads: int  # longer in the trash than it is kept there
    messages: int  # of both
    held_threads: int  # would have gone, and stay

    @property
    def threads(self) -> int:
        return self.silent_threads + self.trashed_threads


def _silent(project: Project, now: datetime) -> Q:
    """Threads whose last message is too old; without any, it counts when they came to be."""
    if project.retention_days is None:
        return Q(pk__in=[])
    cut = now - timedelta(days=project.retention_days)
    has_no_message = Q(last_message_timestamp__isnull=True)
    return (
        Q(last_message_timestamp__lt=cut)
        | has_no_message & Q(created_at__lt=cut)
        | has_no_message & Q(created_at__isnull=True, archived_at__lt=cut)
    )


def expired_threads(project: Project, *, now: datetime) -> QuerySet[Thread]:
    """The project's threads that have been kept long enough, those on legal hold included."""
    in_trash = Q(trashed_at__lt=now - keep_trash())
    return Thread.objects.filter(_silent(project, now) | in_trash, project=project)


def expired(*, now: datetime, within: QuerySet[Project] | None = None) -> list[Expired]:
    """Count what has expired in each project where something has; one query a project.

    :param within: the projects to look at; None: all of them.
    """
    projects = Project.objects.all() if within is None else within
    return expired_in(projects.order_by("name", "pk"), now=now)


def expired_in(projects: Iterable[Project], *, now: datetime) -> list[Expired]:
    """Count the same by the rules that these instances have, saved or not."""
    found = []
    for project in projects:
        in_trash = Q(trashed_at__lt=now - keep_trash())
        is_held = Q(is_held=True) | Q(project__is_held=True)
        counts = expired_threads(project, now=now).aggregate(
            silent=Count("pk", filter=_silent(project, now) & ~in_trash & ~is_held),
            trashed=Count("pk", filter=in_trash & ~is_held),
            messages=Coalesce(Sum("item_count", filter=~is_held), 0),
            held=Count("pk", filter=is_held),
        )
        if counts["silent"] or counts["trashed"] or counts["held"]:
            found.append(
                Expired(
                    project=project,
                    silent_threads=counts["silent"],
                    trashed_threads=counts["trashed"],
                    messages=counts["messages"],
                    held_threads=counts["held"],
                )
            )
    return found
