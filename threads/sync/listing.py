"""Finds threads by itself where the store can list them; the ids of others come from people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from projects.models import Connection
from threads import archive
from threads.archive import ArchiveError
from threads.models import Thread, Tombstone
from threads.sources import Capability, CursorLost, RemoteThread, Source
from threads.sync.reading import PAGE

LIST_EVERY = timedelta(minutes=5)  # when the end of the list was reached; until then every round
_SHARE = 0.1  # of the calls per minute, and a call at the least


def is_listing_due(connection: Connection, now: datetime) -> bool:
    """Tell whether to look for new threads now."""
    return connection.listed_at is None or now - connection.listed_at >= LIST_EVERY


def most_pages(connection: Connection) -> int:
    """Return how many pages of the list may be read at a time."""
    return max(1, int(connection.calls_per_minute * _SHARE))


def list_new(
    connection: Connection,
    source: Source,
    *,
    now: datetime,
    keep_going: Callable[[], bool] = lambda: True,
) -> list[int]:
    """Add the store's new threads to the archive; return those that were used since their visit.

    Goes on after the last thread that it saw, a tenth of the calls per minute at most. Where the
    store tells when a thread was last used, the list is read from its start again and again: a
    call tells of a hundred threads whether there is anything new. Elsewhere nothing is returned.

    :param keep_going: asked before each call.
    :raises SourceError: when the store could not be asked. What was listed so far is kept.
    """
    used: list[int] = []
    for _ in range(most_pages(connection)):
        if not keep_going():
            break
        try:
            page = source.threads(connection.list_cursor or None, limit=PAGE)
        except CursorLost:  # the last one was deleted: everything again, what is known is skipped
            connection.list_cursor = ""
            connection.save(update_fields=["list_cursor"])
            continue
        _add(connection, page.items, now=now)
        if Capability.LAST_ACTIVE in source.capabilities:
            used += _used(connection, page.items)
        if page.items:
            connection.list_cursor = page.items[-1].remote_id
        if page.next is None:
            connection.listed_at = now
            if Capability.LAST_ACTIVE in source.capabilities:
                connection.list_cursor = ""
        connection.save(update_fields=["list_cursor", "listed_at"])
        if page.next is None:
            break
    return used


def _add(connection: Connection, listed: Sequence[RemoteThread], *, now: datetime) -> None:
    known = set(
        Thread.objects.filter(
            project=connection.project_id,
            external_id__in=[thread.remote_id for thread in listed],
        ).values_list("external_id", flat=True)
    )
    strange = [thread.remote_id for thread in listed if thread.remote_id not in known]
    if strange:  # what was deleted here stays away; somebody may still add it by its id
        known |= Tombstone.objects.among(connection.project_id, strange)
    for thread in listed:
        if thread.remote_id in known:
            continue
        try:
            archive.store(
                (),
                project=connection.project,
                external_id=thread.remote_id,
                remote=thread,
                connection=connection,
                now=now,
            )
        except ArchiveError:  # an id that no thread can have here
            continue


def _used(connection: Connection, listed: Sequence[RemoteThread]) -> list[int]:
    moments = {
        thread.remote_id: thread.last_active_at for thread in listed if thread.last_active_at
    }
    visited = Thread.objects.refreshable().filter(
        connection=connection, external_id__in=moments, last_synced_at__isnull=False
    )
    return [
        pk
        for pk, external_id, synced_at in visited.values_list("pk", "external_id", "last_synced_at")
        if synced_at is not None and synced_at < moments[external_id]
    ]
