"""What a list of ids does to a project: adds threads, sets remarks, or puts into the trash."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from projects.models import Connection, Project
from threads.archive import clean
from threads.imports.base import ListedThread
from threads.models import Thread


class ListAction(enum.StrEnum):
    ADD = "add"
    REMARK = "remark"
    DELETE = "delete"  # to the trash


class Refusal(Exception):
    """This row cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What to do with the rows of a list.

    :param connection: through which added threads are read; None: the project's only one.
    """

    action: ListAction = ListAction.ADD
    connection: Connection | None = None


def apply(item: ListedThread, listing: Listing, *, project: Project, now: datetime) -> str:
    """Do it; return "new", "changed" or "unchanged".

    :raises Refusal: when it cannot be done.
    """
    thread = (
        Thread.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(project=project, external_id=item.external_id)
        .first()
    )
    if listing.action == ListAction.ADD:
        return _add(item, thread, listing, project=project, now=now)
    if thread is None:
        raise Refusal(f"{item.external_id} is not in this project.")
    if listing.action == ListAction.REMARK:
        if not item.has_remark:
            raise Refusal("The list has no column of remarks.")
        return _set_remark(thread, item.remark)
    if thread.trashed_at is not None:
        return "unchanged"
    if thread.is_held or thread.project.is_held:
        raise Refusal(f"{item.external_id} is on legal hold: it stays.")
    thread.trashed_at = now
    thread.save(update_fields=["trashed_at"])
    return "changed"


def _add(
    item: ListedThread,
    thread: Thread | None,
    listing: Listing,
    *,
    project: Project,
    now: datetime,
) -> str:
    """Register a thread; the next round of the refresh reads it. Known ones keep their remark."""
    connection = listing.connection or _only_connection(project)
    if thread is None:
        Thread.objects.create(
            project=project,
            connection=connection,
            store=connection.store,
            external_id=item.external_id,
            remark=clean.text(item.remark),
            archived_at=now,
            next_refresh_at=now,
        )
        return "new"
    if thread.connection_id not in {None, connection.pk}:
        raise Refusal(f"{item.external_id} is in this project already, through another connection.")
    changed = []
    if thread.connection_id is None:
        thread.connection, thread.next_refresh_at = connection, now
        changed += ["connection", "next_refresh_at"]
    if item.remark and not thread.remark:
        thread.remark = clean.text(item.remark)
        changed.append("remark")
    if changed:
        thread.save(update_fields=changed)
    return "changed" if changed else "unchanged"


def _set_remark(thread: Thread, remark: str) -> str:
    remark = clean.text(remark)
    if thread.remark == remark:
        return "unchanged"
    thread.remark = remark
    thread.save(update_fields=["remark"])
    return "changed"


def _only_connection(project: Project) -> Connection:
    found = list(Connection.objects.filter(project=project)[:2])
    if len(found) == 1:
        return found[0]
    raise Refusal(
        "The project has several connections: say through which one the threads are read."
        if found
        else "The project has no connection through which the threads could be read."
    )
