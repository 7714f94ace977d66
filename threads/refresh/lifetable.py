"""The life table of silences: after how long a silence, how often, did somebody speak again?

Counted from the times of messages alone, so it needs no history of visits, is the same whatever
was visited when, and is ready with the first import. A silence that goes on counts up to the
moment in which the thread was last read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

# Ages of a silence, in seconds: below 20 s, then each twice as wide; the last one is open.
EDGES = [0.0, *(20.0 * 2.0**power for power in range(20))]
BUCKETS = len(EDGES)
# A session is over when nothing was said for this many seconds.
IDLE_SECONDS = 1_800.0
# A silence that began so long ago counts half, one of twice that age a quarter: habits change.
HALF_LIFE_SECONDS = 30 * 86_400.0
# Threads that were taken up again are a different kind: 1, 2, 3 to 5, 6 and more sessions.
CLASSES = 4


def bucket(age_seconds: float) -> int:
    """Return the number of the age bucket that `age_seconds` falls into."""
    if age_seconds < EDGES[1]:
        return 0
    return min(BUCKETS - 1, math.frexp(age_seconds / EDGES[1])[1])


def session_class(sessions: int) -> int:
    """Return the class of a thread that has had so many sessions."""
    if sessions < 3:
        return 0 if sessions < 2 else 1
    return 2 if sessions < 6 else 3


def _zeros() -> list[list[float]]:
    return [[0.0] * BUCKETS for _ in range(CLASSES)]


@dataclass(slots=True)
class LifeTable:
    """Events and seconds at risk by session class and age bucket, and what returns bring.

    `return_sessions`: how often a thread was taken up again after `IDLE_SECONDS` of silence;
    `return_messages` and `return_seconds`: how many messages came then, over how long.
    """

    events: list[list[float]] = field(default_factory=_zeros)
    exposure: list[list[float]] = field(default_factory=_zeros)
    return_sessions: float = 0.0
    return_messages: float = 0.0
    return_seconds: float = 0.0

    def add_gap(
        self, sessions: int, begin: float, end: float, *, is_ended: bool, weight: float = 1.0
    ) -> None:
        """Count a silence watched from age `begin` to age `end`, ended by a message or not."""
        kind, low, high = session_class(sessions), bucket(begin), bucket(end)
        exposure = self.exposure[kind]
        for number in range(low, high):
            exposure[number] += weight * (EDGES[number + 1] - max(begin, EDGES[number]))
        exposure[high] += weight * max(0.0, end - max(begin, EDGES[high]))
        if is_ended:
            self.events[kind][high] += weight

    def add_gaps(
        self, kind: int, number: int, *, count: float, seconds: float, is_ended: bool
    ) -> None:
        """Count `count` silences of class `kind`, all from age 0 into bucket `number`.

        :param seconds: how long they were altogether.
        """
        exposure = self.exposure[kind]
        for younger in range(number):
            exposure[younger] += count * (EDGES[younger + 1] - EDGES[younger])
        exposure[number] += max(0.0, seconds - count * EDGES[number])
        if is_ended:
            self.events[kind][number] += count

    def add_visit(
        self,
        times: Iterable[float],
        *,
        now: float,
        sessions: int = 0,
        last_message_at: float | None = None,
        synced_at: float | None = None,
        weigh: Callable[[float], float] | None = None,
    ) -> None:
        """Count what a visit has shown. All times are seconds on one clock.

        :param times: of the messages that the visit brought, oldest first.
        :param sessions: how many the thread had had before them.
        :param last_message_at: of the last message before them; None when there was none.
        :param synced_at: of the visit before this one, up to which all was counted then.
        :param weigh: what a silence that began at a time counts; None: one.
        """
        last = last_message_at
        counted = 0.0 if last is None or synced_at is None else max(0.0, synced_at - last)
        for moment in times:
            if last is None:
                sessions = max(1, sessions)
            else:
                gap = max(0.0, moment - last)
                weight = 1.0 if weigh is None else weigh(last)
                self.add_gap(sessions, min(counted, gap), gap, is_ended=True, weight=weight)
                if gap > IDLE_SECONDS:
                    sessions += 1
                    self.return_sessions += weight
                    self.return_messages += weight
                elif sessions > 1:
                    self.return_messages += weight
                    self.return_seconds += weight * gap
            last, counted = (moment if last is None else max(last, moment)), 0.0
        if last is not None and now - last > counted:
            weight = 1.0 if weigh is None else weigh(last)
            self.add_gap(sessions, counted, now - last, is_ended=False, weight=weight)

    def add(self, other: LifeTable) -> None:
        """Add another table's counts to this one."""
        for mine, others in ((self.events, other.events), (self.exposure, other.exposure)):
            for row, more in zip(mine, others, strict=True):
                for number, value in enumerate(more):
                    row[number] += value
        self.return_sessions += other.return_sessions
        self.return_messages += other.return_messages
        self.return_seconds += other.return_seconds

    def totals(self) -> Totals:
        """Return events and exposure by age bucket, over all classes."""
        return Totals(
            [sum(column) for column in zip(*self.events, strict=True)],
            [sum(column) for column in zip(*self.exposure, strict=True)],
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Events and exposure by age bucket, over all projects and classes."""

    events: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)
    exposure: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)
