"""Looks hits up in the text itself: exact phrases, characters and regular expressions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.excerpts import Marker
from threads.search.lookups import Entry
from threads.search.plan import Plan
from threads.search.query import And, Node, Phrase
from threads.search.rows import texts

SCAN_ROWS = 20_000  # messages whose text a slow scan looks at
SCAN_SECONDS = 2.0  # and for how long
_BATCH = 30  # messages that are looked up at first
_MOST = 2_000  # and later


class Verifier:
    """Drops hits whose text does not hold what was asked.

    The index knows stems, so "late delivery" also brings "late deliveries"; substrings and
    regular expressions it does not know at all. `is_complete`: all that was given was looked at.
    """

    def __init__(self, connection: BaseDatabaseWrapper, plan: Plan) -> None:
        self._connection = connection
        self._plan = plan
        phrases = _conjunct_phrases(plan.text)
        self._marker = Marker(phrases) if phrases else None
        self._predicates = plan.predicates
        self.is_complete = True

    @property
    def is_needed(self) -> bool:
        return self._marker is not None or bool(self._predicates)

    def again(self) -> Verifier:
        """Return another one that has looked at nothing yet."""
        return Verifier(self._connection, self._plan)

    def kept(self, rows: Iterable[Entry]) -> Iterator[Entry]:
        """Yield those of `rows` that hold, in batches that grow; a query for each."""
        if not self.is_needed:
            yield from rows
            return
        deadline = time.monotonic() + SCAN_SECONDS
        rows = iter(rows)
        read, size = 0, _BATCH
        while batch := list(islice(rows, size)):
            found = texts(self._connection, [key for key, _thread in batch])
            for row in batch:
                if time.monotonic() > deadline:
                    self.is_complete = False
                    return
                if self._holds(found.get(row[0], "")):
                    yield row
            read, size = read + len(batch), min(size * 4, _MOST)
            if read >= SCAN_ROWS:
                self.is_complete = False
                return

    def _holds(self, text: str) -> bool:
        return (self._marker is None or self._marker.holds_all(text)) and all(
            predicate(text) for predicate in self._predicates
        )


def _conjunct_phrases(text: Node | None) -> list[Phrase]:
    """Phrases that every hit must hold; those inside OR are left to the index."""
    nodes = text.children if isinstance(text, And) else (text,)
    return [node for node in nodes if isinstance(node, Phrase)]
