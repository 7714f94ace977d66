"""Smart Refresh: the product's own code, with the tables of its database held in memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from conversations import DAY, Load

from refreshing.world import Figures, Setting, World
from threads import refresh

REFIT_SECONDS = 1_800.0


@dataclass(slots=True)
class Archive:
    """What the product keeps in its tables: life tables, sessions, when a thread is due."""

    world: World
    learns: bool = True
    tables: list[refresh.LifeTable] = field(default_factory=list)
    expectations: list[refresh.Expectation] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        load = self.world.load
        self.tables = [refresh.LifeTable() for _ in range(load.project_count)]
        self.sessions = [_sessions(times[times < 0]) for times in load.times]

    def count(self, *, until: float) -> None:
        """Build the tables from all messages up to `until`, as `replan_refresh` does."""
        for project, times in zip(self.world.load.projects, self.world.load.times, strict=True):
            if times[0] < until:
                known = times[times < until].tolist()
                self.tables[project].add_visit(known, now=until, weigh=_weigh)

    def fit(self) -> None:
        everybody = refresh.LifeTable()
        for table in self.tables:
            everybody.add(table)
        totals = everybody.totals()
        self.expectations = [refresh.fit(table, totals) for table in self.tables]

    def silence(self, key: int) -> refresh.Silence:
        age = float(self.world.synced[key] - self.world.last[key])
        return refresh.Silence(max(0.0, age), self.sessions[key])

    def look(self, key: int, now: float, *, is_due: bool) -> refresh.Look:
        return refresh.Look(
            key,
            self.silence(key),
            now - float(self.world.synced[key]),
            self.expectations[self.world.load.projects[key]],
            is_due,
        )

    def read(self, key: int, now: float, *, is_new: bool) -> None:
        """Spend a call, and count what it shows."""
        world = self.world
        last, synced = float(world.last[key]), float(world.synced[key])
        brought = world.read(key, now).tolist()
        if self.learns:
            self.tables[world.load.projects[key]].add_visit(
                brought,
                now=now,
                sessions=self.sessions[key],
                last_message_at=None if is_new else last,
                synced_at=None if is_new else synced,
            )
        moments = brought if is_new else [last, *brought]
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        more = sum(gap > refresh.IDLE_SECONDS for gap in gaps)
        self.sessions[key] = max(1, self.sessions[key]) + more


def _weigh(began_at: float) -> float:
    """Count old silences less, as the product does; time 0 is now."""
    return 0.5 ** max(0, int(-began_at // refresh.HALF_LIFE_SECONDS))


def _sessions(times: np.ndarray) -> int:
    return int(len(times) > 0) + int(np.count_nonzero(np.diff(times) > refresh.IDLE_SECONDS))


def play_smart(
    load: Load,
    setting: Setting,
    *,
    table: str = "learned",
    lowest: float = 0.0,
) -> Figures:
    """Run the product's own rounds.

    :param table: "learned" knows the history and goes on learning; "cold" knows nothing at the
        start; "hindsight" knows all times, those to come as well.
    """
    world = World(load, setting)
    archive = Archive(world, learns=table != "hindsight")
    if table != "cold":
        archive.count(until=setting.days * DAY if table == "hindsight" else 1e-9)
    archive.fit()
    threads = len(load.times)
    threshold, waiting, refit_at = 1.0, list[int](), REFIT_SECONDS
    due_at = np.where(np.arange(threads) < world.count, 0.0, np.inf)
    limits = np.array(
        [
            refresh.guarantee(
                str(key), threads=threads, calls_per_minute=setting.calls_per_minute
            ).total_seconds()
            for key in range(threads)
        ]
    )
    chance = np.random.default_rng(7)
    for now, calls, born in world.ticks():
        waiting += born
        if now >= refit_at:
            archive.fit()
            refit_at += REFIT_SECONDS
        if not calls:
            continue
        count = world.count
        size = min(refresh.pool_size(calls), count)
        earliest = np.argpartition(due_at[:count], size - 1)[:size]
        unsynced = now - world.synced[:count]
        forgotten = np.flatnonzero((unsynced > limits[:count]) & np.isfinite(due_at[:count]))
        oldest = forgotten[np.argsort(-unsynced[forgotten], kind="stable")][:calls]
        plan = refresh.plan_round(
            new=waiting[:calls],
            overdue=[archive.look(int(key), now, is_due=True) for key in oldest],
            pool=[
                archive.look(key, now, is_due=bool(due_at[key] <= now))
                for key in earliest.tolist()
                if due_at[key] < np.inf
            ],
            calls=calls,
            threshold=threshold,
            lowest=lowest,
            seconds=setting.tick_seconds,
            chance=chance.random,
        )
        answered = world.accepted(plan.keys, now)
        if len(answered) == len(plan.keys):
            threshold = plan.threshold
        for key, wait in plan.later.items():
            due_at[key] = now + wait
        for key in answered:
            archive.read(key, now, is_new=not np.isfinite(due_at[key]))
            expectation = archive.expectations[load.projects[key]]
            due_at[key] = now + refresh.next_visit(
                expectation, archive.silence(key), threshold=threshold
            )
        waiting = [key for key in waiting if not np.isfinite(due_at[key])]
    return world.figures()
