"""The side bar and the chips: each is a link that edits the query string. Pure.

Edits the tree that the page has parsed already. `threads.search.query.editing` keeps the text as
it was typed, but parses it for every change: at 30 links a page that is 7 to 30 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from threads.search.query import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    NumberRange,
    Query,
    ThreadGroup,
    unparse,
    write,
)

_DATE_FIELDS = {"after", "before", "on"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A condition of the query, and the query without it."""

    text: str
    query: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet: the query that it leads to, and whether it is chosen now."""

    label: str
    value: str
    query: str
    is_chosen: bool
    count: int | None = None  # None: not counted


def _parts(query: Query) -> tuple[Node, ...]:
    match query.expression:
        case None:
            return ()
        case And(children):
            return children
        case node:
            return (node,)


def _rewritten(query: Query, parts: Iterable[Node]) -> str:
    kept = tuple(parts)
    expression = None if not kept else kept[0] if len(kept) == 1 else And(kept)
    return unparse(replace(query, expression=expression))


def _is_condition(node: Node) -> bool:
    inner = node.child if isinstance(node, Not) else node
    return isinstance(inner, Filter | NumberRange | DateRange | ThreadGroup)


def chips(query: Query) -> list[Chip]:
    """Return the query's conditions, each removable; words are edited in the field itself."""
    parts = _parts(query)
    return [
        Chip(write(part), _rewritten(query, (other for other in parts if other is not part)))
        for part in parts
        if _is_condition(part)
    ]


def words_only(query: Query) -> str:
    """Return the query without its conditions; empty when nothing else is in it."""
    return _rewritten(query, (part for part in _parts(query) if not _is_condition(part)))


def sorted_by(query: Query, sort: str) -> str:
    """Return the query with another order."""
    return unparse(replace(query, sort=sort))


def within_tools(query: Query) -> str:
    """Return the query as a search of tool calls and their output, which others leave out."""
    return _rewritten(query, (*_parts(query), Filter("in", ("tool",))))


def choices(
    query: Query, field: str, values: Iterable[tuple[str, str]], *, counts: dict[str, int] | None
) -> list[Choice]:
    """Offer each (value, label) of `field`: choosing adds it, choosing it again takes it away.

    Within one field the values are alternatives; a thread needs one of them. `counts` None
    means that nothing was counted; a value below 0 that this one was not.
    """
    parts = _parts(query)
    current = next((p for p in parts if isinstance(p, Filter) and p.field == field), None)
    chosen = current.values if current else ()
    folded = {value.casefold() for value in chosen}
    offered = []
    for value, label in values:
        if value.casefold() in folded:
            rest = tuple(other for other in chosen if other.casefold() != value.casefold())
        else:
            rest = (*chosen, value)
        others = [part for part in parts if part is not current]
        wanted = [*others, Filter(field, rest)] if rest else others
        count = None if counts is None or counts.get(value, 0) < 0 else counts.get(value, 0)
        is_chosen = value.casefold() in folded
        offered.append(Choice(label, value, _rewritten(query, wanted), is_chosen, count))
    return offered


def date_choices(query: Query, periods: Iterable[tuple[str, str]]) -> list[Choice]:
    """Offer periods up to now ("7d"); they roll, as the text in the query stays "7d"."""
    parts = _parts(query)
    dates = [p for p in parts if isinstance(p, DateRange) and p.field in _DATE_FIELDS]
    others = [part for part in parts if part not in dates]
    offered = []
    for value, label in periods:
        is_chosen = any(date.field == "after" and date.text == value for date in dates)
        wanted = others if is_chosen else [*others, DateRange("after", value, None, None)]
        offered.append(Choice(label, value, _rewritten(query, wanted), is_chosen))
    return offered
