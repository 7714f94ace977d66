"""What some messages change in one thread: found out first, then written with those of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from threads.archive import clean, rows
from threads.archive.base import BATCH, BoundElsewhere, Delivery, Origin, Stored
from threads.archive.files import insert_references
from threads.archive.inserts import NewMessage
from threads.archive.known import Known
from threads.archive.totals import Totals
from threads.archive.twins import twins_of
from threads.archive.usage import write_usage
from threads.imports.base import UNNAMED
from threads.models import FileReference, Message, MessageSource, Thread
from threads.models.thread import Store
from threads.sources import BESIDE, RemoteMessage, RemoteThread

Name = Callable[[str], int]  # an assistant's primary key by the store's id
# Plain values: Django makes the list anew each time it is asked.
_STORES = frozenset(Store.values)
_STATES = frozenset(Thread.UpstreamState.values)


class ThreadChange:
    """A delivery beside what the archive has. Lives for one transaction."""

    def __init__(self, delivery: Delivery, origin: Origin, thread: Thread | None) -> None:
        """Take the thread's row, which is locked; None when there is none yet.

        :raises BoundElsewhere: when the thread belongs to another connection.
        """
        self.delivery, self.origin = delivery, origin
        self.is_new = thread is None
        self.thread = thread or _new_thread(delivery, origin)
        connection = origin.connection
        if connection is not None and self.thread.connection_id not in {None, connection.pk}:
            raise BoundElsewhere(
                f"{delivery.external_id} is in this project already, through another connection."
            )
        self.new: dict[str, RemoteMessage] = {}  # by the store's id
        self._changed: dict[int, RemoteMessage] = {}  # by primary key
        self._recognised: set[int] = set()  # known without their id until now
        self._contents: list[rows.Content] = []  # of the new ones, then of the changed ones
        self._removed_count = 0
        self.has_new_details = False  # of a thread that was here
        self._before = {} if self.is_new else _columns(self.thread)
        self._had_items = bool(self.thread.item_count)
        self._last_at = self.thread.last_message_timestamp
        self._had_first_read = self.thread.last_full_sync_at is not None
        synced_at = self.thread.last_synced_at
        # Somebody else has stored a later reading meanwhile.
        self._is_stale = synced_at is not None and synced_at > origin.began_at
        self._adds_only = self._is_stale or (
            origin.is_file and self.thread.connection_id is not None
        )

    # Finding out.

    def compare(self, known: Mapping[tuple[int, str], Known]) -> None:
        """Find out what is missing and what is not the same any more."""
        of_raw = not self.origin.is_file
        for identity, message in self.delivery.messages.items():
            old = known.get((self.thread.pk, identity))
            if old is None:
                self.new[identity] = message
            elif self._adds_only:
                continue
            elif old.was_removed or old.content_hash != rows.fingerprint(message, of_raw=of_raw):
                self._changed[old.pk] = message
        if self.new and self._may_have_twins():
            self._recognise()

    def _may_have_twins(self) -> bool:
        """A thread that a file brought is recognised when its store is first read, or again."""
        if not self._had_items:
            return False
        if not self.origin.is_file:
            return not self._had_first_read
        return any(identity.startswith(UNNAMED) for identity in self.new)

    def _recognise(self) -> None:
        """Take what is here already under another id out of what is new.

        The store's own id and content replace what a file brought; never the other way round.
        """
        for identity, pk in twins_of(self.thread, self.new).items():
            message = self.new.pop(identity)
            if not identity.startswith(UNNAMED) and not self._adds_only:
                self._changed[pk] = message
                self._recognised.add(pk)

    def assistants(self) -> Iterator[tuple[str, str]]:
        """Yield the ids of the assistants that are needed, and their names where they are told."""
        remote = self.delivery.remote
        named = "" if remote is None else remote.assistant_id
        if remote is not None and named and not self._adds_only:
            yield named, remote.assistant_name
        for message in self._written():
            if message.assistant_id and message.assistant_id != named:
                yield message.assistant_id, ""
            elif message.assistant_id and remote is not None:
                yield named, remote.assistant_name

    def _written(self) -> list[RemoteMessage]:
        return [*self.new.values(), *self._changed.values()]

    def prepare(self, assistant: Name) -> None:
        """Work out the rows to write, and the thread's figures and names with them."""
        thread, remote = self.thread, self.delivery.remote
        if remote is not None and not self._is_stale:
            self._write_remote(thread, remote, assistant)
            self.has_new_details = not self.is_new and _columns(thread) != self._before
        messages = self._written()
        # Without a time of its own a message was written between the last visit and this one;
        # on a first read nothing tells when.
        has_visited = not self.origin.is_file and self._had_first_read
        seen_at = self.origin.now if has_visited else None
        for message in messages:
            speaker = assistant(message.assistant_id) if message.assistant_id else None
            self._contents.append(
                rows.content_of(
                    message,
                    assistant_id=speaker,
                    of_raw=not self.origin.is_file,
                    seen_at=seen_at,
                )
            )
            thread.title = rows.title_of(thread, message)
            if speaker is not None and not (remote and remote.assistant_id):
                thread.assistant_id = speaker
            if message.model and not (remote and remote.model):
                thread.model = clean.line(message.model, 120)
        if self.is_new or self.new:
            totals = Totals.of(thread)
            for content in self._contents[: len(self.new)]:
                totals.add(content)
            totals.write_to(thread)

    def _write_remote(self, thread: Thread, remote: RemoteThread, assistant: Name) -> None:
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
            if remote.upstream_state in _STATES:
                thread.upstream_state = remote.upstream_state
            if remote.assistant_id:
                thread.assistant_id = assistant(remote.assistant_id)
            if remote.usage is not None:
                write_usage(thread, remote.usage)
        if remote.remark and self.origin.is_file:
            thread.remark = clean.text(remote.remark)

    def mark_removed(self, seen: set[str]) -> None:
        """Mark what the source does not have any more, as of when its reading began."""
        if self._adds_only or self.is_new:
            return
        kept = Message.objects.filter(
            thread=self.thread, removed_at__isnull=True, archived_at__lte=self.origin.began_at
        ).exclude(type__startswith=BESIDE)
        missing = [
            pk
            for pk, remote_id in kept.values_list("pk", "remote_id").iterator(chunk_size=5_000)
            if remote_id not in seen
        ]
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            Message.objects.filter(pk__in=part).update(removed_at=self.origin.now)
        self._removed_count = len(missing)

    @property
    def stored(self) -> Stored:
        """What this changes; the thread's key is 0 until it has been saved."""
        return Stored(
            self.thread.pk or 0,
            is_created=self.is_new,
            messages_new=len(self.new),
            messages_changed=len(self._changed),
            messages_removed=self._removed_count,
            has_new_details=self.has_new_details,
            new_times=tuple(_time_of(content) for content in self._contents[: len(self.new)]),
        )

    # Writing. The thread first: its key is wanted by its messages.

    def save_thread(self) -> None:
        """Write the columns of a known thread that changed, and nothing when none did."""
        now = _columns(self.thread)
        changed = [name for name, value in now.items() if value != self._before[name]]
        if changed:
            self.thread.save(update_fields=changed)
            self._before = now

    def insertions(self, last_position: int) -> Iterator[NewMessage]:
        """Yield the rows of new messages; they come behind `last_position`."""
        thread = self.thread
        # In the order of the archive one without a time stands beside the one before it.
        place = self._last_at or thread.created_at or self.origin.now
        for position, (identity, content) in enumerate(
            zip(self.new, self._contents, strict=False), last_position + 1
        ):
            place = content.created_at or place
            yield NewMessage(thread.pk, thread.project_id, position, identity, content, place)

    def update(self) -> None:
        """Write the messages that are not what they were, and count the thread anew."""
        if not self._changed:
            return
        FileReference.objects.filter(message__in=list(self._changed)).delete()
        insert_references(
            self._changed.items(),
            project_id=self.thread.project_id,
            connection=self.origin.connection,
        )
        found = Message.objects.in_bulk(list(self._changed))
        contents = self._contents[len(self.new) :]
        for (pk, message), content in zip(self._changed.items(), contents, strict=True):
            self._update_message(found[pk], message, content)
        Totals.recount(self.thread).write_to(self.thread)
        self.save_thread()

    def _update_message(self, row: Message, message: RemoteMessage, content: rows.Content) -> None:
        was_final, is_recognised = row.is_final, row.pk in self._recognised
        if rows.write_onto(row, content) and was_final and not is_recognised:
            row.edited_at = self.origin.now
        if is_recognised:
            row.remote_id = clean.identity(message.remote_id)
        row.removed_at = None
        row.save(update_fields=[*rows.CHANGEABLE, "remote_id", "removed_at", "edited_at"])
        raw, parts = rows.source_columns(message)
        MessageSource.objects.update_or_create(message=row, defaults={"raw": raw, "parts": parts})


def _new_thread(delivery: Delivery, origin: Origin) -> Thread:
    """Return a row that is not saved yet."""
    if origin.connection is not None:
        store: str = origin.connection.store
    else:
        named = "" if delivery.remote is None else delivery.remote.store
        store = named if named in _STORES else Store.IMPORT.value
    columns = _defaults() | {
        "external_id": delivery.external_id,
        "store": store,
        "archived_at": origin.now,
    }
    make: Any = Thread  # mypy's plug-in takes the star for the first column
    thread: Thread = make(*columns.values())
    thread.project, thread.connection = origin.project, origin.connection
    return thread


def _defaults() -> dict[str, Any]:
    """Return the columns of an empty thread, in order.

    To make it from the names it is given takes four times as long: every other column is asked
    for its default then, which is the half of storing a short thread from a file.
    """
    return _CONSTANT | {column.attname: column.get_default() for column in _MADE}


def _time_of(content: rows.Content) -> datetime | None:
    is_own = content.time_source in {Message.TimeSource.GIVEN, Message.TimeSource.ID}
    return content.created_at if is_own else None


def _columns(thread: Thread) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in _THREAD_COLUMNS}


_THREAD_COLUMNS = [
    column.attname for column in Thread._meta.concrete_fields if not column.primary_key
]
_CONSTANT = {column.attname: column.get_default() for column in Thread._meta.concrete_fields}
_MADE = [column for column in Thread._meta.concrete_fields if callable(column.default)]
