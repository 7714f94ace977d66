"""Waiting: for the guarantee, for a full reading, after failures and refusals."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from threads.refresh.rounds import GUARANTEE_SHARE

# Nothing stays unread for longer than about this, whatever its score says.
LONGEST_UNSYNCED = timedelta(days=7)
# Visits to a small thread re-read all of it (one page is one call anyhow) when this has passed.
FULL_READ_EVERY = timedelta(days=7)
# Larger threads cost a call a page, so they are compared in full less often.
LARGE_FULL_READ_EVERY = timedelta(days=30)
SMALL_THREAD = 100  # items: what fits into one page
PEOPLE_SHARE = 0.1  # of a connection's calls: left to people who press Refresh
GONE_AFTER = timedelta(days=1)  # two answers "no such thread" this far apart are believed
_RETRY_FIRST = timedelta(minutes=1)
_RETRY_LONGEST = timedelta(hours=6)
_THROTTLE_PAUSE = timedelta(seconds=20)  # after a 429 that does not say how long
_SLOWEST_SHARE = 1 / 64  # of the calls per minute, however often the server refuses
_RECOVERY_MINUTES = 20


def guarantee(identity: str, *, threads: int, calls_per_minute: float) -> timedelta:
    """Return after how long unread a thread is visited whatever its score.

    Spread by ±25 % of the identity's hash, because an import gives all its threads the same
    time. Longer where the calls that are set aside could not keep the promise.
    """
    per_day = max(1.0, GUARANTEE_SHARE * calls_per_minute * 1440)
    longest = max(LONGEST_UNSYNCED, timedelta(days=threads / per_day))
    share = hashlib.blake2b(identity.encode(), digest_size=4).digest()
    return longest * (0.75 + 0.5 * int.from_bytes(share) / 2**32)


def is_full_read_due(*, items: int, last_full_at: datetime | None, now: datetime) -> bool:
    """Tell whether this visit should read the thread from its start, to see edits and removals."""
    if last_full_at is None:
        return False  # its first read is still going on; it ends as a full one
    every = FULL_READ_EVERY if items < SMALL_THREAD else LARGE_FULL_READ_EVERY
    return now - last_full_at >= every


def retry_at(
    failures: int, *, now: datetime, chance: Callable[[], float] = random.random
) -> datetime:
    """Return when to ask again after the n-th failure in a row: doubling, with full jitter."""
    longest = min(_RETRY_LONGEST, _RETRY_FIRST * float(2 ** min(failures, 16)))
    return now + max(timedelta(seconds=5), longest * chance())


def pause_until(retry_after_seconds: float | None, *, now: datetime) -> datetime:
    """Return when a connection that was told "too many calls" may go on, a day at the latest."""
    if retry_after_seconds is None or not math.isfinite(retry_after_seconds):
        return now + _THROTTLE_PAUSE
    return now + timedelta(seconds=min(max(retry_after_seconds, 1.0), 86_400.0))


def slower(rate: float | None, *, full: int) -> float:
    """Return the calls per minute after a 429: half, but never less than a 64th of `full`."""
    return max(full * _SLOWEST_SHARE, (full if rate is None else rate) / 2)


def recovered(rate: float | None, *, full: int, minutes: float = 1.0) -> float | None:
    """Return the rate after `minutes` without a 429; None when all of `full` is accepted again."""
    if rate is None:
        return None
    faster = rate + minutes * full / _RECOVERY_MINUTES
    return None if faster >= full else faster
