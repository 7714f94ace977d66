"""Counts and times of what this minute brings, over all processes: kept in the shared cache.

Monitoring writes each minute's down. A time is kept as the number of times within bounds, so that
a minute costs a dozen numbers however much happens in it, and a percentile can be told.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from time import time

from django.core.cache import cache

# Milliseconds; what takes longer than the last is counted as that.
BOUNDS_MS = (2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
_KEPT_SECONDS = 600  # a collector that comes late still finds its minute


def count(name: str, *, at: float | None = None) -> None:
    """Count one `name` in this minute; two calls to the cache. `at`: Unix time."""
    _add(f"telemetry:{name}:{int(at or time()) // 60}")


def observe(name: str, milliseconds: float, *, at: float | None = None) -> None:
    """Count one `name` that took `milliseconds`; two calls to the cache. `at`: Unix time."""
    place = min(bisect_left(BOUNDS_MS, milliseconds), len(BOUNDS_MS) - 1)
    _add(f"telemetry:{name}:{int(at or time()) // 60}:{place}")


def _add(key: str) -> None:
    cache.add(key, 0, timeout=_KEPT_SECONDS)
    cache.incr(key)


def counted(name: str, minute: datetime) -> int:
    """Return how many `name` there were in the minute that `minute` lies in."""
    found: int = cache.get(f"telemetry:{name}:{int(minute.timestamp()) // 60}", 0)
    return found


@dataclass(frozen=True, slots=True)
class Times:
    """How often something took how long; `counts` go with BOUNDS_MS."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """Return the milliseconds within which `share` (0 to 1) ended; None when nothing did.

        Interpolated between two bounds, as Prometheus does it for histograms.
        """
        wanted = share * self.total
        if not wanted:
            return None
        seen, lower = 0, 0.0
        for upper, number in zip(BOUNDS_MS, self.counts, strict=True):
            if number and seen + number >= wanted:
                return round(lower + (upper - lower) * (wanted - seen) / number, 1)
            seen, lower = seen + number, float(upper)
        return float(BOUNDS_MS[-1])


def observed(name: str, minute: datetime) -> Times:
    """Return the times of `name` in the minute that `minute` lies in; one call to the cache."""
    start = f"telemetry:{name}:{int(minute.timestamp()) // 60}"
    keys = [f"{start}:{place}" for place in range(len(BOUNDS_MS))]
    found = cache.get_many(keys)
    return Times(tuple(int(found.get(key, 0)) for key in keys))
