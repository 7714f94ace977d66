"""Syncs: of threads, of a project; threads by their ids; is the connection all right?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Connection, Project
from threadhub.lib import audit
from threads import sync
from threads.actions.jobs import Refused, queue_job
from threads.models import Job, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_CHUNK = 500
# What stores take in the path of an address.
_ID = re.compile(r"[A-Za-z0-9_.:@=+~,-]{1,200}\Z")


def request_sync(thread: Thread, *, by: User | None, is_full: bool = False) -> Job:
    """Queue a sync of one thread; return the job that is live already if there is one.

    :param is_full: compare everything, also what the store says about the thread itself.
    :raises Refused: when nothing can be asked about this thread.
    """
    if thread.connection_id is None:
        raise Refused(_("This thread came from a file: there is no source to ask about it."))
    with transaction.atomic():
        if is_full:  # a person insists: what was put off after a failure is tried now
            Thread.objects.filter(pk=thread.pk).update(refresh_not_before=None)
        job, is_new = queue_job(
            Job.Kind.SYNC_THREAD,
            f"thread:{thread.pk}",
            by=by,
            project=thread.project,
            parameters={"thread_id": thread.pk, "is_full": is_full},
        )
        if is_new:
            audit.record(
                action="thread.sync", actor=by, target=thread, project_id=thread.project_id
            )
    return job


def request_project_sync(project: Project, *, by: User | None, is_full: bool = False) -> Job:
    """Queue a sync of all of a project's threads; return the live job if there is one.

    :raises Refused: when the project has no connection that may be asked.
    """
    callable_ones = project.connections.filter(
        is_enabled=True, state__in=Connection.CALLABLE_STATES
    )
    if not callable_ones.exists():
        raise Refused(_("This project has no connection that can be asked. Test its connections."))
    with transaction.atomic():
        if is_full:
            Thread.objects.filter(project=project).update(refresh_not_before=None)
        job, is_new = queue_job(
            Job.Kind.SYNC_PROJECT,
            f"project:{project.pk}",
            by=by,
            project=project,
            parameters={"is_full": is_full, "since": timezone.now().isoformat()},
        )
        if is_new:
            audit.record(action="project.sync", actor=by, target=project, project_id=project.pk)
    return job


@dataclass(slots=True)
class Added:
    """What became of ids that were given."""

    added: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)  # came from a file; has a source now
    refused: dict[str, str] = field(default_factory=dict)  # id: why


def add_thread_ids(
    project: Project,
    connection: Connection,
    ids: Iterable[str],
    *,
    by: User | None,
    remarks: Mapping[str, str] | None = None,
) -> Added:
    """Register threads by their ids at the store; the next round of the refresh reads them.

    :param remarks: by id; written to threads that have none.
    :raises Refused: when the connection is another project's.
    """
    if connection.project_id != project.pk:
        raise Refused(_("That connection belongs to another project."))
    result, wanted = Added(), []
    for given in dict.fromkeys(text.strip() for text in ids):
        if _ID.match(given) and given.strip("."):
            wanted.append(given)
        elif given:
            result.refused[given[:200]] = _("This is not an id: it holds characters that none has.")
    with transaction.atomic():
        for start in range(0, len(wanted), _CHUNK):
            _add(project, connection, wanted[start : start + _CHUNK], remarks or {}, result)
        audit.record(
            action="thread.add",
            actor=by,
            target=project,
            project_id=project.pk,
            added=len(result.added),
            adopted=len(result.adopted),
            refused=len(result.refused),
        )
    return result


def _add(
    project: Project,
    connection: Connection,
    ids: list[str],
    remarks: Mapping[str, str],
    result: Added,
) -> None:
    now = timezone.now()
    found = {
        thread.external_id: thread
        for thread in Thread.objects.filter(project=project, external_id__in=ids)
    }
    made = []
    for external_id in ids:
        thread = found.get(external_id)
        if thread is None:
            made.append(
                Thread(
                    project=project,
                    connection=connection,
                    store=connection.store,
                    external_id=external_id,
                    remark=remarks.get(external_id, ""),
                    next_refresh_at=now,
                )
            )
            result.added.append(external_id)
            continue
        changed = []
        if thread.connection_id is None:
            thread.connection, thread.next_refresh_at = connection, now
            changed += ["connection", "next_refresh_at"]
            result.adopted.append(external_id)
        elif thread.connection_id == connection.pk:
            result.known.append(external_id)
        else:
            result.refused[external_id] = _(
                "It is in this project already, through another connection."
            )
        if not thread.remark and remarks.get(external_id):
            thread.remark = remarks[external_id]
            changed.append("remark")
        if changed:
            thread.save(update_fields=changed)
    Thread.objects.bulk_create(made, ignore_conflicts=True)


def test_connection(connection: Connection, *, by: User | None) -> str:
    """Make one call and write the connection's state. Returns a sentence; costs up to 30 s."""
    sentence = sync.try_connection(connection, now=timezone.now())
    is_working = connection.state == Connection.State.WORKING
    audit.record(
        action="connection.test",
        actor=by,
        target=connection,
        project_id=connection.project_id,
        outcome="ok" if is_working else "failed",
    )
    return sentence
