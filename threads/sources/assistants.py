"""The Assistants store: switched off at OpenAI, alive at Azure and on compatible servers."""

from __future__ import annotations

from typing import ClassVar

from threads.sources.addresses import segment
from threads.sources.base import (
    Capability,
    Page,
    Part,
    RemoteMessage,
    RemoteThread,
    Unsupported,
    Usage,
)
from threads.sources.client import Client
from threads.sources.conversations import thread_of
from threads.sources.items import assembled, role_of, word
from threads.sources.paging import Found, Pager
from threads.sources.parts import parts_of
from threads.sources.times import moment
from threads.sources.tokens import added, usage_of

# Without this header a server may answer in the shape of the API's first version.
_HEADERS = {"OpenAI-Beta": "assistants=v2"}


class Assistants:
    """Reads `/threads` with their messages and runs."""

    store: ClassVar[str] = "assistants"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client, headers=_HEADERS)

    @property
    def capabilities(self) -> Capability:
        """OpenAI never listed threads; Foundry and some compatible servers do."""
        listing = Capability.NONE if self._client.place.is_openai else Capability.LIST_THREADS
        known = Capability.MESSAGE_TIMES | Capability.USAGE | Capability.RESUME_AFTER
        return known | listing

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for one assistant."""
        self._pager.page("/assistants", None, limit=1)

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        if user:
            raise Unsupported("Assistants threads cannot be listed by user.")
        if self._client.place.is_openai:
            raise Unsupported("OpenAI lists no Assistants threads; their ids come from you.")
        found, after = self._pager.threads("/threads", cursor, limit=limit)
        return Page(tuple(thread_of(each.item, each.id) for each in found), after)

    def thread(self, remote_id: str) -> RemoteThread:
        return thread_of(self._pager.object(f"/threads/{segment(remote_id)}"), remote_id)

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        owner = f"/threads/{segment(remote_id)}"
        found, following = self._pager.page(f"{owner}/messages", after, limit=limit, owner=owner)
        return Page(tuple(self._message(each) for each in found), following)

    @staticmethod
    def _message(found: Found) -> RemoteMessage:
        item = found.item
        parts = parts_of(item.get("content"))
        attached = item.get("attachments")
        files = [
            Part("file", file_id=word(each.get("file_id")))
            for each in (attached if isinstance(attached, list) else [])
            if isinstance(each, dict) and each.get("file_id")
        ]
        return assembled(
            found,
            role=role_of(item.get("role")),
            kind="message",
            type_=word(item.get("object")) or "message",
            parts=(*parts, *files),
            model=word(item.get("model"), longest=120),
            assistant_id=word(item.get("assistant_id")),
            group_id=word(item.get("run_id")),
            created_at=moment(item.get("created_at")),
        )

    def usage(self, remote_id: str) -> Usage | None:
        """Add up the thread's runs: one call per hundred. None when no run tells its tokens.

        A run that goes on, or that does not tell, makes the sum inexact.
        """
        path = f"/threads/{segment(remote_id)}/runs"
        told: list[Usage | None] = []
        after = None
        while True:
            found, after = self._pager.page(path, after, limit=100)
            told += [usage_of(each.item.get("usage"), source="run") for each in found]
            if after is None:
                return added(told, source="run")

    def close(self) -> None:
        self._client.close()
