"""Puts the best first: recency as a tie-breaker, and what stands beside good messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.lookups import Scored
from threads.search.statements import rows_of

# A message of today counts 5 % more than one of long ago; half of it is gone after a year.
_RECENCY = 0.05
_HALF_LIFE = 365 * 86_400 * 8  # in keys, which are eighths of seconds
# Measured on questions with known answers: turns beside good ones are good themselves.
_SHARES = (1.0, 0.5, 0.25)  # of a hit's score, by the number of turns from it
_OF_THREAD_BEST = 0.2
# Hits and the messages at most two turns away, as spoken; the hits themselves are among them.
_BESIDE = (
    "SELECT h.search_key, m.search_key, m.thread_id, m.position - h.position FROM {hits}"
    " ON h.search_key = {key} {join} threads_message m ON m.thread_id = h.thread_id"
    " AND m.position BETWEEN h.position - 2 AND h.position + 2"
    " WHERE m.search_key = h.search_key OR (m.kind = 'message' AND NOT m.is_hidden"
    " AND m.role NOT IN ('tool', 'system', 'developer'))"
)
_AROUND = {
    "sqlite": _BESIDE.format(
        hits="json_each(%s) j CROSS JOIN threads_message h", key="j.value", join="CROSS JOIN"
    ),
    "postgresql": _BESIDE.format(
        hits="json_array_elements_text(%s) j JOIN threads_message h",
        key="j.value::bigint",
        join="JOIN",
    ),
}


def with_recency(rows: Iterable[Scored], now_key: int) -> list[Scored]:
    """Return `rows` with newer ones a little higher, best first."""
    rated = [
        (key, thread, score * (1 + _RECENCY * 0.5 ** (max(0, now_key - key) / _HALF_LIFE)))
        for key, thread, score in rows
    ]
    return sorted(rated, key=lambda row: (-row[2], -row[0]))


def with_neighbours(
    connection: BaseDatabaseWrapper, rows: list[Scored], *, only_hits: bool = False
) -> list[Scored]:
    """Return `rows` and the messages next to them, by what a whole passage is worth; a query.

    An answer often stands beside the words of the question: "Where do you live?" – "Lyon".
    With `only_hits` messages that are no hits themselves stay out. Best first, then newest.
    """
    if not rows:
        return []
    scores = {key: score for key, _thread, score in rows}
    best: dict[int, float] = defaultdict(float)
    for _key, thread, score in rows:
        best[thread] = max(best[thread], score)
    mixed: dict[int, float] = {}
    threads: dict[int, int] = {}
    around = rows_of(connection, _AROUND[connection.vendor], [str(list(scores))])
    for hit, key, thread, distance in around:
        if key not in mixed:
            mixed[key], threads[key] = _OF_THREAD_BEST * best[thread], thread
        mixed[key] += _SHARES[abs(distance)] * scores[hit]
    ranked = [
        (key, threads[key], score) for key, score in mixed.items() if not only_hits or key in scores
    ]
    return sorted(ranked, key=lambda row: (-row[2], -row[0]))
