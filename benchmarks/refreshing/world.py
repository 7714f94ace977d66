"""The threads upstream, what a server accepts, and what became of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from conversations import DAY, Load

from threads import refresh

TICK_SECONDS = 20.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WARM_DAYS = COOL_DAYS = 1.0  # at both ends: played, not counted


@dataclass(frozen=True, slots=True)
class Setting:
    """What is played: the calls, how long, and what the server accepts (429 above it)."""

    calls_per_minute: float
    days: float
    tick_seconds: float = TICK_SECONDS
    accepts: Callable[[float], float] | None = None


@dataclass(slots=True)
class Figures:
    """What became of a simulation. Times are seconds."""

    mean: float
    median: float
    p95: float
    hit_rate: float
    calls: int
    refused: int
    busiest_minute: int
    longest_unsynced: float
    seconds: float = 0.0


class World:
    """The threads upstream, and what the archive has seen of them."""

    def __init__(self, load: Load, setting: Setting) -> None:
        self.load, self.setting = load, setting
        lengths = np.array([len(times) for times in load.times])
        self.ends = np.cumsum(lengths)
        self.starts = self.ends - lengths
        self.flat = np.concatenate(load.times)
        self.births = self.flat[self.starts]
        self.seen_at = np.full(len(self.flat), np.nan)
        # How many messages the archive has of each thread; all that lie before the start.
        self.known = np.array([int(np.searchsorted(times, 0.0)) for times in load.times])
        self.seen_at[self.flat < 0] = 0.0
        self.count = int(np.searchsorted(self.births, 0.0))  # of threads born so far
        self.last = self.births.copy()
        held = np.flatnonzero(self.known)
        self.last[held] = self.flat[self.starts[held] + self.known[held] - 1]
        self.synced = np.where(np.arange(len(lengths)) < self.count, 0.0, self.births)
        self.upcoming = np.full(len(lengths), np.inf)
        more = np.flatnonzero(self.known < lengths)
        self.upcoming[more] = self.flat[self.starts[more] + self.known[more]]
        self.calls = self.hits = self.refused = 0
        self.longest_unsynced = 0.0
        self.made: list[tuple[float, int]] = []
        self._rate: float | None = None
        self._paused_until = 0.0

    def ticks(self) -> Iterator[tuple[float, int, range]]:
        """Yield for each tick: now, how many calls there are, and the threads born since."""
        saved = 0.0
        step = self.setting.tick_seconds
        full = self.setting.calls_per_minute
        for number in range(1, int(self.setting.days * DAY / step) + 1):
            now = number * step
            before, self.count = self.count, int(np.searchsorted(self.births, now, side="right"))
            born = range(before, self.count)
            if now < self._paused_until:
                yield now, 0, born
                continue
            self._rate = refresh.recovered(self._rate, full=full, minutes=step / 60)
            saved += (full if self._rate is None else self._rate) * step / 60
            calls = int(saved)
            saved -= calls
            yield now, calls, born

    def accepted(self, chosen: list[int], now: float) -> list[int]:
        """Return those whose calls the server answers; for the others it says 429."""
        self.made.append((now, len(chosen)))
        if self.setting.accepts is None:
            return chosen
        limit = self.setting.accepts(now) * self.setting.tick_seconds / 60
        # A limit of so many a minute has room for one and a third in one tick, two in another.
        room = int(limit * (number := round(now / self.setting.tick_seconds))) - int(
            limit * (number - 1)
        )
        if len(chosen) <= room:
            return chosen
        self.refused += len(chosen) - room
        self._rate = refresh.slower(self._rate, full=self.setting.calls_per_minute)
        pause = refresh.pause_until(None, now=EPOCH) - EPOCH
        self._paused_until = now + pause.total_seconds()
        return chosen[:room]

    def read(self, key: int, now: float) -> np.ndarray:
        """Spend a call on a thread; return the times of the messages that it shows."""
        begin = self.starts[key] + self.known[key]
        self.calls += 1
        self.longest_unsynced = max(self.longest_unsynced, now - self.synced[key])
        self.synced[key] = now
        if self.upcoming[key] > now:
            return self.flat[begin:begin]
        self.hits += 1
        end = begin + int(np.searchsorted(self.flat[begin : self.ends[key]], now, side="right"))
        self.seen_at[begin:end] = now
        self.known[key] += end - begin
        self.last[key] = self.flat[end - 1]
        self.upcoming[key] = self.flat[end] if end < self.ends[key] else np.inf
        return self.flat[begin:end]

    def figures(self) -> Figures:
        end = self.setting.days * DAY
        counts = (self.flat >= WARM_DAYS * DAY) & (self.flat < end - COOL_DAYS * DAY)
        seen = np.where(np.isnan(self.seen_at), end, self.seen_at)[counts]
        waited = seen - self.flat[counts]
        minutes = np.array([moment for moment, _ in self.made])
        made = np.cumsum([0, *(number for _, number in self.made)])
        first = np.searchsorted(minutes, minutes - 60, side="right")
        busiest = int((made[1:] - made[first]).max())
        never = float((end - self.synced[: self.count]).max())
        return Figures(
            mean=float(waited.mean()),
            median=float(np.median(waited)),
            p95=float(np.percentile(waited, 95)),
            hit_rate=self.hits / max(1, self.calls),
            calls=self.calls,
            refused=self.refused,
            busiest_minute=busiest,
            longest_unsynced=max(self.longest_unsynced, never),
        )
