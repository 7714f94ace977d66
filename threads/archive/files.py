"""Which files a message names, as rows: the only ones that are ever fetched for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from projects.models import Connection
from threads.archive import clean
from threads.attachments import is_file_id
from threads.models import FileReference
from threads.sources import RemoteMessage

_MOST = 500  # of one message; a search through files may bring hundreds


def _named(message: RemoteMessage) -> Iterator[tuple[str, str, str]]:
    """Yield (file id, container id, name) of a message's parts and of what they cite."""
    for part in message.parts:
        if part.file_id:
            yield part.file_id, "", part.text.partition("\n")[0]
        for annotation in part.annotations:
            kind = annotation.get("type")
            inner = annotation.get(kind) if isinstance(kind, str) else None
            cited: Mapping[str, Any] = annotation
            if isinstance(inner, Mapping):  # Assistants: {"type": "file_path", "file_path": {…}}
                cited = {**annotation, **inner}
            identity, container = cited.get("file_id"), cited.get("container_id")
            if isinstance(identity, str) and identity:
                name = cited.get("filename")
                yield (
                    identity,
                    container if isinstance(container, str) else "",
                    name if isinstance(name, str) else "",
                )


def references_of(
    message: RemoteMessage, *, message_id: int, project_id: int, connection: Connection | None
) -> list[FileReference]:
    """Return the rows for the files that a message names, each once. Saves nothing."""
    rows: dict[str, FileReference] = {}
    for identity, container, name in _named(message):
        if identity in rows or not is_file_id(identity) or len(rows) == _MOST:
            continue
        rows[identity] = FileReference(
            message_id=message_id,
            project_id=project_id,
            connection=connection,
            file_id=identity,
            container_id=container if is_file_id(container) else "",
            name=clean.line(name, 200),
        )
    return list(rows.values())


def insert_references(
    messages: Iterable[tuple[int, RemoteMessage]],
    *,
    project_id: int,
    connection: Connection | None,
) -> None:
    """Insert the rows for new messages, given with their primary keys. No query without files."""
    rows = [
        row
        for pk, message in messages
        if message.parts
        for row in references_of(
            message, message_id=pk, project_id=project_id, connection=connection
        )
    ]
    if rows:
        FileReference.objects.bulk_create(rows, batch_size=500)
