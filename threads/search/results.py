"""What a search answers: the same values for the page, the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from threads.models.thread import Store
from threads.search.query import Notice


class FoundProject(NamedTuple):
    """The project of a thread on the page."""

    pk: int
    slug: str
    name: str


class FoundThread(NamedTuple):
    """What a page shows of a thread, by the names it has in the model.

    A plain row: making twenty models would take longer than to find them.
    """

    pk: int
    short_id: str
    external_id: str
    store: str
    title: str
    remark: str
    model: str
    message_count: int
    item_count: int
    upstream_state: str
    is_held: bool
    last_error: str
    created_at: datetime | None
    last_message_timestamp: datetime | None
    gone_at: datetime | None
    project: FoundProject

    def __str__(self) -> str:
        return self.title or self.external_id

    @property
    def project_id(self) -> int:
        return self.project.pk

    def get_absolute_url(self) -> str:
        return reverse("threads:thread", args=[self.short_id])

    def get_store_display(self) -> str:
        """Return the name of the store in the reader's language."""
        return str(Store(self.store).label) if self.store in Store.values else self.store


class Hit(NamedTuple):
    """One message that matched. `snippet` is HTML: escaped text with <mark> around the matches."""

    pk: int
    message_id: str  # the store's id
    position: int
    role: str
    kind: str
    created_at: datetime | None
    snippet: str


class ThreadHits(NamedTuple):
    """A thread with its best hits first. No hits: its title, remark or filters matched."""

    thread: FoundThread
    hits: tuple[Hit, ...]
    hit_count: int
    score: float | None = None  # the higher the better; None where nothing was ranked
    title: str = ""  # as `snippet`: the title with its matches marked; "" when it has none
    remark: str = ""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of results. Counts that were capped say so in `total_is_exact`."""

    results: tuple[ThreadHits, ...]
    total_threads: int
    total_messages: int
    total_is_exact: bool
    took_ms: float
    explanation: str  # what was searched, in words
    notices: tuple[Notice, ...] = ()
    # exact; newest: best among the newest few thousand; prefix: the last word as a beginning;
    # any_word: no message has all the words, these have some
    ranking: str = "exact"
    hidden_tool_hits: int = 0  # further hits in tool calls, tool output and system prompts
    next_cursor: str | None = None
