"""Loads for the refresh benchmark: when which thread gets messages, made up or read from a file.

Times are seconds; the simulation begins at 0, what lies before it is known at the start.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DAY = 86_400.0
WEEK = 7 * DAY
DAYS_BEFORE = 90  # of history that the archive has when the simulation begins


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of project is used; its threads are alike, each with its own luck."""

    share: float
    returns: float  # how likely a thread is taken up again after a session
    turns: float  # of user and assistant in a session
    think_seconds: float  # median time a person takes for the next message
    gap_hours: float  # median time until a thread is taken up again
    gap_spread: float
    is_office: bool = False
    shape: str = "chat"


KINDS = [
    Kind(0.30, 0.06, 3, 40, 20, 1.6),  # a support bot
    Kind(0.10, 0.10, 4, 60, 6, 2.0, is_office=True),  # another one, for business customers
    Kind(0.15, 0.40, 5, 60, 22, 1.8, is_office=True),  # an assistant for one's own people
    Kind(0.12, 0.65, 9, 75, 10, 2.0, is_office=True),  # a copilot
    Kind(0.01, 0.96, 8, 50, 20, 1.0),  # a companion
    Kind(0.24, 0.00, 1, 1, 1, 1.0, shape="batch"),  # evaluations: question, answer, never again
    Kind(0.006, 0.0, 0, 0, 0, 0.0, shape="cron"),  # agents that wake up by the clock
    Kind(0.05, 0.15, 1, 30, 4, 1.5, shape="tool"),  # agents that call tools in quick succession
]


def _in_office_hours(moment: float, chance: np.random.Generator) -> float:
    """Move a time on to the next weekday between 8 and 19 o'clock."""
    day = math.floor(moment / DAY)
    weekday, hour = (day + 3) % 7, (moment - day * DAY) / 3600
    if weekday < 5 and 8 <= hour <= 19:
        return moment
    if weekday < 5 and hour < 8:
        return day * DAY + (8 + chance.random() * 3) * 3600
    day += 1
    while (day + 3) % 7 >= 5:
        day += 1
    return day * DAY + (8 + chance.random() * 3) * 3600


def _session(kind: Kind, begin: float, chance: np.random.Generator) -> list[float]:
    times, moment = [], begin
    if kind.shape == "tool":
        for _ in range(1 + chance.geometric(1 / 12)):
            times.append(moment)
            moment += chance.lognormal(math.log(6), 1.0)
        return times
    for _ in range(chance.geometric(1 / kind.turns)):
        times.append(moment)
        moment += chance.lognormal(math.log(11), 0.7)
        times.append(moment)
        moment += chance.lognormal(math.log(kind.think_seconds), 1.1)
    return times


def _thread(kind: Kind, begin: float, end: float, chance: np.random.Generator) -> list[float]:
    if kind.shape == "batch":
        return [begin, begin + chance.lognormal(math.log(12), 0.7)]
    if kind.shape == "cron":
        every = chance.choice([900, 3600, 6 * 3600, DAY], p=[0.05, 0.25, 0.3, 0.4])
        last, moment, times = min(begin + chance.exponential(30 * DAY), end), begin, []
        while moment < last:
            times += [moment, moment + chance.lognormal(math.log(15), 0.6)]
            moment += every * (1 + 0.02 * chance.standard_normal())
        return times or [begin]
    loyalty = chance.beta(2 * kind.returns + 0.05, 2 * (1 - kind.returns) + 0.05)
    times, moment = [], begin
    for _ in range(400):
        times += _session(kind, moment, chance)
        if chance.random() >= loyalty or times[-1] > end:
            break
        pause = chance.lognormal(math.log(kind.gap_hours * 3600), kind.gap_spread)
        moment = times[-1] + max(1_800.0, pause)
        if kind.is_office:
            moment = _in_office_hours(moment, chance)
        if moment > end:
            break
    return times


@dataclass(frozen=True, slots=True)
class Load:
    """Threads in the order of their birth: the project of each, and the times of its messages."""

    projects: list[int]
    times: list[np.ndarray]

    @property
    def project_count(self) -> int:
        return max(self.projects) + 1


def _load(threads: list[tuple[int, list[float]]], end: float) -> Load:
    kept = [(project, np.sort(np.array(times))) for project, times in threads]
    kept = [(project, times[times < end]) for project, times in kept]
    kept = [pair for pair in kept if len(pair[1])]
    kept.sort(key=lambda pair: pair[1][0])
    return Load([project for project, _ in kept], [times for _, times in kept])


def _powerlaw(begin: float, end: float, chance: np.random.Generator) -> list[float]:
    """Silences with a tail of 1 / t, from 15 seconds up: a thread never quite dies."""
    times, moment = [], begin
    while moment < end and len(times) < 2_000:
        times.append(moment)
        moment += 15.0 * (1.0 - chance.random()) ** -1.0
    return times


def _bursts(begin: float, end: float, chance: np.random.Generator) -> list[float]:
    """Storms of a hundred messages, seconds apart, with hours or weeks between two of them."""
    times, moment = [], begin
    while moment < end:
        for _ in range(chance.geometric(1 / 100)):
            times.append(moment)
            moment += chance.exponential(4.0)
        moment += chance.lognormal(math.log(3 * DAY), 2.0)
    return times


def _silent(begin: float, end: float, chance: np.random.Generator) -> list[float]:
    """A question and an answer, and weeks later perhaps one more: hardly anything to learn from."""
    times = [begin, begin + chance.exponential(15.0)]
    while chance.random() < 0.5 and times[-1] < end:
        times.append(times[-1] + chance.lognormal(math.log(30 * DAY), 0.7))
    return times


def _dense(begin: float, end: float, chance: np.random.Generator) -> list[float]:
    """Work of whole days, a message every minute or so, for some days in a row."""
    times: list[float] = []
    for _ in range(chance.geometric(1 / 4)):
        stop = begin + chance.uniform(2, 9) * 3_600
        while begin < min(stop, end):
            times.append(begin)
            begin += chance.lognormal(math.log(45), 0.9)
        begin += chance.uniform(12, 40) * 3_600
    return times or [begin]


_SHAPES = {"powerlaw": _powerlaw, "bursts": _bursts, "silent": _silent, "dense": _dense}
LOADS = ("gen", *_SHAPES)


def made_up(load: str, count: int, *, days: float, seed: int) -> Load:
    """Make up `count` threads.

    :param load: "gen" is a company that uses assistants in eight ways; the others are one
        project each, in which all threads are of one extreme sort.
    """
    chance = np.random.default_rng(1_000 + seed)
    shares = np.array([kind.share for kind in KINDS])
    begin, end = -DAYS_BEFORE * DAY, days * DAY
    threads = []
    for project in chance.choice(len(KINDS), count, p=shares / shares.sum()):
        birth = begin + chance.random() * (end - begin)
        if load in _SHAPES:
            threads.append((0, _SHAPES[load](birth, end, chance)))
            continue
        kind = KINDS[project]
        if kind.is_office:
            birth = _in_office_hours(birth, chance)
        threads.append((int(project), _thread(kind, birth, end, chance)))
    return _load(threads, end)


def from_file(path: Path, count: int, *, days: float, seed: int) -> Load:
    """Draw `count` threads from a file and begin each in a random week.

    One JSON object a line: {"project": any, "times": [seconds since 1970, ...]}.
    """
    chance = np.random.default_rng(2_000 + seed)
    numbers: dict[str, int] = {}
    known = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            project = numbers.setdefault(str(row.get("project", "")), len(numbers))
            known.append((project, sorted(float(moment) for moment in row["times"])))
    begin, end = -(DAYS_BEFORE + 7) * DAY, days * DAY
    threads = []
    for pick in chance.integers(0, len(known), count):
        project, times = known[pick]
        week = math.floor(times[0] / WEEK) * WEEK
        start = begin + math.floor(chance.random() * (end - begin) / WEEK) * WEEK
        threads.append((project, [moment - week + start for moment in times]))
    return _load(threads, end)
