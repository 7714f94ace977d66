"""Stores threads and their messages: once, in order, and without ever deleting one.

A thread is known by its project and the store's id, a message by its thread and the store's id.
What is there already is compared by fingerprint, so storing the same again writes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from django.db import IntegrityError, OperationalError, connection, transaction

from projects.models import Connection, Project
from threads.archive import clean, rows
from threads.archive.assistants import Assistants
from threads.archive.base import BATCH, ArchiveError, Delivery, Origin, Stored
from threads.archive.files import insert_references
from threads.archive.inserts import insert_messages, insert_sources, insert_threads
from threads.archive.known import known_messages, last_positions, locked_threads
from threads.archive.tags import add_tags
from threads.archive.thread_change import ThreadChange
from threads.models import Thread
from threads.sources import RemoteMessage, RemoteThread

_TRIES = 5  # against two writers that make the same thread or assistant at once
_ID_LENGTH = 200


def store(
    messages: Iterable[RemoteMessage],
    *,
    project: Project,
    external_id: str,
    now: datetime,
    remote: RemoteThread | None = None,
    connection: Connection | None = None,
    began_at: datetime | None = None,
    seen: set[str] | None = None,
    is_complete: bool = False,
    finish: Callable[[Thread, Stored], None] | None = None,
) -> Stored:
    """Store messages, oldest first, into a thread, which is made when it is not there.

    One transaction; one for each BATCH messages when there are more. Safe to run twice and
    beside itself: the thread's row is locked, messages are recognised by their id.

    :param remote: what the source says about the thread itself; None when it was not asked.
    :param connection: where the messages come from; None for a file. A file adds to a thread
        that has a connection, but changes nothing that came through it.
    :param began_at: when reading began (now if None). If somebody else has stored a later
        reading meanwhile, only messages that are missing are added.
    :param seen: ids already stored by earlier parts of the same reading.
    :param is_complete: `seen` and `messages` are the whole thread: what else the archive has
        was removed at the source, and is marked so.
    :param finish: called with the thread's row and the result so far, in the last transaction,
        to set further columns; they are saved with the rest.
    :raises BoundElsewhere: when the thread belongs to another connection.
    :raises ArchiveError: when the thread's id is empty or too long.
    """
    check_id(external_id)
    origin = Origin(project, connection, now=now, began_at=began_at or now)
    so_far = Stored(0)
    all_seen = set() if seen is None else seen
    for batch, is_last in _batches(messages):
        all_seen.update(batch)

        def conclude(
            change: ThreadChange, is_last: bool = is_last, so_far: Stored = so_far
        ) -> None:
            if is_last and is_complete:
                change.mark_removed(all_seen)
            if is_last and finish is not None:
                finish(change.thread, so_far + change.stored)

        (stored,) = _write([Delivery(external_id, remote, batch)], origin, conclude)
        so_far += stored
    return so_far


def store_together(
    threads: Sequence[tuple[RemoteThread, Sequence[RemoteMessage]]],
    *,
    project: Project,
    now: datetime,
) -> list[Stored]:
    """Store several threads out of a file, whole, in one transaction; each id once.

    A dozen queries whatever their number, beside two for each thread that has changed. The
    caller keeps it to about BATCH messages, because other writers wait meanwhile.

    :raises ArchiveError: when the id of one of them is empty or too long.
    """
    for thread, _messages in threads:
        check_id(thread.remote_id)
    deliveries = [
        Delivery(thread.remote_id, thread, _by_id(messages)) for thread, messages in threads
    ]
    return _write(deliveries, Origin(project, None, now=now, began_at=now))


def check_id(external_id: str) -> None:
    """Refuse the id of a thread that cannot be kept.

    :raises ArchiveError: when it is empty or too long, or no database takes it.
    """
    if not external_id or len(external_id) > _ID_LENGTH or clean.text(external_id) != external_id:
        raise ArchiveError(
            f"A thread's id has 1 to {_ID_LENGTH} characters; this one cannot be stored."
        )


def _by_id(messages: Iterable[RemoteMessage]) -> dict[str, RemoteMessage]:
    """One id twice: its place is the first one's, its content the last one's."""
    return {clean.identity(message.remote_id): message for message in messages}


def _batches(messages: Iterable[RemoteMessage]) -> Iterator[tuple[dict[str, RemoteMessage], bool]]:
    """Batches by id, and whether it is the last one: there is always at least one."""
    stream = iter(messages)
    following = list(itertools.islice(stream, BATCH))
    while True:
        current, following = following, list(itertools.islice(stream, BATCH))
        yield _by_id(current), not following
        if not following:
            return


def _write(
    deliveries: Sequence[Delivery],
    origin: Origin,
    conclude: Callable[[ThreadChange], None] = lambda _change: None,
) -> list[Stored]:
    """Run one transaction, again if another writer was faster with the same new row."""
    for attempt in itertools.count(1):
        try:
            with transaction.atomic():
                return _write_once(deliveries, origin, conclude)
        except (IntegrityError, OperationalError) as error:
            if attempt == _TRIES or not _is_race(error):
                raise
    raise AssertionError  # the count has no end


def _write_once(
    deliveries: Sequence[Delivery], origin: Origin, conclude: Callable[[ThreadChange], None]
) -> list[Stored]:
    here = locked_threads(origin.project, [each.external_id for each in deliveries])
    changes = [ThreadChange(each, origin, here.get(each.external_id)) for each in deliveries]
    known = known_messages(
        (
            (change.thread.pk, identity)
            for change in changes
            if not change.is_new
            for identity in change.delivery.messages
        ),
        began_at=origin.began_at,
    )
    for change in changes:
        change.compare(known)
    assistants = _assistants(changes, origin.project)
    for change in changes:
        change.prepare(assistants.pk_of)
        conclude(change)
    _save_threads(changes, origin)
    _insert(changes, origin)
    for change in changes:
        change.update()
    return [change.stored for change in changes]


def _assistants(changes: Iterable[ThreadChange], project: Project) -> Assistants:
    names: dict[str, str] = {}
    for change in changes:
        for identity, name in change.assistants():
            names[identity] = name or names.get(identity, "")
    return Assistants(project, names)


def _save_threads(changes: Sequence[ThreadChange], origin: Origin) -> None:
    """Save the threads before any message: with each statement FTS5 writes out what it holds."""
    tags: dict[int, Sequence[str]] = {}
    insert_threads([change.thread for change in changes if change.is_new])
    for change in changes:
        if not change.is_new:
            change.save_thread()
        if origin.is_file and change.delivery.remote is not None:
            tags[change.thread.pk] = change.delivery.remote.tags
    tagged = add_tags(tags)
    for change in changes:
        change.has_new_details |= not change.is_new and change.thread.pk in tagged


def _insert(changes: Iterable[ThreadChange], origin: Origin) -> None:
    growing = [change for change in changes if change.new]
    last = last_positions([change.thread.pk for change in growing if not change.is_new])
    made = insert_messages(
        [
            message
            for change in growing
            for message in change.insertions(last.get(change.thread.pk, 0))
        ],
        archived_at=origin.now,
    )
    messages = [message for change in growing for message in change.new.values()]
    insert_sources(
        (pk, *rows.source_columns(message)) for pk, message in zip(made, messages, strict=True)
    )
    insert_references(
        zip(made, messages, strict=True),
        project_id=origin.project.pk,
        connection=origin.connection,
    )


def _is_race(error: Exception) -> bool:
    """Two writers made the same row, or waited for each other; SQLite's lock is no race."""
    if isinstance(error, IntegrityError):
        return True
    return connection.vendor == "postgresql" and "deadlock" in str(error)
