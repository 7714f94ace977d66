"""The conversations store: items without times of their own, and no list of conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from threads.sources.addresses import segment
from threads.sources.base import (
    Capability,
    Gone,
    Page,
    RemoteMessage,
    RemoteThread,
    Unsupported,
    Usage,
)
from threads.sources.client import Client
from threads.sources.failures import Refused
from threads.sources.items import message_of, word
from threads.sources.paging import Pager
from threads.sources.reading import Json
from threads.sources.times import moment, moments_in_ids

# Without these, images have no address and tools no results.
INCLUDE = [
    "message.input_image.image_url",
    "web_search_call.action.sources",
    "file_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
]
# In the shape of OpenAI's ids, and nobody's.
_NOBODY = "conv_" + "0" * 48


def metadata_of(value: Json) -> dict[str, Any]:
    found = value.get("metadata")
    return found if isinstance(found, dict) else {}


def first_of(metadata: Mapping[str, Any], *names: str, longest: int) -> str:
    """Return the first of these fields that holds text."""
    return next(
        (found for name in names if (found := word(metadata.get(name), longest=longest))), ""
    )


def thread_of(item: Json, remote_id: str) -> RemoteThread:
    """Return what the store says about a thread, whose name and user are in its metadata."""
    metadata = metadata_of(item)
    return RemoteThread(
        remote_id=remote_id,
        title=first_of(metadata, "title", "topic", "name", "subject", longest=300),
        end_user=first_of(metadata, "user", "user_id", "end_user", longest=200),
        created_at=moment(item.get("created_at")),
        metadata=metadata,
    )


class Conversations:
    """Reads `/conversations` of OpenAI, Azure (v1) and compatible servers."""

    store: ClassVar[str] = "conversations"

    def __init__(
        self, client: Client, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._pager = Pager(client)
        self._now = now

    @property
    def capabilities(self) -> Capability:
        """OpenAI lists no conversations; others (Azure AI Foundry) are worth asking."""
        listing = Capability.NONE if self._client.place.is_openai else Capability.LIST_THREADS
        return Capability.RESUME_AFTER | listing

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for a conversation that is nobody's: "no such thread" shows that all works."""
        try:
            self._pager.object(f"/conversations/{_NOBODY}")
        except (Gone, Refused):
            return

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        if user:
            raise Unsupported("Conversations cannot be listed by user.")
        if self._client.place.is_openai:
            raise Unsupported("OpenAI lists no conversations; their ids come from you.")
        found, after = self._pager.threads("/conversations", cursor, limit=limit)
        return Page(tuple(thread_of(each.item, each.id) for each in found), after)

    def thread(self, remote_id: str) -> RemoteThread:
        return thread_of(self._pager.object(f"/conversations/{segment(remote_id)}"), remote_id)

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        owner = f"/conversations/{segment(remote_id)}"
        found, following = self._pager.page(
            f"{owner}/items", after, limit=limit, optional={"include": INCLUDE}, owner=owner
        )
        moments = moments_in_ids(
            [each.id for each in found], conversation_id=remote_id, now=self._now()
        )
        messages = []
        for each, in_id in zip(found, moments, strict=True):
            given = moment(each.item.get("created_at"))  # not at OpenAI; elsewhere it occurs
            source = "given" if given else "id"
            messages.append(message_of(each, created_at=given or in_id, time_source=source))
        return Page(tuple(messages), following)

    def usage(self, remote_id: str) -> Usage | None:
        """Return None: items do not say what they cost."""
        return None

    def close(self) -> None:
        self._client.close()
