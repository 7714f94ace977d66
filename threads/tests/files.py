"""What tests of files do: archive a message that names one, and ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from projects.models import Connection, Project
from threads import archive
from threads.models import Thread
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_project

if TYPE_CHECKING:
    from django.test import Client

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 400


def name_file(
    connection: Connection | None, file_id: str, *, project: Project | None = None, **fields: Any
) -> Thread:
    """Archive a message that names a file, read through `connection`; None: a file brought it."""
    project = project or (connection.project if connection else make_project())
    kind = fields.pop("kind", "image")
    part = Part(kind, text=fields.pop("name", ""), file_id=file_id, **fields)
    stored = archive.store(
        [RemoteMessage(f"msg_{file_id}", "user", "See", parts=(part,))],
        project=project,
        external_id=f"conv_{file_id}",
        connection=connection,
        now=NOW,
    )
    return Thread.objects.get(pk=stored.thread_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read to its end."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def get(client: Client, project: Project, file_id: str, **headers: str) -> Answer:
    response: Any = client.get(f"/files/{project.slug}/{file_id}/", headers=headers)
    content = response.getvalue() if response.streaming else response.content
    return Answer(response.status_code, response.headers, content)
