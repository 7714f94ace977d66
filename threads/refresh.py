"""When is a thread read next? Pure: numbers in, numbers out; the tables are around it.

The score of a thread is the message-seconds of waiting that one call is expected to end. How
soon a silent thread speaks again falls about as 1 / age, so the best interval grows with the
square root of the age: doubling it after each vain visit would ask busy threads too often and
old ones too seldom.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

# A session is over when nothing was said for this long.
IDLE = timedelta(minutes=30)
# Nothing stays unread for longer than about this, whatever its score says.
LONGEST_UNSYNCED = timedelta(days=7)
# Visits to a small thread re-read all of it (one page is one call anyhow) when this has passed.
FULL_READ_EVERY = timedelta(days=7)
# Larger threads cost a call a page, so they are compared in full less often.
LARGE_FULL_READ_EVERY = timedelta(days=30)
SMALL_THREAD = 100  # items: what fits into one page
# Next to now: even a thread that scores high is left alone for this long after a visit.
SHORTEST_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(days=30)
# The share of a connection's calls that the guarantee, newly added threads and people may take.
GUARANTEE_SHARE = 0.2
NEW_SHARE = 0.5
PEOPLE_SHARE = 0.1
POOL_FACTOR = 8  # candidates looked at for each call there is
THRESHOLD_GAIN = 0.02
# No call is made that is expected to end less waiting than this, in message-seconds: measured to
# halve the calls for 2.3 times the staleness of using all of them.
LOWEST_THRESHOLD = 30.0
_CERTAIN_AGE = 30.0  # seconds added to an age, so that a score stays finite at 0
GONE_AFTER = timedelta(days=1)  # two answers "no such thread" this far apart are believed
_RETRY_FIRST = timedelta(minutes=1)
_RETRY_LONGEST = timedelta(hours=6)
_THROTTLE_PAUSE = timedelta(seconds=20)  # after a 429 that does not say how long
_SLOWEST_SHARE = 1 / 64  # of the calls per minute, however often the server refuses
_RECOVERY_MINUTES = 20


@dataclass(frozen=True, slots=True)
class Silence:
    """What the score of a thread depends on, in seconds.

    `age_at_sync`: how long it had been silent when it was last read.
    """

    age_at_sync: float

    @classmethod
    def of(cls, *, last_message_at: datetime | None, synced_at: datetime) -> Silence:
        """Build it from times; a thread without any message counts as just begun."""
        if last_message_at is None:
            return cls(0.0)
        return cls(max(0.0, (synced_at - last_message_at).total_seconds()))


def score(silence: Silence, *, since_sync_seconds: float) -> float:
    """Return the message-seconds of waiting that a call is expected to end.

    This is the form without a learned table: tau² / (age - tau / 2 + 30 s), where tau is the
    time since the last visit and age the time since the last message that is known.
    """
    tau = max(0.0, since_sync_seconds)
    age = silence.age_at_sync + tau
    return tau * tau / (age - tau / 2 + _CERTAIN_AGE)


def seconds_until(silence: Silence, threshold: float) -> float:
    """Return how long after a visit the score reaches `threshold` message-seconds.

    tau² = threshold * (age at the visit + tau / 2 + 30) is a quadratic equation in tau.
    """
    half = threshold / 4
    return half + math.sqrt(half * half + threshold * (silence.age_at_sync + _CERTAIN_AGE))


def next_visit(silence: Silence, *, synced_at: datetime, threshold: float) -> datetime:
    """Return when a thread that was read at `synced_at` is due again."""
    seconds = seconds_until(silence, max(threshold, LOWEST_THRESHOLD))
    pause = timedelta(seconds=min(seconds, 1e9))
    return synced_at + min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)


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


def move_threshold(threshold: float, *, lowest_read: float | None) -> float:
    """Return the cut-off after a round whose lowest score read was `lowest_read`.

    It settles where the calls are just used up. None (nothing was worth a call) lets it sink.
    """
    target = LOWEST_THRESHOLD if lowest_read is None else lowest_read
    return max(LOWEST_THRESHOLD, threshold + THRESHOLD_GAIN * (target - threshold))


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
