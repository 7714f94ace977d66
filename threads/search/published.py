"""Search results as JSON: the same for the API and for `search_threads --format json`.

Names that programs rely on: added to freely, none renamed. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.urls import reverse

# On Python 3.11 pydantic, which writes the API's schema from these, takes no other TypedDict.
from typing_extensions import TypedDict

from threads.search.query import Notice
from threads.search.results import Hit, SearchPage, ThreadHits


class PublishedNotice(TypedDict):
    """What the reader should know about the query; `suggestion` can replace the stretch named."""

    code: str
    message: str
    position: int | None
    length: int
    suggestion: str
    is_error: bool


class PublishedHit(TypedDict):
    """A message that matched; `snippet` is escaped text with <mark>…</mark> around the matches."""

    message_id: str
    position: int
    role: str
    kind: str
    created_at: str | None
    snippet: str
    url: str


class PublishedThread(TypedDict):
    """A thread with its best hits first; without hits its title, remark or filters matched."""

    id: str
    external_id: str
    title: str
    project: str
    source: str
    created_at: str | None
    last_message_timestamp: str | None
    message_count: int
    score: float | None
    hit_count: int
    url: str
    hits: list[PublishedHit]


class PublishedPage(TypedDict):
    """One page of results. Totals that were capped say so in `total_is_exact`.

    `ranking` is `exact`, `newest` (the best among the newest few thousand hits), `prefix` (the
    last word was read as a beginning), `any_word` (no message has all the words) or `question`
    (asked in plain words, of which messages have some, or stand beside such ones).
    """

    query: str
    explanation: str
    notices: list[PublishedNotice]
    total_threads: int
    total_messages: int
    total_is_exact: bool
    hidden_tool_hits: int
    ranking: str
    took_ms: float
    next_cursor: str | None
    results: list[PublishedThread]


def published(page: SearchPage, *, query: str) -> PublishedPage:
    """Return `page` as JSON values; `query` is the text that was asked.

    Adds no query when the threads come with their projects.
    """
    return PublishedPage(
        query=query,
        explanation=page.explanation,
        notices=[published_notice(notice) for notice in page.notices],
        total_threads=page.total_threads,
        total_messages=page.total_messages,
        total_is_exact=page.total_is_exact,
        hidden_tool_hits=page.hidden_tool_hits,
        ranking=page.ranking,
        took_ms=round(page.took_ms, 3),
        next_cursor=page.next_cursor,
        results=[_thread(result) for result in page.results],
    )


def published_notice(notice: Notice) -> PublishedNotice:
    return PublishedNotice(
        code=notice.code,
        message=notice.message,
        position=notice.position,
        length=notice.length,
        suggestion=notice.suggestion,
        is_error=notice.is_error,
    )


def published_time(moment: datetime | None) -> str | None:
    """Write a time as 2026-01-31T23:59:59.123Z, without a fraction where there is none."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def thread_url(short_id: str) -> str:
    return reverse("threads:thread", args=[short_id])


def message_url(short_id: str, position: int) -> str:
    return f"{thread_url(short_id)}#m-{position}"


def _thread(result: ThreadHits) -> PublishedThread:
    thread = result.thread
    return PublishedThread(
        id=thread.short_id,
        external_id=thread.external_id,
        title=thread.title,
        project=thread.project.slug,
        source=thread.store,
        created_at=published_time(thread.created_at),
        last_message_timestamp=published_time(thread.last_message_timestamp),
        message_count=thread.message_count,
        score=None if result.score is None else round(result.score, 4),
        hit_count=result.hit_count,
        url=thread_url(thread.short_id),
        hits=[_hit(hit, thread.short_id) for hit in result.hits],
    )


def _hit(hit: Hit, short_id: str) -> PublishedHit:
    return PublishedHit(
        message_id=hit.message_id,
        position=hit.position,
        role=hit.role,
        kind=hit.kind,
        created_at=published_time(hit.created_at),
        snippet=hit.snippet,
        url=message_url(short_id, hit.position),
    )
