"""How much there is: counted from the hits that a page has read, and a little further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from threads.search.lookups import Entry, Lookup
from threads.search.plan import Plan

COUNT_CAP = 1_000  # hits are counted so far; more are told as "1,000+"


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals; where not `is_exact`, there are at least so many. `in_threads`: None: not known."""

    messages: int = 0
    threads: int = 0
    is_exact: bool = True
    in_threads: Counter[int] | None = field(default_factory=Counter)


def counts_of(
    hits: Iterable[Entry], titles: Iterable[Entry], *, messages: int, is_exact: bool
) -> Counts:
    """Return the counts that follow from the hits and titles that were read."""
    in_threads = Counter([thread for _key, thread in hits])
    named = {thread for _key, thread in titles}
    threads = len(named | in_threads.keys()) if named else len(in_threads)
    return Counts(messages, threads, is_exact, in_threads)


class Tally:
    """Remembers what is read of a plan's hits and titles, and counts the rest up to a cap.

    Up to COUNT_CAP hits everything is exact: messages, threads and the hits in each thread. Of
    more than that only the first ones are read, and threads and hits are counted in these.
    """

    def __init__(self, lookup: Lookup, plan: Plan, *, newest_first: bool = True) -> None:
        self._lookup = lookup
        self._hits = lookup.hits(newest_first=newest_first) if plan.reads_messages else iter(())
        self._titles = lookup.titles(newest_first=newest_first) if plan.reads_titles else iter(())
        self._read: list[Entry] = []
        self._read_titles: list[Entry] = []

    def hits(self) -> Iterator[Entry]:
        """Yield the hits in order; each is read once."""
        return _noted(self._hits, self._read)

    def titles(self) -> Iterator[Entry]:
        """Yield the threads whose titles match in order; each is read once."""
        return _noted(self._titles, self._read_titles)

    def counts(self) -> Counts:
        """Read or count what was not read; a query when it is much."""
        ahead = self._lookup.ahead
        self._read += islice(self._hits, max(0, ahead - len(self._read)))
        messages = len(self._read)
        if messages >= ahead:
            messages = self._lookup.count(COUNT_CAP + 1)
        is_few = messages <= COUNT_CAP
        if is_few:
            self._read += self._hits
        limit = (COUNT_CAP if is_few else ahead) + 1
        self._read_titles += islice(self._titles, max(0, limit - len(self._read_titles)))
        return counts_of(
            self._read,
            self._read_titles,
            messages=min(messages, COUNT_CAP),
            is_exact=is_few and len(self._read_titles) < limit,
        )


def _noted(rows: Iterator[Entry], notes: list[Entry]) -> Iterator[Entry]:
    for row in rows:
        notes.append(row)
        yield row
