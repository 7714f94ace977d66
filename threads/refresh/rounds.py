"""One round of the refresh: whom to read with the calls there are, and when to look again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from threads.refresh.expectation import Expectation, Silence

# Candidates looked at for each call there is, and at the least.
POOL_FACTOR = 8
SMALLEST_POOL = 32
# Of the calls of a round: what newly added threads may take while others wait, and those that
# nothing has read for longest.
NEW_SHARE = 0.5
GUARANTEE_SHARE = 0.2
# After a visit a thread is left alone for this long whatever it scores, and for a month at most;
# one that was due and found no call is looked at again after the second.
SHORTEST_PAUSE_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 30 * 86_400.0
# So many times the calls of a round may move back, those that wait longest first: what a round
# writes is bounded, also in the hour in which the cut-off climbs. Among 100,000 threads messages
# waited no longer than where all move (2,895 s and 3,333 s; twice as many: 3,057 s).
MOVED_FACTOR = 1
# The cut-off closes in on the lowest score that was still worth a call: 2 % in 20 s.
_GAIN, _GAIN_SECONDS = 0.02, 20.0
# Below this nothing is worth a call when calls are to be saved, in message-seconds: measured to
# halve the calls for 2.3 times the staleness of using all of them.
ECONOMY_THRESHOLD = 30.0


class Look(NamedTuple):
    """A thread that may be read: its silence, and how long ago its last visit was, in seconds.

    `is_due`: it is time to look at it; the others are there to use calls that nobody needs.
    """

    key: int
    silence: Silence
    since_sync: float
    expectation: Expectation
    is_due: bool = True

    @property
    def score(self) -> float:
        return self.expectation.score(self.silence, self.since_sync)


@dataclass(slots=True)
class Round:
    """Whom to read, best first; the scores of those that were looked at and read.

    `later`: in how many seconds to look again at those that move back; the others that were due
    and not read are looked at again in the next round, where they stand. `left_alone` counts both.
    """

    keys: list[int] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    later: dict[int, float] = field(default_factory=dict)
    left_alone: int = 0
    threshold: float = 0.0


def pool_size(calls: int) -> int:
    """Return how many threads, the earliest due first, a round with so many calls looks at."""
    return max(SMALLEST_POOL, POOL_FACTOR * calls)


def plan_round(
    *,
    new: Sequence[int],
    overdue: Sequence[Look],
    pool: Sequence[Look],
    calls: int,
    threshold: float,
    lowest: float = 0.0,
    calls_for_new: int = 1,
    seconds: float = 20.0,
    chance: Callable[[], float] = random.random,
) -> Round:
    """Choose at most so many threads that `calls` are enough for them.

    New ones first, then those unread for longest, then the highest scores of the pool.

    :param new: keys of threads never read, first come first.
    :param overdue: unread for longer than is guaranteed, longest first.
    :param pool: those that are due earliest, at least `pool_size(calls)` if there are as many.
    :param threshold: the score at which a thread is due; `lowest` is what it never sinks below.
    :param calls_for_new: how many calls the first reading of a thread takes.
    :param seconds: since the round before.
    :param chance: from 0 to 1; decides where a share of the calls is no whole number.
    """
    ranked = [(look.score, look) for look in pool]
    ranked.sort(key=lambda pair: pair[0], reverse=True)
    worthy = [(score, look) for score, look in ranked if score >= lowest]
    result = Round(threshold=threshold)

    others = min(calls, len(worthy) + len(overdue))
    for_new = max(calls - others, int(calls * NEW_SHARE + chance()))
    count = int(for_new / calls_for_new + chance())
    if others == 0 and calls > 0:
        count = max(count, 1)  # its second call may come a round later
    result.keys += new[:count]
    room = max(0, calls - calls_for_new * len(result.keys))

    for look in overdue[: min(room, int(calls * GUARANTEE_SHARE + chance()))]:
        result.keys.append(look.key)
        result.scores[look.key] = look.score
        room -= 1

    taken = set(result.keys)
    lowest_read = None
    for score, look in worthy:
        if room < 1:
            break
        if look.key not in taken:
            result.keys.append(look.key)
            taken.add(look.key)
            result.scores[look.key] = lowest_read = score
            room -= 1
    result.threshold = move_threshold(
        threshold, lowest_read=lowest_read, lowest=lowest, seconds=seconds
    )
    result.later, result.left_alone = _moved_back(
        [(score, look) for score, look in ranked if look.is_due and look.key not in taken],
        result.threshold,
        most=max(SMALLEST_POOL, MOVED_FACTOR * calls),
        # Where all that was looked at is due, others wait behind it.
        after=0.0 if all(look.is_due for look in pool) else seconds,
    )
    return result


def _moved_back(
    ranked: Sequence[tuple[float, Look]], threshold: float, *, most: int, after: float
) -> tuple[dict[int, float], int]:
    """Return in how many seconds to look again at those that found no call, and how many they are.

    Without this the same rows would be looked at in every round: 3 to 8 times the staleness. What
    would be due again within `after` seconds stays where it is: moving it is a write for nothing.
    """
    waits = {}
    for score, look in ranked:
        wait = LOOK_AGAIN_SECONDS
        if score < threshold:
            due = next_visit(look.expectation, look.silence, threshold=threshold)
            wait = min(max(due - look.since_sync, wait), LONGEST_PAUSE_SECONDS)
        if wait > after:
            waits[look.key] = wait
    if len(waits) > most:
        waits = dict(sorted(waits.items(), key=lambda item: item[1], reverse=True)[:most])
    return waits, len(ranked)


def next_visit(expectation: Expectation, silence: Silence, *, threshold: float) -> float:
    """Return in how many seconds after a visit a thread is due again."""
    seconds = expectation.seconds_until(silence, threshold)
    return min(max(seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def move_threshold(
    threshold: float, *, lowest_read: float | None, lowest: float = 0.0, seconds: float = 20.0
) -> float:
    """Return the cut-off after a round whose lowest score read was `lowest_read`.

    It settles where the calls are just used up. None (nothing was worth a call) lets it sink.
    """
    target = lowest if lowest_read is None else lowest_read
    gain: float = 1 - (1 - _GAIN) ** (seconds / _GAIN_SECONDS)
    return max(lowest, threshold + gain * (target - threshold))
