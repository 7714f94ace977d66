"""What a call is worth: how long messages have probably been waiting, times how many.

How soon a silent thread speaks again is read from the life table of its project; where that
knows little, from all projects; where nobody knows, from what chats have in common: the rate
falls about as 1 / age. So the best interval grows with the square root of the age: doubling it
after each vain visit would ask busy threads too often and old ones too seldom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from threads.refresh.lifetable import (
    BUCKETS,
    CLASSES,
    EDGES,
    LifeTable,
    Totals,
    bucket,
    session_class,
)

# How many events' worth of what is known more generally a table's own counts are mixed with.
_SHRINKAGE = 1.0
# Rate times age, over the decades of chats and issue threads that were measured: 0.09 to 0.44.
_RATE_TIMES_AGE = 0.13
_HALVINGS = 12  # of the interval that the factor leaves open


def _prior(number: int) -> float:
    low = EDGES[number]
    high = min(EDGES[number + 1] if number + 1 < BUCKETS else math.inf, 2 * low + 20)
    return _RATE_TIMES_AGE / (math.sqrt(max(low, 10.0) * high) + 10.0)


PRIOR = [_prior(number) for number in range(BUCKETS)]  # messages per second


class Silence(NamedTuple):
    """A thread that said nothing new, as far as it is known.

    `age_at_sync`: how many seconds it had been silent when it was last read.
    """

    age_at_sync: float
    session_count: int = 1


@dataclass(frozen=True, slots=True)
class Expectation:
    """The rates of one project: messages per second, by session class and age of the silence.

    `burst`: how many messages come when a thread is taken up again, over `burst_seconds`.
    """

    rates: list[list[float]] = field(default_factory=lambda: [PRIOR] * CLASSES)
    burst: float = 2.0
    burst_seconds: float = 300.0

    def score(self, silence: Silence, since_sync_seconds: float) -> float:
        """Return the message-seconds of waiting that a call is expected to end now."""
        waiting, _ = self._accrued(silence, since_sync_seconds)
        return waiting * self._factor(since_sync_seconds)

    def chance(self, silence: Silence, since_sync_seconds: float) -> float:
        """Return the probability that something new is there, from 0 to 1."""
        _, expected = self._accrued(silence, since_sync_seconds)
        return -math.expm1(-expected)

    def seconds_until(self, silence: Silence, threshold: float) -> float:
        """Return how many seconds after a visit the score reaches `threshold`."""
        rates = self.rates[session_class(silence.session_count)]
        waiting = expected = passed = 0.0
        age = max(0.0, silence.age_at_sync)
        for number in range(bucket(age), BUCKETS - 1):
            rate = rates[number]
            room = EDGES[number + 1] - age
            later = waiting + (expected + rate * room / 2) * room
            if later * self._factor(passed + room) >= threshold:
                break
            waiting, expected = later, expected + rate * room
            passed += room
            age = EDGES[number + 1]
        else:
            rate, room = rates[-1], math.inf
        return passed + self._within(
            waiting, expected, rate, passed=passed, room=room, threshold=threshold
        )

    def _accrued(self, silence: Silence, seconds: float) -> tuple[float, float]:
        """Return the expected message-seconds of waiting and the expected number of returns."""
        rates = self.rates[session_class(silence.session_count)]
        age, left = max(0.0, silence.age_at_sync), max(0.0, seconds)
        waiting = expected = 0.0
        number = bucket(age)
        while left > 0:
            step = left
            if number + 1 < BUCKETS:
                step = min(left, EDGES[number + 1] - age)
            rate = rates[number]
            waiting += (expected + rate * step / 2) * step
            expected += rate * step
            left -= step
            number = min(number + 1, BUCKETS - 1)
            age = EDGES[number]
        return waiting, expected

    def _factor(self, seconds: float) -> float:
        """Return how many messages wait for each that began a session `seconds` ago or less."""
        return 1 + (self.burst - 1) * min(1.0, seconds / (2 * self.burst_seconds))

    @staticmethod
    def _reached(waiting: float, expected: float, rate: float, threshold: float) -> float:
        """Return after how long `threshold` is reached at an even rate, without the factor."""
        missing = max(0.0, threshold - waiting)
        root = math.sqrt(expected * expected + 2 * rate * missing)
        return 2 * missing / (expected + root) if expected + root > 0 else math.inf

    def _within(
        self,
        waiting: float,
        expected: float,
        rate: float,
        *,
        passed: float,
        room: float,
        threshold: float,
    ) -> float:
        """Return how far into a bucket of even rate the score reaches `threshold`."""
        high = min(room, self._reached(waiting, expected, rate, threshold))
        low = self._reached(waiting, expected, rate, threshold / self.burst)
        if passed >= 2 * self.burst_seconds or low >= high:
            return min(low, high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            score = waiting + (expected + rate * middle / 2) * middle
            if score * self._factor(passed + middle) < threshold:
                low = middle
            else:
                high = middle
        return high


def fit(own: LifeTable, everybody: Totals) -> Expectation:
    """Return a project's rates, out of its own table and what all projects together show.

    Gamma-Poisson shrinkage: class to project, project to everybody, everybody to `PRIOR`.
    """
    k = _SHRINKAGE
    totals = own.totals()
    project = []
    for number, prior in enumerate(PRIOR):
        general = (everybody.events[number] + 1) / (everybody.exposure[number] + 1 / prior)
        project.append((totals.events[number] + k) / (totals.exposure[number] + k / general))
    rates = [
        [
            (events + k) / (exposure + k / rate)
            for events, exposure, rate in zip(counted, at_risk, project, strict=True)
        ]
        for counted, at_risk in zip(own.events, own.exposure, strict=True)
    ]
    # Three returns of two messages and five minutes each are what is assumed before any is seen.
    returns = own.return_sessions + 3
    return Expectation(
        rates=rates,
        burst=max(1.0, (own.return_messages + 6) / returns),
        burst_seconds=(own.return_seconds + 900) / returns,
    )
