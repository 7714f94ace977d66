"""What a search asks a database for: hits in order, the best ones, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.plan import Plan

Entry = tuple[int, int]  # search key, thread id
Scored = tuple[int, int, float]  # search key, thread id, score: the higher the better


class Lookup(Protocol):
    """One plan against one database. Every method is one query unless it says otherwise."""

    def __init__(self, connection: BaseDatabaseWrapper, plan: Plan) -> None: ...

    def hits(self, *, newest_first: bool) -> Iterator[Entry]:
        """Yield the messages that match in the order of time; reads only as far as asked."""

    def best(self, count: int, *, low: int | None = None) -> list[Scored]:
        """Return the `count` best of the messages with a key of `low` or more, best first."""

    def count(self, cap: int) -> int:
        """Return how many messages match, at most `cap`."""

    def count_aside(self, cap: int) -> int:
        """Return how many match, at most `cap`, in what searches leave out unless asked."""

    def newest(self, cap: int) -> tuple[int, int | None]:
        """Return how many messages match, at most `cap`, and the lowest key of the newest so many.

        None: there are fewer.
        """

    def about(self, cap: int) -> tuple[int, int | None]:
        """Return the same, where it costs less from a sample: how rare a word is, about."""

    def in_threads(self, cap: int, *, newest_first: bool) -> dict[int, int]:
        """Return how many of the first `cap` hits each thread has, in the order of time."""

    def hits_in(self, spans: Sequence[tuple[int, int, int]], cap: int) -> dict[int, int]:
        """Return the number of hits, at most `cap`, for each (thread id, first, last key)."""

    def titles(self, *, newest_first: bool) -> Iterator[Entry]:
        """Yield threads whose title, remark or ids match, in the order of their beginning.

        The key is that of a message of the thread's first second.
        """

    def best_titles(self, count: int) -> list[tuple[int, float]]:
        """Return the thread ids and scores of the `count` best of these.

        Of very many only the newest are ranked.
        """
