"""What Smart Refresh is compared with: scores, of which the highest are read, and three more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from conversations import DAY, Load

from refreshing.world import Figures, Setting, World

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
        chosen = list(new)
        if number := min(calls - len(new), world.count):
            best = np.argpartition(scores, world.count - number)[world.count - number :]
            chosen += [int(key) for key in best]
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
