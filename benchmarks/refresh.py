"""Simulates Smart Refresh beside other ways to spend the same calls, and checks its promises.

    python benchmarks/refresh.py                     2,000 threads, 12 calls a minute, 10 seeds
    python benchmarks/refresh.py --seeds 2 --quick   while developing
    python benchmarks/refresh.py --times FILE        on times of one's own, a JSON object a line

Messages appear in threads at times that nobody knows; a call to a thread shows all that are
there. What is measured is how long a message waited until a call showed it. Smart Refresh is
the product's own code: `threads.refresh` with the tables of its database held in memory.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conversations import DAY, Load, from_file, made_up

from threads import refresh

TICK_SECONDS = 20.0
REFIT_SECONDS = 1_800.0
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


# What Smart Refresh is compared with: a score for each thread, the highest are read.

Score = Callable[[World, float], np.ndarray]


def _tiers(world: World, now: float) -> np.ndarray:
    age = now - world.last[: world.count]
    every = np.select([age < 3_600, age < DAY, age < 7 * DAY], [300.0, 3_600.0, 21_600.0], DAY)
    return (now - world.synced[: world.count]) / every


def _exponential(world: World, now: float) -> np.ndarray:
    age = now - world.last[: world.count]
    return (now - world.synced[: world.count]) / np.clip(age / 10, 60.0, DAY)


def _rate(world: World) -> np.ndarray:
    lived = world.synced[: world.count] - world.births[: world.count] + 3_600
    return np.maximum(world.known[: world.count], 1) / lived


def _proportional(world: World, now: float) -> np.ndarray:
    return _rate(world) * (now - world.synced[: world.count])


def _freshness(world: World, now: float) -> np.ndarray:
    rate, tau = _rate(world), now - world.synced[: world.count]
    return 1 / rate - (tau + 1 / rate) * np.exp(-rate * tau)


def _delay(world: World, now: float) -> np.ndarray:
    return _rate(world) * (now - world.synced[: world.count]) ** 2


def _formula(world: World, now: float) -> np.ndarray:
    tau, age = now - world.synced[: world.count], now - world.last[: world.count]
    return tau * tau / (age - tau / 2 + 30)


SCORES: dict[str, Score] = {
    "age tiers (5 min, 1 h, 6 h, 24 h)": _tiers,
    "interval = age / 10": _exponential,
    "rate x time": _proportional,
    "freshness optimum (Poisson)": _freshness,
    "delay optimum (square root rule)": _delay,
    "formula without a table": _formula,
}


def play_round_robin(load: Load, setting: Setting) -> Figures:
    world, place = World(load, setting), 0
    for now, calls, _ in world.ticks():
        number = min(calls, world.count)
        chosen = [(place + step) % world.count for step in range(number)]
        answered = world.accepted(chosen, now)
        place = (place + len(answered)) % world.count
        for key in answered:
            world.read(key, now)
    return world.figures()


def play_scores(load: Load, setting: Setting, score: Score) -> Figures:
    """Read new threads first, then the highest scores among all threads."""
    world = World(load, setting)
    waiting: list[int] = []
    for now, calls, born in world.ticks():
        waiting += born
        if not calls:
            continue
        new, waiting = waiting[:calls], waiting[calls:]
        scores = score(world, now)
        scores[new] = -np.inf
        number = min(calls - len(new), world.count)
        best = np.argpartition(scores, world.count - number)[world.count - number :]
        chosen = new + ([int(key) for key in best] if number else [])
        answered = world.accepted(chosen, now)
        waiting = [key for key in new if key not in answered] + waiting
        for key in answered:
            world.read(key, now)
    return world.figures()


def play_doubling(load: Load, setting: Setting) -> Figures:
    """Look again after a minute when there was something, after twice as long when not."""
    world = World(load, setting)
    every = np.full(len(load.times), 600.0)
    due = np.where(np.arange(len(every)) < world.count, np.random.default_rng(0).random() * 600, 0)
    for now, calls, _ in world.ticks():
        number = min(calls, world.count)
        if not number:
            continue
        chosen = [int(key) for key in np.argpartition(due[: world.count], number - 1)[:number]]
        for key in world.accepted(chosen, now):
            is_hit = len(world.read(key, now)) > 0
            every[key] = 60.0 if is_hit else min(2 * every[key], DAY)
            due[key] = now + every[key]
    return world.figures()


def play_oracle(load: Load, setting: Setting) -> Figures:
    """Know what is there: read the threads in which most messages wait."""
    world = World(load, setting)
    for now, calls, _ in world.ticks():
        waiting = np.flatnonzero(world.upcoming[: world.count] <= now)
        if len(waiting) > calls:
            pending = [
                int(np.searchsorted(load.times[key], now, side="right")) - world.known[key]
                for key in waiting
            ]
            waiting = waiting[np.argsort(pending, kind="stable")[::-1][:calls]]
        for key in world.accepted([int(key) for key in waiting], now):
            world.read(key, now)
    return world.figures()


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


ROUND_ROBIN, TIERS, SMART = "round robin", "age tiers (5 min, 1 h, 6 h, 24 h)", "Smart Refresh"
COLD, HINDSIGHT = "Smart Refresh, cold start", "Smart Refresh, future known to its table"
ECONOMY, MINUTE = "Smart Refresh, saving calls", "Smart Refresh, a round a minute"
TROUBLE, ORACLE = "Smart Refresh, server refuses", "oracle (knows all times)"
QUICK = [ROUND_ROBIN, TIERS, SMART]


def play(name: str, load: Load, setting: Setting) -> Figures:
    """Play one policy by its name."""
    began = time.process_time()
    if name == ROUND_ROBIN:
        figures = play_round_robin(load, setting)
    elif name in SCORES:
        figures = play_scores(load, setting, SCORES[name])
    elif name == "double on a miss":
        figures = play_doubling(load, setting)
    elif name == ORACLE:
        figures = play_oracle(load, setting)
    elif name == ECONOMY:
        figures = play_smart(load, setting, lowest=refresh.ECONOMY_THRESHOLD)
    elif name == MINUTE:
        setting = Setting(setting.calls_per_minute, setting.days, tick_seconds=60.0)
        figures = play_smart(load, setting)
    elif name == TROUBLE:
        figures = play_smart(load, _with_trouble(setting))
    else:
        tables = {SMART: "learned", COLD: "cold", HINDSIGHT: "hindsight"}
        figures = play_smart(load, setting, table=tables[name])
    figures.seconds = time.process_time() - began
    return figures


def _with_trouble(setting: Setting) -> Setting:
    """For two of every six hours the server takes only a third of the calls."""
    third = setting.calls_per_minute / 3
    full = 10 * setting.calls_per_minute

    def accepts(now: float) -> float:
        return third if now % 21_600 < 7_200 else full

    return Setting(setting.calls_per_minute, setting.days, accepts=accepts)


NAMES = [
    *(ROUND_ROBIN, TIERS, "interval = age / 10", "double on a miss", "rate x time"),
    *("freshness optimum (Poisson)", "delay optimum (square root rule)"),
    *("formula without a table", COLD, SMART, HINDSIGHT, ECONOMY, MINUTE, TROUBLE, ORACLE),
]


def _play_seed(
    seed: int, arguments: argparse.Namespace, names: list[str]
) -> tuple[int, dict[str, Figures]]:
    if arguments.times:
        load = from_file(arguments.times, arguments.threads, days=arguments.days, seed=seed)
    else:
        load = made_up(arguments.threads, days=arguments.days, seed=seed)
    setting = Setting(arguments.calls, arguments.days)
    return seed, {name: play(name, load, setting) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2_000)
    parser.add_argument("--calls", type=float, default=12, help="calls a minute")
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--times", type=Path, metavar="FILE", help="times of one's own")
    parser.add_argument("--quick", action="store_true", help="only what is compared most")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = QUICK if arguments.quick else NAMES
    with ProcessPoolExecutor(arguments.jobs) as pool:
        futures = [
            pool.submit(_play_seed, seed, arguments, names) for seed in range(arguments.seeds)
        ]
        played = dict(future.result() for future in futures)
    report(played, names, arguments)


def _median(values: list[float]) -> float:
    return statistics.median(values)


def report(
    played: dict[int, dict[str, Figures]], names: list[str], arguments: argparse.Namespace
) -> None:
    """Print the table; end with exit status 1 when a promise is not kept."""
    print(
        f"{arguments.threads} threads, {arguments.calls:g} calls a minute, {arguments.days:g} days,"
        f" medians of {len(played)} seeds; seconds from a message to the call that shows it"
    )
    print(f"{'':44}{'mean':>9}{'median':>9}{'95 %':>9}{'hits':>8}{'calls':>9}{'CPU s':>7}")
    for name in names:
        rows = [figures[name] for figures in played.values()]
        print(
            f"{name:44}{_median([row.mean for row in rows]):9.0f}"
            f"{_median([row.median for row in rows]):9.0f}"
            f"{_median([row.p95 for row in rows]):9.0f}"
            f"{_median([row.hit_rate for row in rows]):8.2%}"
            f"{_median([row.calls for row in rows]):9.0f}"
            f"{_median([row.seconds for row in rows]):7.1f}"
        )

    def ratios(above: str, below: str) -> list[float]:
        return [figures[above].mean / figures[below].mean for figures in played.values()]

    smart = [figures[SMART] for figures in played.values()]
    checks: list[tuple[str, float, str, float]] = [
        ("round robin / Smart Refresh, median", _median(ratios(ROUND_ROBIN, SMART)), ">=", 20),
        ("round robin / Smart Refresh, worst seed", min(ratios(ROUND_ROBIN, SMART)), ">=", 8),
        ("age tiers / Smart Refresh", _median(ratios(TIERS, SMART)), ">=", 3),
        (
            "hits of Smart Refresh / of round robin",
            _median([f[SMART].hit_rate / f[ROUND_ROBIN].hit_rate for f in played.values()]),
            ">=",
            3,
        ),
        ("most calls in any minute", max(row.busiest_minute for row in smart), "<=", 0),
        ("longest time unread, days", max(row.longest_unsynced for row in smart) / DAY, "<=", 0),
    ]
    per_day = refresh.GUARANTEE_SHARE * arguments.calls * 1_440
    longest = max(refresh.LONGEST_UNSYNCED.days, arguments.threads / per_day)
    checks[4] = (*checks[4][:3], arguments.calls)
    checks[5] = (*checks[5][:3], 1.25 * longest + arguments.threads / per_day)
    if HINDSIGHT in names:
        trouble = [figures[TROUBLE] for figures in played.values()]
        refused = max(row.refused / (row.calls + row.refused) for row in trouble)
        checks += [
            (
                "Smart Refresh / with the future known",
                _median(ratios(SMART, HINDSIGHT)),
                "<=",
                1.25,
            ),
            ("round robin / cold start", _median(ratios(ROUND_ROBIN, COLD)), ">=", 12),
            ("calls refused when the server is in trouble", refused, "<=", 0.02),
        ]
    failed = False
    for label, value, relation, wanted in checks:
        is_kept = value >= wanted if relation == ">=" else value <= wanted
        failed = failed or not is_kept
        print(
            f"{'ok  ' if is_kept else 'FAIL'} {label}: {value:.3g} (promised {relation} {wanted:g})"
        )
    if failed and not arguments.times:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
