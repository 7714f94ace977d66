"""Simulates Smart Refresh beside other ways to spend the same calls, and checks its promises.

    python benchmarks/refresh.py                     2,000 threads, 12 calls a minute, 10 seeds
    python benchmarks/refresh.py --seeds 2 --quick   while developing
    python benchmarks/refresh.py --load powerlaw     other ways to write; the promises are for gen
    python benchmarks/refresh.py --times FILE        on times of one's own, a JSON object a line

Messages appear in threads at times that nobody knows; a call to a thread shows all that are
there. What is measured is how long a message waited until a call showed it. Smart Refresh is
the product's own code: `threads.refresh` with the tables of its database held in memory.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conversations import LOADS, from_file, made_up
from refreshing.policies import NAMES, QUICK, play
from refreshing.report import report
from refreshing.world import Figures, Setting


def _play_seed(
    seed: int, arguments: argparse.Namespace, names: list[str]
) -> tuple[int, dict[str, Figures]]:
    if arguments.times:
        load = from_file(arguments.times, arguments.threads, days=arguments.days, seed=seed)
    else:
        load = made_up(arguments.load, arguments.threads, days=arguments.days, seed=seed)
    setting = Setting(arguments.calls, arguments.days)
    return seed, {name: play(name, load, setting) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2_000)
    parser.add_argument("--calls", type=float, default=12, help="calls a minute")
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--load", choices=LOADS, default="gen", help="how people write")
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


if __name__ == "__main__":
    main()
