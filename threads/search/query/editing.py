"""Changes to a query's text, for side bars and chips. What the reader typed stays as typed.

Each change is made in the text. Where the text is more than its parts side by side (a bracket or
quote left open, an AND between them, a clause that was left out) the change is checked against
the same one in the tree; where they differ the query is written anew from the tree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from threads.search.query.fields import FIELDS
from threads.search.query.parser import parse
from threads.search.query.tree import (
    And,
    Condition,
    DateRange,
    Filter,
    Node,
    Not,
    NumberRange,
    Query,
    ThreadGroup,
)
from threads.search.query.writer import unparse, write

# Only what stands where matters here, not which moment a date means.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
# A text with one of these would take in what is put behind it, or looks broken.
_LOOSE_ENDS = {
    "unclosed_quote",
    "unclosed_bracket",
    "stray_bracket",
    "stray_operator",
    "empty_brackets",
}
_BETWEEN_PARTS = re.compile(r"(?:\s+|-?(?:sort|group):\w+(?=\s|\Z))*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of a query that can be taken out; `without` is the text that is then left."""

    text: str
    field: str  # empty for words
    node: Node
    without: str


def parts_of(query: Query) -> tuple[Node, ...]:
    """Return what must hold all together, in the order typed."""
    if query.expression is None:
        return ()
    return query.expression.children if isinstance(query.expression, And) else (query.expression,)


def chips(query: Query) -> tuple[Chip, ...]:
    """Return the parts that stand side by side, words and filters, in the order typed."""
    return tuple(
        Chip(write(node), field_of(node), node, without_parts(query, [node]))
        for node in parts_of(query)
    )


def field_of(node: Node) -> str:
    """Return the filter that a part is, negated or not; "thread" for a group, "" for words."""
    match node:
        case Not(child):
            return field_of(child)
        case Filter(field) | NumberRange(field) | DateRange(field):
            return field
        case ThreadGroup():
            return "thread"
    return ""


def without_parts(query: Query, parts: Collection[Node]) -> str:
    """Return the query's text without those of its parts."""
    return _edited(query, {id(part): None for part in parts})


def with_filter(query: Query, field: str, value: str, *, key: str = "") -> str:
    """Return the text narrowed to `value`, or widened by it where others are allowed already.

    Filters that take one value (numbers, dates, sort, group) are replaced.

    :raises KeyError: when there is no such field.
    """
    if FIELDS[field].level == "query":
        return _ordered(query, field, value)
    if FIELDS[field].takes in {"choice", "text"}:
        for node in _conditions(query, field, key):
            if isinstance(node, Filter):
                values = tuple(dict.fromkeys((*node.values, value)))
                return _edited(query, {id(node): replace(node, values=values)})
        return _edited(query, {}, added=[Filter(field, (value,), key)])
    replaced = _conditions(query, field, "")
    return _edited(query, {id(node): None for node in replaced}, added=[_written(field, value)])


def with_dates(query: Query, **dates: str) -> str:
    """Return the text with these date filters (after="7d") instead of those it has."""
    replaced = [node for name in ("after", "before", "on") for node in _conditions(query, name, "")]
    added = [_written(field, value) for field, value in dates.items()]
    return _edited(query, {id(node): None for node in replaced}, added=added)


def without_filter(query: Query, field: str, value: str | None = None, *, key: str = "") -> str:
    """Return the text without `value` of the filter, or without the whole filter for None.

    Only filters that hold for the whole query are meant, not negated ones and alternatives.
    """
    if FIELDS[field].level == "query":
        return _ordered(query, field, None)
    changes: dict[int, Node | None] = {}
    for node in _conditions(query, field, key):
        if value is None:
            changes[id(node)] = None
        elif isinstance(node, Filter):
            values = tuple(other for other in node.values if not _is_same(other, value))
            if values != node.values:
                changes[id(node)] = replace(node, values=values) if values else None
    return _edited(query, changes) if changes else query.text.strip()


def values_of(query: Query, field: str, *, key: str = "") -> tuple[str, ...]:
    """Return the values that the query as a whole is narrowed to; for the ticks in a side bar."""
    return tuple(
        value
        for node in _conditions(query, field, key)
        if isinstance(node, Filter)
        for value in node.values
    )


def dates_of(query: Query) -> dict[str, str]:
    """Return the date filters that hold for the whole query, as typed: {"after": "7d"}."""
    return {
        name: node.text
        for name in ("after", "before", "on")
        for node in _conditions(query, name, "")
        if isinstance(node, DateRange)
    }


def _is_same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _written(field: str, value: str) -> Node:
    read = _read(f"{field}:{value}").expression
    return read if read is not None else DateRange(field, value, None, None)


def _read(text: str) -> Query:
    return parse(text, now=_ANY_TIME, zone=UTC)


def _joined(parts: Sequence[Node]) -> Node | None:
    return And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def _conditions(query: Query, field: str, key: str) -> list[Condition]:
    return [
        node
        for node in parts_of(query)
        if isinstance(node, (Filter, NumberRange, DateRange))
        and node.field == field
        and (not isinstance(node, Filter) or node.key == key)
    ]


def _ordered(query: Query, field: str, value: str | None) -> str:
    """Return the text with another sort or group, or with none."""
    if value == (query.sort if field == "sort" else query.group):
        return query.text.strip()
    expected = replace(query, sort=value) if field == "sort" else replace(query, group=value)
    typed = re.compile(rf"(?<!\S)-?{field}:\S+\s*", re.IGNORECASE)
    text = typed.sub("", query.text).strip()
    return _checked(f"{text} {field}:{value}".strip() if value else text, expected)


def _edited(query: Query, changes: Mapping[int, Node | None], *, added: Sequence[Node] = ()) -> str:
    """Return the text with other parts in the place of some (by id; None: nothing), and more."""
    text = query.text.strip()
    shift = len(query.text) - len(query.text.lstrip())
    parts = parts_of(query)
    for part in reversed(parts):
        if id(part) in changes:
            new = changes[id(part)]
            start, end = part.span or (0, 0)
            before, after = text[: max(0, start - shift)], text[max(0, end - shift) :]
            pieces = (before.rstrip(), write(new) if new else "", after.lstrip())
            text = " ".join(piece for piece in pieces if piece)
    text = " ".join([text, *map(write, added)]).strip()
    if _is_side_by_side(query):
        return text
    left = [changes.get(id(part), part) for part in parts]
    kept = [part for part in (*left, *added) if part is not None]
    return _checked(text, replace(query, expression=_joined(kept)))


def _is_side_by_side(query: Query) -> bool:
    """Whether there is nothing in the text but its parts, spaces, and its order.

    Then any of them can go, and others can follow: no parse tells more, and 30 links a page
    would cost 7 to 30 ms.
    """
    at = 0
    for part in parts_of(query):
        start, end = part.span or (-1, -1)
        if start < at or not _BETWEEN_PARTS.fullmatch(query.text, at, start):
            return False
        at = end
    return bool(_BETWEEN_PARTS.fullmatch(query.text, at)) and not any(
        notice.code in _LOOSE_ENDS for notice in query.notices
    )


def _checked(text: str, expected: Query) -> str:
    query = _read(text)
    is_whole = not any(notice.code in _LOOSE_ENDS for notice in query.notices)
    return text if is_whole and unparse(query) == unparse(expected) else unparse(expected)
