"""Measures what a round of the refresh costs the database in a large archive.

    python benchmarks/tick.py --threads 100000

The archive is on disk. Its threads are planned as the policy plans them, for as many calls as
there are; then an hour of rounds is played. Half of it is quiet. Before the other half the
cut-off is halved, as when many threads wake up at once: far more are due than calls are there.
Prints milliseconds of the processor, so a busy machine measures the same.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=54, help="of one round")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{scratch}/tick.sqlite3")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        _measure(arguments)


def _planned(threads: int, calls: int) -> tuple[float, list[tuple[float, float, int]]]:
    """Return a cut-off at which so many calls a minute are due, and the threads.

    Of each: its silence when it was read last, how often it is read, its sessions. Seconds.
    """
    from threads import refresh

    chance, expectation = random.Random(1), refresh.Expectation()  # noqa: S311 - no secret
    silences = [
        refresh.Silence(10 ** chance.uniform(1, 7), chance.choice([1, 1, 1, 2, 4, 8]))
        for _ in range(threads)
    ]
    low, high = 1.0, 1e9
    for _ in range(20):
        threshold = (low * high) ** 0.5
        sample = silences[:2_000]
        every = [refresh.next_visit(expectation, each, threshold=threshold) for each in sample]
        due = sum(60 / seconds for seconds in every) * threads / len(sample)
        low, high = (threshold, high) if due > calls else (low, threshold)
    return low, [
        (
            each.age_at_sync,
            refresh.next_visit(expectation, each, threshold=low),
            each.session_count,
        )
        for each in silences
    ]


def _measure(arguments: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection as database
    from django.utils import timezone

    from projects.models import Connection, Project
    from threads import sync
    from threads.models import Thread
    from threads.sync.rounds import _replan, put_off

    call_command("migrate", verbosity=0)
    project = Project.objects.create(name="Benchmark", slug="benchmark")
    connection = Connection.objects.create(project=project, saves_calls=False)
    chance, now = random.Random(2), timezone.now()  # noqa: S311 - a load, no secret
    threshold, planned = _planned(arguments.threads, arguments.calls)
    for start in range(0, arguments.threads, 5_000):
        made = []
        for number, (silence, every, sessions) in enumerate(planned[start : start + 5_000], start):
            synced_at = now - timedelta(seconds=chance.random() * every)
            made.append(
                Thread(
                    project=project,
                    connection=connection,
                    external_id=f"conv_{number:08d}{'x' * 40}",
                    title="A title of about the usual length, with a few words more",
                    created_at=synced_at - timedelta(seconds=silence, days=10),
                    last_message_timestamp=synced_at - timedelta(seconds=silence),
                    last_synced_at=synced_at,
                    next_refresh_at=synced_at + timedelta(seconds=every),
                    session_count=sessions,
                )
            )
        Thread.objects.bulk_create(made)
    database.cursor().execute("ANALYZE")
    connection.refresh_threshold = threshold
    sync.choose(connection, calls=1, now=now)

    def read(keys: list[int], moment: Any) -> None:
        """Let every chosen thread be found as it was."""
        from threads.sync.choice import next_refresh_at, silence_of
        from threads.sync.learning import expectation_for

        expectation = expectation_for(project.pk)
        for thread in Thread.objects.filter(pk__in=keys):
            thread.last_synced_at = moment
            silence = silence_of(
                last_message_at=thread.last_message_timestamp,
                created_at=thread.created_at,
                synced_at=moment,
                session_count=thread.session_count,
            )
            thread.next_refresh_at = next_refresh_at(
                expectation, silence, synced_at=moment, threshold=connection.refresh_threshold
            )
            thread.save(update_fields=["last_synced_at", "next_refresh_at"])

    for title in ("a quiet half hour", "many due at once"):
        choosing, putting, whole, moved = [], [], [], []
        for _ in range(ROUNDS):
            now += timedelta(minutes=1)
            cpu, spent = time.process_time(), _Spent()
            with database.execute_wrapper(spent):
                plan = sync.choose(connection, calls=arguments.calls, now=now)
            began = time.process_time()
            put_off(plan.later, now=now)  # statements and commit; a little Python is counted too
            putting.append(time.process_time() - began)
            whole.append(time.process_time() - cpu - spent.twice)
            choosing.append(spent.seconds)
            moved.append(len(plan.later))
            connection.refresh_threshold = plan.threshold
            assert len(plan.keys) == arguments.calls
            read(plan.keys, now)
        sums = [one + other for one, other in zip(choosing, putting, strict=True)]
        print(
            f"{title}: database {_ms(sums)} (choosing {_ms(choosing)}, putting off"
            f" {statistics.median(moved):.0f} rows, at most {max(moved)}, {_ms(putting)});"
            f" all {_ms(whole)} of the processor"
        )
        connection.refresh_threshold /= 2
        _replan(connection)  # as the nightly count does
    if arguments.profile:
        _profile(lambda: sync.choose(connection, calls=arguments.calls, now=now))


class _Spent:
    """Adds up the processor's time in statements. SQLite looks for rows while they are fetched."""

    def __init__(self) -> None:
        self.seconds = self.twice = 0.0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        began = time.process_time()
        result = execute(sql, params, many, context)
        if not sql.startswith("SELECT"):
            self.seconds += time.process_time() - began
            return result
        context["cursor"].fetchall()
        self.seconds += time.process_time() - began
        again = time.process_time()
        result = execute(sql, params, many, context)
        self.twice += time.process_time() - began - (again - began)
        return result


def _ms(seconds: list[float]) -> str:
    worst = sorted(seconds)[int(len(seconds) * 0.95)]
    return f"{1000 * statistics.median(seconds):.1f} ms, 95 % {1000 * worst:.1f}"


def _profile(call: Callable[[], object]) -> None:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    for _ in range(20):
        profile.runcall(call)
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
