"""What every importer hands on: threads in the form of a source, and what it could not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from threads.sources import RemoteMessage, RemoteThread

# Begins the id of a message whose id at its store nobody has kept; a hash of what it says follows.
# A later sync recognises such messages by their time and text (threads/archive/twins.py).
UNNAMED = "unnamed-"


class UnreadableFile(Exception):
    """The file as a whole cannot be imported. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file has been read: the number of its lines, and of its bytes, so far."""

    line: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file that lies beside the threads and that a message names.

    :param open: gives its content, until the reader is asked for the next thread; raises one of
        `unreadable` when it cannot, or while it is read.
    """

    file_id: str
    open: Callable[[], BinaryIO]
    unreadable: tuple[type[Exception], ...]


@dataclass(frozen=True, slots=True)
class ImportedThread:
    """A thread with all its messages. `place` is where the file goes on after it."""

    place: Place
    thread: RemoteThread
    messages: tuple[RemoteMessage, ...]
    files: tuple[ImportedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedThread:
    """A row of a list of ids: a thread that is named, and not brought along."""

    place: Place
    external_id: str
    remark: str = ""
    has_remark: bool = False  # the list has a column for it


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was left out, and why: a sentence. The rest of the file goes on."""

    place: Place
    message: str


class Reader(Protocol):
    def __call__(
        self, path: Path, *, start: Place = ...
    ) -> Iterator[ImportedThread | Problem] | Iterator[ListedThread | Problem]: ...
