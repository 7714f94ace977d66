"""What a search answers: the same values for the page, the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from threads.models import Thread
from threads.search.query import Notice


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that matched. `snippet` is HTML: escaped text with <mark> around the matches."""

    pk: int
    message_id: str  # the store's id
    position: int
    role: str
    kind: str
    created_at: datetime | None
    snippet: str


@dataclass(frozen=True, slots=True)
class ThreadHits:
    """A thread with its best hits first. No hits: its title, remark or filters matched."""

    thread: Thread
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
