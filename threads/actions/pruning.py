"""Deleting what has been kept long enough. Legal holds stop it, for a thread or a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from projects.models import Project
from threadhub.lib import audit
from threads.archive.deletion import Deleted, delete_threads
from threads.archive.retention import Expired, expired, expired_in, expired_threads

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def prune_preview(*, now: datetime, projects: Iterable[Project] | None = None) -> list[Expired]:
    """Count what `prune_threads` would delete, project by project; changes nothing.

    :param projects: those to look at, by the rules that these instances have; None: all.
    """
    return expired(now=now) if projects is None else expired_in(projects, now=now)


def prune_threads(
    *,
    now: datetime,
    by: User | None = None,
    keep_going: Callable[[], bool] = lambda: True,
) -> Deleted:
    """Delete what has expired in every project; one audit event for each.

    :param keep_going: asked after each transaction of at most 2,000 messages. False stops, and
        the next run goes on.
    """
    total = Deleted()
    for found in expired(now=now):
        if not found.threads or not keep_going():
            continue
        free = expired_threads(found.project, now=now).filter(is_held=False)
        # The longest silent first, as an index has them; read at once, because they go.
        pks = list(free.order_by("last_message_timestamp", "pk").values_list("pk", flat=True))
        deleted = delete_threads(pks, now=now, keep_going=lambda _deleted: keep_going())
        total += deleted
        if deleted.threads:
            audit.record(
                action="threads.prune",
                actor=by,
                target=found.project,
                project_id=found.project.pk,
                threads=deleted.threads,
                messages=deleted.messages,
                retention_days=found.project.retention_days,
            )
    return total
