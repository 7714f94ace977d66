"""A source without a network, for what a server cannot show: the moment between two calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from threads.sources import (
    Capability,
    CursorLost,
    Gone,
    Page,
    RemoteMessage,
    RemoteThread,
    SourceError,
    Unsupported,
    Usage,
)


class FakeSource:
    """Holds conversations in memory. `before_page` runs ahead of each page and may raise."""

    store: ClassVar[str] = "conversations"
    capabilities: ClassVar[Capability] = Capability.RESUME_AFTER

    def __init__(self, **conversations: list[RemoteMessage]) -> None:
        self.conversations = conversations
        self.calls = 0
        self.before_page: Callable[[int], None] = lambda _: None
        self.refusal: SourceError | None = None
        self.pages = 0

    def check(self) -> None:
        self._count()

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        raise Unsupported("This fake cannot list.")

    def thread(self, remote_id: str) -> RemoteThread:
        self._count()
        if remote_id not in self.conversations:
            raise Gone("There is no such thread.")
        return RemoteThread(remote_id)

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        self._count()
        self.pages += 1
        self.before_page(self.pages)
        if remote_id not in self.conversations:
            raise Gone("There is no such thread.")
        items = self.conversations[remote_id]
        ids = [item.remote_id for item in items]
        if after is not None and after not in ids:
            raise CursorLost("The item to go on after is not there any more.")
        start = 0 if after is None else ids.index(after) + 1
        page = tuple(items[start : start + limit])
        has_more = start + limit < len(items)
        return Page(page, page[-1].remote_id if has_more else None)

    def usage(self, remote_id: str) -> Usage | None:
        return None

    def close(self) -> None:
        """There is nothing to give back."""

    def _count(self) -> None:
        self.calls += 1
        if self.refusal is not None:
            raise self.refusal
