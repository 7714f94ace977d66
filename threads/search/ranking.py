"""Puts the best first: recency as a tie-breaker, and questions answered by any of their words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.lookups import Scored
from threads.search.query import Node, Or
from threads.search.statements import rows_of

# A message of today counts 5 % more than one of long ago; half of it is gone after a year.
_RECENCY = 0.05
_HALF_LIFE = 365 * 86_400 * 8  # in keys, which are eighths of seconds
# Measured on questions with known answers: turns beside good ones are good themselves.
_BESIDE = {1: 0.5, 2: 0.25}
_OF_THREAD_BEST = 0.2
# The rarest words until so many messages have one of them; the others only help to rank.
# 19 ms at a million messages, where all the words would take 134.
_RARE_HITS = 8_000
_ENOUGH_HITS = 2_000
# A word in more than this share of a large archive tells next to nothing, and looking at every
# place of "the" takes as long as all the rest: 48 ms with it, 23 without.
_EVERYWHERE = 0.1


def with_recency(rows: Iterable[Scored], now_key: int) -> list[Scored]:
    """Return `rows` with newer ones a little higher, best first."""
    rated = [
        (key, thread, score * (1 + _RECENCY * 0.5 ** (max(0, now_key - key) / _HALF_LIFE)))
        for key, thread, score in rows
    ]
    return sorted(rated, key=lambda row: (-row[2], -row[0]))


def any_of(
    terms: Iterable[Node], count: Callable[[Node, int], int]
) -> tuple[list[Node], list[Node]] | None:
    """Return those of `terms` of which a message must have one, and those that only help to rank.

    `count(term, cap)` tells in how many messages a term is; one query each. None: in no message.
    """
    counted = [(count(term, _RARE_HITS + 1), term) for term in dict.fromkeys(terms)]
    found = sorted((pair for pair in counted if pair[0]), key=lambda pair: pair[0])
    rare: list[Node] = []
    covered = 0
    for hits, term in found:
        # A word that would bring more than all before it together is left for the ranking.
        if covered >= _RARE_HITS or (covered >= _ENOUGH_HITS and covered + hits > _RARE_HITS):
            break
        rare.append(term)
        covered += hits
    return (rare, [term for _hits, term in found[len(rare) :]]) if rare else None


def telling(
    terms: Iterable[Node],
    newest: Callable[[Node, int], int | None],
    connection: BaseDatabaseWrapper,
) -> list[Node]:
    """Return `terms` without those that nearly every message has; a query each, and one.

    `newest(term, number)` is the search key of the term's hit that is `number` from the newest;
    None where there are fewer. How far back so many hits reach tells how many there are in all.
    """
    kept = list(terms)
    if not kept:
        return kept
    ((first, last, count),) = rows_of(
        connection,
        "SELECT (SELECT min(search_key) FROM threads_message),"
        " (SELECT max(search_key) FROM threads_message),"
        " (SELECT max(id) FROM threads_message) - (SELECT min(id) FROM threads_message) + 1",
    )

    def is_everywhere(term: Node) -> bool:
        key = newest(term, _RARE_HITS)
        if key is None or first is None or last == first:
            return False
        return bool(_RARE_HITS / max((last - key) / (last - first), 1e-9) > _EVERYWHERE * count)

    return [term for term in kept if not is_everywhere(term)]


def either(nodes: list[Node]) -> Node:
    """Return the condition that one of `nodes` holds."""
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def with_neighbours(connection: BaseDatabaseWrapper, rows: list[Scored]) -> list[Scored]:
    """Return `rows` and the messages next to them, by what a whole passage is worth; 2 queries.

    An answer often stands beside the words of the question: "Where do you live?" – "Lyon".
    """
    if not rows:
        return []
    scores = {key: score for key, _thread, score in rows}
    best: dict[int, float] = defaultdict(float)
    for _key, thread, score in rows:
        best[thread] = max(best[thread], score)
    places = _places(connection, list(scores))
    around = _around(connection, {(thread, place) for thread, place in places.values()})
    at = {(thread, place): key for key, thread, place in around}
    mixed = {key: _OF_THREAD_BEST * best[thread] for (thread, _place), key in at.items()}
    for key, thread, score in rows:
        if key not in mixed:
            continue
        mixed[key] += score
        place = places[key][1]
        for distance, share in _BESIDE.items():
            for other in (place - distance, place + distance):
                if beside := at.get((thread, other)):
                    mixed[beside] += share * score
    ranked = [(key, thread, mixed[key]) for key, thread, _place in around]
    return sorted(ranked, key=lambda row: (-row[2], -row[0]))


def _places(connection: BaseDatabaseWrapper, keys: list[int]) -> dict[int, tuple[int, int]]:
    numbers = ", ".join(map(str, keys))
    rows = rows_of(
        connection,
        "SELECT search_key, thread_id, position FROM threads_message"  # noqa: S608 - numbers
        f" WHERE search_key IN ({numbers})",
    )
    return {key: (thread, place) for key, thread, place in rows}


def _around(
    connection: BaseDatabaseWrapper, places: set[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """Search key, thread and position of the messages at most two turns away, as spoken."""
    reach = range(-max(_BESIDE), max(_BESIDE) + 1)
    wanted: dict[int, set[int]] = defaultdict(set)
    for thread, place in places:
        wanted[thread].update(place + step for step in reach)
    pairs = ", ".join(
        f"({thread}, {place})" for thread, positions in wanted.items() for place in positions
    )
    return rows_of(
        connection,
        f"WITH w(thread, place) AS (VALUES {pairs})"  # noqa: S608 - numbers
        " SELECT m.search_key, m.thread_id, m.position FROM w"
        " JOIN threads_message m ON m.thread_id = w.thread AND m.position = w.place"
        " WHERE m.kind = 'message' AND NOT m.is_hidden"
        " AND m.role NOT IN ('tool', 'system', 'developer')",
    )
