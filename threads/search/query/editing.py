"""Changes to a query's text, for side bars and chips. What the reader typed stays as typed.

Each change is made in the text, and checked against the same change in the tree; where they
differ (a bracket or quote left open, an AND left over) the query is written anew from the tree.
"""

from __future__ import annotations

import re
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


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of a query that can be taken out; `without` is the text that is then left."""

    text: str
    field: str  # empty for words
    node: Node
    without: str


def chips(text: str) -> tuple[Chip, ...]:
    """Return the parts that stand side by side, words and filters, in the order typed."""
    query = _read(text)
    return tuple(
        Chip(write(node), _field_of(node), node, _exchange(query, node, None))
        for node in _parts(query)
    )


def with_filter(text: str, field: str, value: str, *, key: str = "") -> str:
    """Return `text` narrowed to `value`, or widened by it where other values are allowed already.

    Filters that take one value (numbers, dates, sort, group) are replaced.

    :raises KeyError: when there is no such field.
    """
    query = _read(text)
    if FIELDS[field].takes in {"choice", "text"} and FIELDS[field].level != "query":
        for node in _conditions(query, field, key):
            if isinstance(node, Filter):
                values = tuple(dict.fromkeys((*node.values, value)))
                return _exchange(query, node, replace(node, values=values))
        added = write(Filter(field, (value,), key))
    else:
        query = _read(without_filter(text, field))
        added = f"{field}:{value}"
    new = _read(added)
    expected = replace(
        query,
        expression=_joined([*_parts(query), *_parts(new)]),
        sort=new.sort or query.sort,
        group=new.group or query.group,
    )
    return _checked(f"{query.text.strip()} {added}".strip(), expected)


def without_filter(text: str, field: str, value: str | None = None, *, key: str = "") -> str:
    """Return `text` without `value` of the filter, or without the whole filter for None.

    Only filters that hold for the whole query are meant, not negated ones and alternatives.
    """
    query = _read(text)
    if field in {"sort", "group"}:
        left = replace(query, sort=None) if field == "sort" else replace(query, group=None)
        typed = re.compile(rf"(?<!\S)-?{field}:\S+\s*", re.IGNORECASE)
        return text if left == query else _checked(typed.sub("", text).strip(), left)
    for node in _conditions(query, field, key):
        new: Node | None = None
        if isinstance(node, Filter) and value is not None:
            values = tuple(other for other in node.values if other != value)
            new = replace(node, values=values) if values else None
        if new != node:
            return without_filter(_exchange(query, node, new), field, value, key=key)
    return text


def values_of(text: str, field: str, *, key: str = "") -> tuple[str, ...]:
    """Return the values that `text` as a whole is narrowed to; for the ticks in a side bar."""
    return tuple(
        value
        for node in _conditions(_read(text), field, key)
        if isinstance(node, Filter)
        for value in node.values
    )


def _read(text: str) -> Query:
    return parse(text, now=_ANY_TIME, zone=UTC)


def _parts(query: Query) -> tuple[Node, ...]:
    """What must hold all together."""
    if query.expression is None:
        return ()
    return query.expression.children if isinstance(query.expression, And) else (query.expression,)


def _joined(parts: list[Node]) -> Node | None:
    return And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def _conditions(query: Query, field: str, key: str) -> list[Condition]:
    return [
        node
        for node in _parts(query)
        if isinstance(node, (Filter, NumberRange, DateRange))
        and node.field == field
        and (not isinstance(node, Filter) or node.key == key)
    ]


def _field_of(node: Node) -> str:
    match node:
        case Not(child):
            return _field_of(child)
        case Filter(field) | NumberRange(field) | DateRange(field):
            return field
        case ThreadGroup():
            return "thread"
    return ""


def _exchange(query: Query, node: Node, new: Node | None) -> str:
    """Return the query's text with `new`, or nothing, in the place of its part `node`."""
    parts = [new if part is node else part for part in _parts(query)]
    expected = replace(query, expression=_joined([part for part in parts if part]))
    start, end = node.span or (0, 0)
    pieces = query.text[:start].rstrip(), write(new) if new else "", query.text[end:].lstrip()
    return _checked(" ".join(piece for piece in pieces if piece), expected)


def _checked(text: str, expected: Query) -> str:
    query = _read(text)
    is_whole = not any(notice.code in _LOOSE_ENDS for notice in query.notices)
    return text if is_whole and query == expected else unparse(expected)
