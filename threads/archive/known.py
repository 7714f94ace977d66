"""What the archive has already of the threads and messages that are about to be written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

from projects.models import Project
from threads.models import Message, Thread


class Known(NamedTuple):
    """A message as the archive has it. `was_removed`: it was gone when the reading began."""

    pk: int
    content_hash: str
    was_removed: bool


def locked_threads(project: Project, external_ids: Collection[str]) -> Mapping[str, Thread]:
    """Return the project's threads of these ids, locked until the transaction ends.

    One query. In the order of their keys, so that two writers never wait for each other.
    """
    rows = Thread.objects.select_for_update(of=("self",)).order_by("pk")
    found = rows.filter(project=project, external_id__in=list(external_ids))
    return {thread.external_id: thread for thread in found}


def known_messages(
    wanted: Iterable[tuple[int, str]], *, began_at: datetime
) -> Mapping[tuple[int, str], Known]:
    """Return what is here of (thread, the store's id of a message). One query, or none."""
    pairs = list(wanted)
    if not pairs:
        return {}
    parameters: list[Any] = [connection.ops.adapt_datetimefield_value(began_at)]
    if connection.vendor == "postgresql":
        source = "unnest(%s::bigint[], %s::varchar[]) AS w(thread, remote) JOIN threads_message m"
        match = "m.thread_id = w.thread AND m.remote_id = w.remote"
        parameters += [[thread for thread, _ in pairs], [remote for _, remote in pairs]]
    else:
        source = "json_each(%s) AS w CROSS JOIN threads_message m"
        match = (
            "m.thread_id = json_extract(w.value, '$[0]')"
            " AND m.remote_id = json_extract(w.value, '$[1]')"
        )
        parameters.append(json.dumps(pairs))
    statement = (
        "SELECT m.thread_id, m.remote_id, m.id, m.content_hash,"  # noqa: S608 - one of the two
        f" coalesce(m.removed_at <= %s, false) FROM {source} ON {match}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {
            (thread, remote): Known(pk, content_hash, bool(was_removed))
            for thread, remote, pk, content_hash, was_removed in cursor.fetchall()
        }


def last_positions(threads: Collection[int]) -> Mapping[int, int]:
    """Return the last position in each of these threads that has messages. One query, or none."""
    if not threads:
        return {}
    rows = Message.objects.filter(thread__in=threads).order_by().values_list("thread")
    return dict(rows.annotate(last=Max("position")))
