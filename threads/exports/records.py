"""The one stream of rows that every export format is written from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from threads.models import Message, Thread

MESSAGES_AT_ONCE = 2_000  # some megabytes of text; bounds the memory of an export
THREADS_AT_ONCE = 500  # SQLite takes 32,766 parameters in a statement, PostgreSQL more


@dataclass(frozen=True, slots=True)
class ThreadRecord:
    """A thread with its tags and all its messages in order, each with its source row."""

    thread: Thread
    tags: tuple[str, ...]
    messages: Sequence[Message]


def _batches(threads: Iterable[Thread]) -> Iterator[list[Thread]]:
    batch: list[Thread] = []
    size = 0
    for thread in threads:
        if batch and size + thread.item_count > MESSAGES_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(thread)
        size += thread.item_count
    if batch:
        yield batch


def _threads(ids: Sequence[int]) -> Iterator[Thread]:
    for start in range(0, len(ids), THREADS_AT_ONCE):
        wanted = ids[start : start + THREADS_AT_ONCE]
        found = (
            Thread.objects.filter(pk__in=wanted)
            .select_related("project", "assistant")
            .prefetch_related("tags")
            .in_bulk()
        )
        yield from (found[pk] for pk in wanted if pk in found)


def records(thread_ids: Sequence[int], *, with_source: bool = False) -> Iterator[ThreadRecord]:
    """Yield the threads in the order of `thread_ids`, which the caller has checked may be read.

    Threads that are no longer there are left out. Reads about 2,000 messages at a time: one
    query for each batch, and two for every 500 threads. `with_source` also reads the parts,
    the JSON as received, and who spoke.
    """
    for batch in _batches(_threads(thread_ids)):
        rows = Message.objects.filter(thread_id__in=[thread.pk for thread in batch])
        if with_source:
            rows = rows.select_related("source", "assistant")
        by_thread = {
            pk: list(group)
            for pk, group in groupby(
                rows.order_by("thread_id", "position"), key=lambda row: row.thread_id
            )
        }
        for thread in batch:
            yield ThreadRecord(
                thread=thread,
                tags=tuple(sorted(tag.name for tag in thread.tags.all())),
                messages=by_thread.get(thread.pk, []),
            )
