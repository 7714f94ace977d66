"""Stores a thread and its messages: once, in order, and without ever deleting one.

A thread is known by its project and the store's id, a message by its thread and the store's id.
What is there already is compared by fingerprint, so storing the same again writes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Max

from projects.models import Connection, Project, Tag
from threads.archive import clean, rows
from threads.archive.files import insert_references
from threads.archive.inserts import insert_messages, insert_sources
from threads.archive.totals import Totals
from threads.archive.twins import twins_of
from threads.imports.base import UNNAMED
from threads.models import Assistant, FileReference, Message, MessageSource, Thread
from threads.models.thread import Store
from threads.search import keys
from threads.sources import BESIDE, RemoteMessage, RemoteThread, Usage

# Messages in one transaction: about 100 ms under the write lock of SQLite.
BATCH = 500
_TRIES = 5  # against two writers that make the same thread or assistant at once
_ID_LENGTH = 200


class ArchiveError(Exception):
    """The archive cannot take this. The text is a sentence for the person who asked."""


class BoundElsewhere(ArchiveError):
    """The project has a thread of this id already, from another connection."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a thread changed in the archive."""

    thread_id: int
    is_created: bool = False
    messages_new: int = 0
    messages_changed: int = 0
    messages_removed: int = 0  # gone at the source; kept here with `removed_at`
    # When the new ones were written, in their order; None where only a visit tells.
    new_times: tuple[datetime | None, ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(
            self.is_created or self.messages_new or self.messages_changed or self.messages_removed
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A message as the archive has it."""

    pk: int
    content_hash: str
    removed_at: datetime | None


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
    if not external_id or len(external_id) > _ID_LENGTH or clean.text(external_id) != external_id:
        raise ArchiveError(
            f"A thread's id has 1 to {_ID_LENGTH} characters; this one cannot be stored."
        )
    writer = _Writer(
        project=project,
        external_id=external_id,
        remote=remote,
        connection=connection,
        now=now,
        began_at=began_at or now,
    )
    all_seen = set() if seen is None else seen
    for batch, is_last in _batches(messages):
        all_seen.update(batch)

        def write(batch: dict[str, RemoteMessage] = batch, is_last: bool = is_last) -> None:
            thread = writer.open_thread()
            difference = writer.compare(thread, batch)
            writer.prepare(thread, difference)
            if is_last and is_complete:
                writer.mark_removed(thread, all_seen)
            if is_last and finish is not None:
                finish(thread, writer.stored)
            writer.save_thread(thread)
            writer.write(thread, difference)

        writer.run(write)
    return writer.stored


def _batches(messages: Iterable[RemoteMessage]) -> Iterator[tuple[dict[str, RemoteMessage], bool]]:
    """Batches by id, and whether it is the last one: there is always at least one."""
    stream = iter(messages)
    following = list(itertools.islice(stream, BATCH))
    while True:
        current, following = following, list(itertools.islice(stream, BATCH))
        # One id twice in a batch: its place is the first one's, its content the last one's.
        yield {clean.identity(message.remote_id): message for message in current}, not following
        if not following:
            return


@dataclass(slots=True)
class _Difference:
    """What a batch brings: new messages by the store's id, changed ones by primary key."""

    new: dict[str, RemoteMessage] = field(default_factory=dict)
    changed: dict[int, RemoteMessage] = field(default_factory=dict)
    # Those of the changed ones that had no id of the store yet.
    recognised: set[int] = field(default_factory=set)
    contents: list[rows.Content] = field(default_factory=list)  # of the new, then the changed


class _Writer:
    """The state of one call of `store` over its transactions."""

    def __init__(
        self,
        *,
        project: Project,
        external_id: str,
        remote: RemoteThread | None,
        connection: Connection | None,
        now: datetime,
        began_at: datetime,
    ) -> None:
        self.project, self.external_id, self.remote = project, external_id, remote
        self.connection, self.now, self.began_at = connection, now, began_at
        self.stored = Stored(0)
        self._before: dict[str, Any] = {}
        self._assistants: dict[str, int] = {}
        self._is_stale = False
        self._adds_only = False
        self._had_first_read = False

    def run(self, write: Callable[[], None]) -> None:
        """Run one transaction, again if another writer was faster with the same new row."""
        for attempt in itertools.count(1):
            before = self.stored, dict(self._assistants)
            try:
                with transaction.atomic():
                    write()
            except (IntegrityError, OperationalError) as error:
                self.stored, self._assistants = before
                if attempt == _TRIES or not _is_race(error):
                    raise
                continue
            return

    # The thread.

    def open_thread(self) -> Thread:
        """Return the thread's row, locked; one that is new is not saved yet."""
        thread = self._find_thread() or self._new_thread()
        self.stored = replace(self.stored, thread_id=thread.pk or 0)
        if self.connection is not None and thread.connection_id not in {None, self.connection.pk}:
            raise BoundElsewhere(
                f"{self.external_id} is in this project already, through another connection."
            )
        self._before = _columns(thread)
        self._is_stale = bool(thread.last_synced_at and thread.last_synced_at > self.began_at)
        self._adds_only = self._is_stale or (
            self.connection is None and thread.connection_id is not None
        )
        self._had_first_read = thread.last_full_sync_at is not None
        self._write_remote(thread)
        return thread

    def _find_thread(self) -> Thread | None:
        # Most threads of an import are new: a look for the key alone costs a tenth of the row.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM threads_thread WHERE project_id = %s AND external_id = %s",
                [self.project.pk, self.external_id],
            )
            found = cursor.fetchone()
        if found is None:
            return None
        # Empty when it was deleted between the two: then it is made anew.
        return Thread.objects.select_for_update(of=("self",)).filter(pk=found[0]).first()

    def _new_thread(self) -> Thread:
        remote = self.remote or RemoteThread(self.external_id)
        if self.connection is not None:
            kind: str = self.connection.store
        else:
            kind = remote.store if remote.store in Store.values else Store.IMPORT
        self.stored = replace(self.stored, is_created=True)
        return Thread(
            project=self.project,
            external_id=self.external_id,
            connection=self.connection,
            store=kind,
            archived_at=self.now,
        )

    def _write_remote(self, thread: Thread) -> None:
        remote = self.remote
        if remote is None or self._is_stale:
            return
        metadata = remote.metadata
        title = remote.title or str(metadata.get("title") or metadata.get("topic") or "")
        if self._adds_only:
            thread.title = thread.title or clean.line(title, 300)
        else:
            thread.title = clean.line(title, 300) or thread.title
            thread.end_user = clean.line(remote.end_user, 200) or thread.end_user
            thread.metadata = clean.value(metadata) or thread.metadata
            thread.created_at = remote.created_at or thread.created_at
            thread.model = clean.line(remote.model, 120) or thread.model
            if remote.upstream_state in Thread.UpstreamState.values:
                thread.upstream_state = remote.upstream_state
            if remote.assistant_id:
                thread.assistant_id = self._assistant(remote.assistant_id)
            if remote.usage is not None:
                write_usage(thread, remote.usage)
        if remote.remark and self.connection is None:
            thread.remark = clean.text(remote.remark)

    def save_thread(self, thread: Thread) -> None:
        """Write the columns that changed, and nothing when none did."""
        if thread._state.adding:
            thread.save(force_insert=True)
            self.stored = replace(self.stored, thread_id=thread.pk)
        else:
            before = self._before
            changed = [name for name, value in _columns(thread).items() if value != before[name]]
            if changed:
                thread.save(update_fields=changed)
        if self.connection is None and self.remote is not None and self.remote.tags:
            self._add_tags(thread, self.remote.tags)

    @staticmethod
    def _add_tags(thread: Thread, names: Iterable[str]) -> None:
        wanted = {name for name in (clean.line(name, 60) for name in names) if name}
        missing = wanted - set(thread.tags.values_list("name", flat=True))
        if missing:
            Tag.objects.bulk_create([Tag(name=name) for name in missing], ignore_conflicts=True)
            thread.tags.add(*Tag.objects.filter(name__in=missing))

    # The messages.

    def compare(self, thread: Thread, batch: Mapping[str, RemoteMessage]) -> _Difference:
        """Find out what is missing and what is not the same any more."""
        known = self._known(thread, list(batch))
        difference = _Difference()
        for identity, message in batch.items():
            old = known.get(identity)
            if old is None:
                difference.new[identity] = message
            elif self._adds_only:
                continue
            elif old.content_hash != rows.fingerprint(message, of_raw=self._of_raw) or (
                old.removed_at is not None and old.removed_at <= self.began_at
            ):
                difference.changed[old.pk] = message
        if difference.new and self._may_have_twins(thread, difference.new):
            self._recognise(thread, difference)
        return difference

    def _may_have_twins(self, thread: Thread, new: Iterable[str]) -> bool:
        """A thread that a file brought is recognised when its store is first read, or again."""
        if thread._state.adding or not self._before["item_count"]:
            return False
        if self.connection is not None:
            return not self._had_first_read
        return any(identity.startswith(UNNAMED) for identity in new)

    def _recognise(self, thread: Thread, difference: _Difference) -> None:
        """Take what is here already under another id out of what is new.

        The store's own id and content replace what a file brought; never the other way round.
        """
        for identity, pk in twins_of(thread, difference.new).items():
            message = difference.new.pop(identity)
            if not identity.startswith(UNNAMED) and not self._adds_only:
                difference.changed[pk] = message
                difference.recognised.add(pk)

    def _known(self, thread: Thread, identities: list[str]) -> dict[str, _Known]:
        if thread._state.adding or not identities:
            return {}
        found = Message.objects.filter(thread=thread, remote_id__in=identities)
        return {
            remote_id: _Known(pk, content_hash, removed_at)
            for pk, remote_id, content_hash, removed_at in found.values_list(
                "pk", "remote_id", "content_hash", "removed_at"
            )
        }

    @property
    def _of_raw(self) -> bool:
        return self.connection is not None

    def prepare(self, thread: Thread, difference: _Difference) -> None:
        """Work out the rows to write, and the thread's figures and names with them."""
        messages = [*difference.new.values(), *difference.changed.values()]
        for identity in {message.assistant_id for message in messages} - {""}:
            self._assistant(identity)
        # Without a time of its own a message was written between the last visit and this one;
        # on a first read nothing tells when.
        has_visited = self.connection is not None and self._had_first_read
        seen_at = self.now if has_visited else None
        totals = Totals.of(thread)
        for message in messages:
            content = rows.content_of(
                message,
                assistant_id=self._assistants.get(message.assistant_id),
                of_raw=self._of_raw,
                seen_at=seen_at,
            )
            difference.contents.append(content)
        for content in difference.contents[: len(difference.new)]:
            totals.add(content)
        if thread._state.adding or difference.new:
            totals.write_to(thread)
        for message in messages:
            thread.title = rows.title_of(thread, message)
            if message.assistant_id and not (self.remote and self.remote.assistant_id):
                thread.assistant_id = self._assistants[message.assistant_id]
            if message.model and not (self.remote and self.remote.model):
                thread.model = clean.line(message.model, 120)
        self.stored = replace(
            self.stored,
            messages_new=self.stored.messages_new + len(difference.new),
            messages_changed=self.stored.messages_changed + len(difference.changed),
            new_times=self.stored.new_times
            + tuple(map(_time_of, difference.contents[: len(difference.new)])),
        )

    def write(self, thread: Thread, difference: _Difference) -> None:
        """Insert and update the messages of a thread that has been saved."""
        if difference.new:
            self._insert(thread, difference)
        if difference.changed:
            self._update(thread, difference)
            Totals.recount(thread).write_to(thread)
            self.save_thread(thread)

    def _insert(self, thread: Thread, difference: _Difference) -> None:
        contents = difference.contents[: len(difference.new)]
        # In the order of the archive one without a time stands beside the one before it.
        place = self._before["last_message_timestamp"] or thread.created_at or self.now
        places = []
        for content in contents:
            place = content.created_at or place
            places.append(place)
        last = 0
        if self._before["item_count"] or not self.stored.is_created:
            last = thread.messages.aggregate(last=Max("position"))["last"] or 0
        made = insert_messages(
            thread,
            contents,
            identities=difference.new,
            keys=keys.allocate(places),
            first_position=last + 1,
            archived_at=self.now,
        )
        insert_sources(
            (pk, *rows.source_columns(message))
            for pk, message in zip(made, difference.new.values(), strict=True)
        )
        insert_references(
            zip(made, difference.new.values(), strict=True),
            thread=thread,
            connection=self.connection,
        )

    def _update(self, thread: Thread, difference: _Difference) -> None:
        FileReference.objects.filter(message__in=list(difference.changed)).delete()
        insert_references(difference.changed.items(), thread=thread, connection=self.connection)
        found = Message.objects.in_bulk(list(difference.changed))
        contents = difference.contents[len(difference.new) :]
        for (pk, message), content in zip(difference.changed.items(), contents, strict=True):
            row = found[pk]
            was_final = row.is_final
            is_recognised = pk in difference.recognised
            if rows.write_onto(row, content) and was_final and not is_recognised:
                row.edited_at = self.now
            if is_recognised:
                row.remote_id = clean.identity(message.remote_id)
            row.removed_at = None
            row.save(update_fields=[*rows.CHANGEABLE, "remote_id", "removed_at", "edited_at"])
            raw, parts = rows.source_columns(message)
            MessageSource.objects.update_or_create(
                message=row, defaults={"raw": raw, "parts": parts}
            )

    def mark_removed(self, thread: Thread, seen: set[str]) -> None:
        """Mark what the source does not have any more, as of when its reading began."""
        if self._adds_only or thread._state.adding:
            return
        kept = Message.objects.filter(
            thread=thread, removed_at__isnull=True, archived_at__lte=self.began_at
        ).exclude(type__startswith=BESIDE)
        missing = [
            pk
            for pk, remote_id in kept.values_list("pk", "remote_id").iterator(chunk_size=5_000)
            if remote_id not in seen
        ]
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            Message.objects.filter(pk__in=part).update(removed_at=self.now)
        self.stored = replace(
            self.stored, messages_removed=self.stored.messages_removed + len(missing)
        )

    def _assistant(self, external_id: str) -> int:
        if external_id not in self._assistants:
            name = ""
            if self.remote is not None and self.remote.assistant_id == external_id:
                name = clean.line(self.remote.assistant_name, 300)
            assistant, _ = Assistant.objects.get_or_create(
                project=self.project,
                external_id=clean.identity(external_id),
                defaults={"name": name},
            )
            if name and assistant.name != name:
                assistant.name = name
                assistant.save(update_fields=["name"])
            self._assistants[external_id] = assistant.pk
        return self._assistants[external_id]


def _time_of(content: rows.Content) -> datetime | None:
    is_own = content.time_source in {Message.TimeSource.GIVEN, Message.TimeSource.ID}
    return content.created_at if is_own else None


def write_usage(thread: Thread, usage: Usage) -> None:
    """Put the tokens that a source gives for a thread into its columns; the caller saves."""
    thread.input_tokens, thread.output_tokens = usage.input, usage.output
    thread.total_tokens, thread.cached_tokens = usage.total, usage.cached
    thread.reasoning_tokens, thread.usage_is_exact = usage.reasoning, usage.is_exact
    known = usage.source in Thread.UsageSource.values
    thread.usage_source = usage.source if known else Thread.UsageSource.RESPONSE


def _columns(thread: Thread) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in _THREAD_COLUMNS}


_THREAD_COLUMNS = [
    column.attname for column in Thread._meta.concrete_fields if not column.primary_key
]


def _is_race(error: Exception) -> bool:
    """Two writers made the same row, or waited for each other; SQLite's lock is no race."""
    if isinstance(error, IntegrityError):
        return True
    return connection.vendor == "postgresql" and "deadlock" in str(error)
