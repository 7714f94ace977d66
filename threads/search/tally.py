"""How much there is: messages are counted up to a cap, threads when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

COUNT_CAP = 1_000  # hits are counted so far where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Totals:
    """`in_threads` has the hits of each thread that was met. Not exact: at least so many."""

    messages: int = 0
    threads: int = 0
    is_exact: bool = True
    in_threads: Mapping[int, int] = field(default_factory=dict)


class Counts:
    """What a page tells of the whole: the number of hits, and what follows from a closer look.

    A list of twenty threads needs neither the number of all threads nor that of the hits in
    each; counting them can take longer than the list. `look` does it, at most once.
    """

    def __init__(self, messages: int | None, look: Callable[[], Totals]) -> None:
        """Take the number of messages, None where that needs a look, too."""
        self._messages = messages
        self._look = look

    @classmethod
    def known(cls, totals: Totals) -> Counts:
        """Return the counts of which everything is known already."""
        return cls(totals.messages, lambda: totals)

    @cached_property
    def _totals(self) -> Totals:
        return self._look()

    @property
    def messages(self) -> int:
        return self._totals.messages if self._messages is None else self._messages

    @property
    def threads(self) -> int:
        return self._totals.threads

    @property
    def is_exact(self) -> bool:
        return self._totals.is_exact

    def in_thread(self, thread: int) -> int:
        """Return how many hits the thread has, as far as they were counted."""
        return self._totals.in_threads.get(thread, 0)
