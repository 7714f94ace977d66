"""Counts what a page in the order of time has not read to its end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from threads.search.lookups import Lookup
from threads.search.plan import Plan
from threads.search.tally import Counts, Totals
from threads.search.texts import Verifier


@dataclass(frozen=True, slots=True)
class Further:
    """The hits of `plan` beyond those that the page has met, counted up to `most`."""

    verifier: Verifier  # of the texts of `plan`, as the page has used it
    plan: Plan
    lookup: Lookup
    newest_first: bool
    with_titles: bool
    most: int

    def counts(self) -> Counts:
        """Return the counts; a query, unless the texts have to be looked at as well."""
        if self.verifier.is_needed:
            return Counts(None, self._verified)
        found = self.lookup.count(self.most + 1) if self.plan.reads_messages else 0
        return Counts(min(found, self.most), lambda: self._totals(found))

    def _totals(self, found: int) -> Totals:
        in_threads: dict[int, int] = {}
        if self.plan.reads_messages:
            in_threads = self.lookup.in_threads(self.most, newest_first=self.newest_first)
        titles = self._titles()
        return Totals(
            messages=min(found, self.most),
            threads=len(in_threads.keys() | titles),
            is_exact=found <= self.most and len(titles) <= self.most,
            in_threads=in_threads,
        )

    def _verified(self) -> Totals:
        """Look the first hits up in their texts, as the page does; a few queries."""
        verifier = self.verifier.again()
        in_threads: dict[int, int] = {}
        read = 0
        if self.plan.reads_messages:
            rows = list(islice(self.lookup.hits(newest_first=self.newest_first), self.most + 1))
            read = len(rows)
            for _key, thread in verifier.kept(rows[: self.most]):
                in_threads[thread] = in_threads.get(thread, 0) + 1
        titles = self._titles()
        return Totals(
            messages=sum(in_threads.values()),
            threads=len(in_threads.keys() | titles),
            is_exact=read <= self.most and len(titles) <= self.most and verifier.is_complete,
            in_threads=in_threads,
        )

    def _titles(self) -> set[int]:
        if not self.with_titles:
            return set()
        rows = self.lookup.titles(newest_first=self.newest_first)
        return {thread for _key, thread in islice(rows, self.most + 1)}
