"""What goes into the archive, what came of it, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from projects.models import Connection, Project
from threads.sources import RemoteMessage, RemoteThread

# Messages in one transaction: some 50 ms under the write lock of SQLite.
BATCH = 500


class ArchiveError(Exception):
    """The archive cannot take this. The text is a sentence for the person who asked."""


class BoundElsewhere(ArchiveError):
    """The project has a thread of this id already, from another connection."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where messages come from (`connection` None: a file) and when they were read."""

    project: Project
    connection: Connection | None
    now: datetime
    began_at: datetime

    @property
    def is_file(self) -> bool:
        return self.connection is None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Some messages of one thread, by the store's id, and what is said about the thread itself.

    :param remote: None when the source was not asked about it.
    """

    external_id: str
    remote: RemoteThread | None
    messages: Mapping[str, RemoteMessage]


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a thread changed in the archive."""

    thread_id: int
    is_created: bool = False
    messages_new: int = 0
    messages_changed: int = 0
    messages_removed: int = 0  # gone at the source; kept here with `removed_at`
    has_new_details: bool = False  # title, remark, tags: what is said about the thread itself
    # When the new ones were written, in their order; None where only a visit tells.
    new_times: tuple[datetime | None, ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(
            self.is_created or self.messages_new or self.messages_changed or self.messages_removed
        )

    def __add__(self, later: Stored) -> Stored:
        """Return what both changed, in the thread that the later one tells."""
        return Stored(
            later.thread_id,
            is_created=self.is_created or later.is_created,
            messages_new=self.messages_new + later.messages_new,
            messages_changed=self.messages_changed + later.messages_changed,
            messages_removed=self.messages_removed + later.messages_removed,
            has_new_details=self.has_new_details or later.has_new_details,
            new_times=self.new_times + later.new_times,
        )
