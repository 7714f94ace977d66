"""How many calls a connection may make: counted across all processes, refused before the call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.core.cache import cache

from projects.models import Connection
from threads.sources import SourceError

_SLOT_SECONDS = 10
_SLOTS = 6  # full slots that, with the running one, cover any 60 seconds
_DAY_SECONDS = 86_400


class BudgetSpent(SourceError):
    """The connection's own limit of calls is reached. Nothing was sent.

    :param wait_seconds: how long until there may be room again.
    """

    def __init__(self, message: str = "", *, wait_seconds: float = _SLOT_SECONDS) -> None:
        super().__init__(message or "The calls per minute of this connection are used up.")
        self.wait_seconds = wait_seconds


class CallBudget:
    """Lets through as many calls as the connection allows in any 60 seconds, and in a UTC day.

    Counted in slots of ten seconds: no window of a minute ever holds more than the limit. Safe
    from many threads and processes at once; a count that goes too far is taken back.

    :param share: the part of the limit that this use may take; the rest is for people.
    :param most: calls that this use may make in all. None: no such limit.
    :param waits: wait for room instead of refusing. For a foreground command only.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        share: float = 1.0,
        waits: bool = False,
        most: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        full = connection.accepted_rate or connection.calls_per_minute
        self.limit = max(1, int(min(full, connection.calls_per_minute) * share))
        self._day_limit = connection.calls_per_day
        self._name = f"calls:{connection.pk}"
        self._most, self._taken, self._lock = most, 0, threading.Lock()
        self._waits, self._clock, self._sleep = waits, clock, sleep

    def take(self) -> None:
        """Count one call. :raises BudgetSpent: when it would be one too many."""
        with self._lock:
            if self._most is not None and self._taken >= self._most:
                raise BudgetSpent("As many calls as were allowed have been made.")
            self._taken += 1
        while True:
            try:
                self._take()
            except BudgetSpent as spent:
                if not self._waits or spent.wait_seconds > _SLOT_SECONDS:
                    raise
                self._sleep(min(1.0, spent.wait_seconds))
            else:
                return

    def left(self) -> int:
        """Return how many calls there is room for now."""
        names = self._names(int(self._clock()) // _SLOT_SECONDS)
        used: int = sum(cache.get_many(names).values())
        left = max(0, self.limit - used)
        return left if self._day_limit is None else min(left, self._left_today(self._day_limit))

    def is_day_spent(self) -> bool:
        """Tell whether the calls per day are used up: more are made from midnight on, UTC."""
        return self._day_limit is not None and not self._left_today(self._day_limit)

    def _left_today(self, limit: int) -> int:
        used: int = cache.get(self._day(self._clock()), 0)
        return max(0, limit - used)

    def _day(self, moment: float) -> str:
        return f"{self._name}:day:{int(moment) // _DAY_SECONDS}"

    def _names(self, slot: int) -> list[str]:
        return [f"{self._name}:{slot - back}" for back in range(_SLOTS + 1)]

    def _take(self) -> None:
        moment = self._clock()
        current, *earlier = self._names(int(moment) // _SLOT_SECONDS)
        used = self._count(current, seconds=_SLOT_SECONDS * (_SLOTS + 2))
        if used + sum(cache.get_many(earlier).values()) > self.limit:
            cache.decr(current)
            raise BudgetSpent(wait_seconds=_SLOT_SECONDS - moment % _SLOT_SECONDS)
        if self._day_limit is None:
            return
        day = self._day(moment)
        if self._count(day, seconds=2 * _DAY_SECONDS) > self._day_limit:
            cache.decr(day)
            cache.decr(current)
            raise BudgetSpent(
                "The calls per day of this connection are used up.",
                wait_seconds=_DAY_SECONDS - moment % _DAY_SECONDS,
            )

    @staticmethod
    def _count(name: str, *, seconds: int) -> int:
        cache.add(name, 0, timeout=seconds)
        return cache.incr(name)
