"""What a search answers: the same values for the page, the API and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

from django.urls import reverse

from threads.models.thread import Store
from threads.search.excerpts import Marker
from threads.search.query import Notice
from threads.search.tally import Counts

Moment = datetime | str | None  # a time as a row has it: SQLite gives it as text, in UTC


def moment(value: Moment) -> datetime | None:
    """Read the time of a row."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


class FoundProject(NamedTuple):
    """The project of a thread on the page."""

    pk: int
    slug: str
    name: str


class FoundThread(NamedTuple):
    """What a page shows of a thread, by the names it has in the model.

    A row as the database gives it, of which the times are read when they are asked for: making
    twenty models would take longer than to find them.
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
    held: bool | str  # SQLite gives it as text
    last_error: str
    begun: Moment
    last_message: Moment
    gone: Moment
    project_id: int
    project_slug: str
    project_name: str

    def __str__(self) -> str:
        return self.title or self.external_id

    @property
    def is_held(self) -> bool:
        return self.held in {True, "1"}

    @property
    def created_at(self) -> datetime | None:
        return moment(self.begun)

    @property
    def last_message_timestamp(self) -> datetime | None:
        return moment(self.last_message)

    @property
    def gone_at(self) -> datetime | None:
        return moment(self.gone)

    @property
    def project(self) -> FoundProject:
        return FoundProject(self.project_id, self.project_slug, self.project_name)

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
    sent: Moment
    snippet: str

    @property
    def created_at(self) -> datetime | None:
        return moment(self.sent)


class ThreadHits(NamedTuple):
    """A thread with its best hits first. No hits: its title, remark or filters matched."""

    thread: FoundThread
    hits: tuple[Hit, ...]
    read_count: int  # of its hits that were read for the page
    counts: Counts
    marker: Marker
    score: float | None = None  # the higher the better; None where nothing was ranked

    @property
    def hit_count(self) -> int:
        """How many messages of the thread match; counted for the whole page when first asked."""
        return max(self.read_count, self.counts.in_thread(self.thread.pk))

    @property
    def title(self) -> str:
        """As `snippet`: the title with its matches marked; "" when it has none."""
        return self.marker.marked(self.thread.title)

    @property
    def remark(self) -> str:
        return self.marker.snippet(self.thread.remark)


@dataclass(frozen=True)
class SearchPage:
    """One page of results. Counts that were capped say so in `total_is_exact`.

    What is no part of the list itself is found out when it is first asked for, by a query or
    two: how many threads and hits in each there are, what was left out, the explanation.
    """

    results: tuple[ThreadHits, ...]
    counts: Counts
    took_ms: float
    explain: Callable[[], str]
    count_aside: Callable[[], int]
    notices: tuple[Notice, ...] = ()
    # exact; newest: best among the newest few thousand; prefix: the last word as a beginning;
    # any_word: no message has all the words, these have some; question: asked in plain words
    ranking: str = "exact"
    next_cursor: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it shows what was asked for, and not something near to it or nothing."""
        return bool(self.results) and self.ranking in {"exact", "newest", "question"}

    @property
    def total_messages(self) -> int:
        return self.counts.messages

    @cached_property
    def total_threads(self) -> int:
        return max(self.counts.threads, len({result.thread.pk for result in self.results}))

    @property
    def total_is_exact(self) -> bool:
        return self.counts.is_exact

    @cached_property
    def explanation(self) -> str:
        """What was searched, in words of the language that is active when it is asked for."""
        return self.explain()

    @cached_property
    def hidden_tool_hits(self) -> int:
        """Further hits in tool calls, tool output and system prompts."""
        return self.count_aside()
