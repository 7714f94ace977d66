"""ChatGPT exports: the zip that people download, or the `conversations.json` in it.

Each conversation is a tree, because messages can be edited and answers made again. The line that
ChatGPT shows is branch 0; what hangs off it is kept as branches 1, 2, …, oldest first. The format
is not documented and changes, so everything but a conversation's messages may be missing, and
what is not understood is kept as it is.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from threads.imports.base import ImportedThread, Place, Problem, UnreadableFile
from threads.imports.chatgpt_files import FilesInZip
from threads.imports.chatgpt_messages import message_of
from threads.imports.chatgpt_tree import Node, branches_of, nodes_of
from threads.imports.json_stream import NotJSON, elements, parse
from threads.imports.zips import DAMAGED, SafeZip
from threads.sources import RemoteMessage, RemoteThread
from threads.sources.times import moment

_CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json\Z")
_LONGEST_ID = 200
# What is kept of a conversation beside its messages, as metadata.
_KEPT = ("gizmo_id", "conversation_template_id", "is_archived", "is_starred", "voice")


def conversation_files(names: list[str]) -> list[str]:
    """Return the names in a zip that hold conversations, in the order of their numbers."""
    found = [name for name in names if _CONVERSATIONS.match(PurePosixPath(name).name)]
    return sorted(found, key=lambda name: (len(name), name))


def read_chatgpt(path: Path, *, start: Place = Place()) -> Iterator[ImportedThread | Problem]:  # noqa: B008 - frozen
    """Read the conversations of an export, one in memory at a time.

    A place's line is the conversation's number; its offset is how far the file has been read.

    :raises UnreadableFile: when it is no export, or is damaged as a whole.
    """
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    reading = _Reading(start.line)
    if not is_zip:
        with path.open("rb") as file:
            yield from reading.conversations(file, name=path.name, offset=file.tell)
        return
    with SafeZip(path) as archive:
        by_name = {entry.filename: entry for entry in archive.entries}
        names = conversation_files(list(by_name))
        if not names:
            raise UnreadableFile(
                f"{path.name} holds no conversations.json: it is no export of ChatGPT."
            )
        reading.files = FilesInZip(archive)
        total = max(1, sum(by_name[name].file_size for name in names))
        before = 0
        for name in names:
            entry = by_name[name]
            yield from _entry(archive, entry, reading, before=before, total=total)
            before += entry.file_size


def _entry(
    archive: SafeZip, entry: zipfile.ZipInfo, reading: _Reading, *, before: int, total: int
) -> Iterator[ImportedThread | Problem]:
    """Read one file of the zip; when it is damaged the next one is read all the same."""
    try:
        with archive.open(entry) as file:

            def offset() -> int:
                return archive.size * (before + file.tell()) // total

            name = PurePosixPath(entry.filename).name
            yield from reading.conversations(file, name=name, offset=offset)
    except DAMAGED as error:
        yield Problem(reading.place, f"{entry.filename} is damaged: {error}.")


class _Reading:
    """Counts conversations over all files of an export."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped  # conversations that an earlier run has stored
        self.place = Place()
        self.files: FilesInZip | None = None  # beside the conversations; None outside of a zip

    def conversations(
        self, file: BinaryIO, *, name: str, offset: Callable[[], int]
    ) -> Iterator[ImportedThread | Problem]:
        for number, element in enumerate(elements(file), 1):
            self.place = Place(self.place.line + 1, offset())
            if self.place.line <= self._skipped:
                continue
            what = f"Conversation {number} of {name}"
            try:
                if isinstance(element, NotJSON):
                    raise element
                conversation = parse(element)
                thread, messages, left_out = _read(conversation)
            except NotJSON as wrong:
                yield Problem(self.place, f"{what} is left out. {wrong}")
                continue
            if left_out:
                nodes = ", ".join(sorted(left_out)[:3])
                yield Problem(
                    self.place,
                    f"{what}: {len(left_out)} of its messages cannot be read ({nodes[:120]});"
                    " the others are imported.",
                )
            files = () if self.files is None else self.files.named_by(messages)
            yield ImportedThread(self.place, thread, messages, files)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read(conversation: Any) -> tuple[RemoteThread, tuple[RemoteMessage, ...], list[str]]:
    """Return the thread, its messages, and the ids of those that could not be read.

    :raises NotJSON: when this is no conversation.
    """
    if not isinstance(conversation, dict):
        raise NotJSON("It is no JSON object.")
    nodes = nodes_of(conversation.get("mapping"))
    if nodes is None:
        raise NotJSON("It has no mapping of messages.")
    identity = _text(conversation.get("conversation_id")) or _text(conversation.get("id"))
    if not identity or len(identity) > _LONGEST_ID or not identity.isprintable():
        digest = hashlib.sha256("\n".join(sorted(nodes)).encode("utf-8", "surrogatepass"))
        identity = f"chatgpt-{digest.hexdigest()[:32]}"
    messages: list[RemoteMessage] = []
    left_out: list[str] = []
    taken: set[str] = set()
    for number, branch in enumerate(branches_of(nodes, _text(conversation.get("current_node")))):
        for node in branch:
            made = _message(node, number, taken, left_out)
            if made is not None:
                messages.append(made)
    created_at = moment(conversation.get("create_time"))
    metadata = {
        name: str(conversation[name])
        for name in _KEPT
        if isinstance(conversation.get(name), str | bool) and conversation[name]
    }
    thread = RemoteThread(
        remote_id=identity,
        title=_text(conversation.get("title")),
        upstream_state="imported",
        created_at=created_at,
        metadata=metadata,
        model=_text(conversation.get("default_model_slug")),
    )
    return thread, tuple(messages), left_out


def _message(node: Node, branch: int, taken: set[str], left_out: list[str]) -> RemoteMessage | None:
    if node.item.get("message") is None:
        return None  # the root, as a rule
    message = message_of(node, branch=branch)
    if message is None:
        left_out.append(node.id)
        return None
    if message.remote_id in taken:
        message = replace(message, remote_id=node.id)
        if node.id in taken:
            left_out.append(node.id)
            return None
    taken.add(message.remote_id)
    return message
