"""Which messages of a thread a query finds, and where its words stand in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain

from threads.content import Spans
from threads.exports.covering import Cover
from threads.models import Thread
from threads.search.conditions import is_spoken, wants_aside
from threads.search.excerpts import Marker
from threads.search.in_thread import positions_in
from threads.search.query import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    ThreadGroup,
    Token,
    Word,
)
from threads.search.results import Hit

MAX_HITS = 1_000  # that one page of a thread knows: the next page knows those around it
_SHORT = 500  # messages whose texts are read sooner, 5 µs each, than the index is asked
_AT_ONCE = 500  # messages read by one statement
_Messages = Iterator[tuple[int, str, str, datetime | None]]  # position, text, role and time
_Test = Callable[[str, str, datetime | None], bool]  # of a message's text, role and time


def spans_of(query: Query) -> Spans | None:
    """Return what finds the query's words in a text; None when it has none."""
    if not query.terms:
        return None
    marker = Marker(query.terms)
    return lambda text: ((start, end) for start, end, _ in marker.spans(text))


def hits_in(thread: Thread, query: Query, *, near: int = 1) -> tuple[int, ...]:
    """Return the positions of the thread's messages that match, in order, up to MAX_HITS.

    Of more than these, half of them at most lie before the position `near`, so that previous and
    next lead on from wherever the reader is. Where none has all that was asked, those with some
    of the words, as the search itself does. Tool calls count as well. Two queries for a short
    thread, or one near its beginning; for a long one two to ask the index where its words are,
    and one for each 500 texts that have some.
    """
    if not query.terms or query.expression is None:
        return ()
    holds_any = Marker(query.terms).holds_any
    test = _test_of(query.expression)
    sides = _candidates(thread, query, near)
    hits: list[int] = []
    partial: list[int] = []
    for messages, most in zip(sides, (MAX_HITS // 2, MAX_HITS), strict=True):
        for position, text, role, created_at in messages:
            if not holds_any(text):
                continue
            partial.append(position)
            if test(text, role, created_at):
                hits.append(position)
                if len(hits) == most:
                    break
    return tuple(sorted(hits or _around(sorted(partial), near)))


def _around(positions: list[int], near: int) -> list[int]:
    """Return up to MAX_HITS of `positions`, up to half of them before `near`."""
    first = max(0, bisect_left(positions, near) - MAX_HITS // 2)
    return positions[first : first + MAX_HITS]


def _candidates(thread: Thread, query: Query, near: int) -> tuple[_Messages, _Messages]:
    """Return the messages that may match: those before `near`, the nearest first; the others."""
    columns = ("position", "text", "role", "created_at")
    messages = thread.messages.order_by("position").values_list(*columns)
    positions = positions_in(thread, query.terms) if thread.item_count > _SHORT else None
    if positions is None:
        before = messages.filter(position__lt=near).reverse()
        after = messages.filter(position__gte=near)
        return (
            before.iterator(chunk_size=_AT_ONCE) if near > 1 else iter(()),
            after.iterator(chunk_size=_AT_ONCE),
        )
    here = bisect_left(positions, near)
    return (
        chain.from_iterable(
            messages.filter(position__in=places).reverse()
            for places in _batched(positions[:here][::-1], _AT_ONCE)
        ),
        chain.from_iterable(
            messages.filter(position__in=places) for places in _batched(positions[here:], _AT_ONCE)
        ),
    )


def _batched(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def further_hits_of(
    thread: Thread, query: Query, *, besides: Collection[int], limit: int, cover: Cover
) -> list[Hit]:
    """Return up to `limit` hits of the thread as a result shows them, in order; two queries.

    Without those at the positions `besides`; tools and system prompts only where the query
    names them, as in the search.
    """
    positions = [position for position in hits_in(thread, query) if position not in besides]
    rows = thread.messages.filter(position__in=positions[: 4 * limit]).order_by("position")
    if query.expression is not None and not wants_aside([query.expression]):
        rows = rows.filter(is_spoken())
    marker = Marker(query.terms)
    return [
        Hit(
            pk=row.pk,
            message_id=row.remote_id,
            position=row.position,
            role=row.role,
            kind=row.kind,
            sent=row.created_at,
            snippet=marker.snippet(cover.text(thread.project_id, row.text)),
        )
        for row in rows[:limit]
    ]


def _test_of(node: Node) -> _Test:  # noqa: PLR0911 - one line for each kind of node
    """Return what decides by one message; conditions on its thread hold, or it were not open."""
    match node:
        case And(children):
            groups = [_test_of(child.child) for child in children if isinstance(child, ThreadGroup)]
            tests = [_test_of(child) for child in children if not isinstance(child, ThreadGroup)]
            return lambda *message: (
                all(test(*message) for test in tests)
                and (not groups or any(test(*message) for test in groups))
            )
        case Or(children):
            tests = [_test_of(child) for child in children]
            return lambda *message: any(test(*message) for test in tests)
        case Not(child):
            if not _is_about_messages(child):
                return _always
            test = _test_of(child)
            return lambda *message: not test(*message)
        case ThreadGroup(child):
            return _test_of(child)
        case Word() | Phrase() | Prefix() | Token():
            holds = Marker([node]).holds_any
            return lambda text, role, created_at: holds(text)
        case Filter("role", values):
            return lambda text, role, created_at: role in values
        case DateRange() if node.field != "created":
            return lambda text, role, created_at: (
                created_at is None
                or (
                    (node.start is None or node.start <= created_at)
                    and (node.end is None or created_at < node.end)
                )
            )
    return _always


def _is_about_messages(node: Node) -> bool:
    return isinstance(node, (Word, Phrase, Prefix, Token, And, Or)) or (
        isinstance(node, Filter) and node.field == "role"
    )


def _always(text: str, role: str, created_at: datetime | None) -> bool:
    return True
