"""When is a thread read next? Pure: numbers in, numbers out; the tables are around it.

The score of a thread is the message-seconds of waiting that one call is expected to end. It is
due when its score reaches the cut-off of its connection, and the highest scores are read first.
"""

from __future__ import annotations

from datetime import timedelta

from threads.refresh.expectation import Expectation, Silence, fit
from threads.refresh.lifetable import (
    BUCKETS,
    CLASSES,
    EDGES,
    HALF_LIFE_SECONDS,
    IDLE_SECONDS,
    LifeTable,
    Totals,
    bucket,
    session_class,
)
from threads.refresh.pauses import (
    GONE_AFTER,
    LONGEST_UNSYNCED,
    PEOPLE_SHARE,
    guarantee,
    is_full_read_due,
    pause_until,
    recovered,
    retry_at,
    slower,
)
from threads.refresh.rounds import (
    ECONOMY_THRESHOLD,
    GUARANTEE_SHARE,
    LOOK_AGAIN_SECONDS,
    Look,
    Round,
    move_threshold,
    next_visit,
    plan_round,
    pool_size,
)

IDLE = timedelta(seconds=IDLE_SECONDS)
HALF_LIFE = timedelta(seconds=HALF_LIFE_SECONDS)

__all__ = [
    "BUCKETS",
    "CLASSES",
    "ECONOMY_THRESHOLD",
    "EDGES",
    "GONE_AFTER",
    "GUARANTEE_SHARE",
    "HALF_LIFE",
    "HALF_LIFE_SECONDS",
    "IDLE",
    "IDLE_SECONDS",
    "LONGEST_UNSYNCED",
    "LOOK_AGAIN_SECONDS",
    "PEOPLE_SHARE",
    "Expectation",
    "LifeTable",
    "Look",
    "Round",
    "Silence",
    "Totals",
    "bucket",
    "fit",
    "guarantee",
    "is_full_read_due",
    "move_threshold",
    "next_visit",
    "pause_until",
    "plan_round",
    "pool_size",
    "recovered",
    "retry_at",
    "session_class",
    "slower",
]
