"""Measures the database's part of one round of the refresh in a large archive.

    python benchmarks/tick.py --threads 100000

The archive is on disk, its threads are due at all sorts of times. Prints what choosing and
putting off cost, in milliseconds of the processor (so a busy machine measures the same), and
what the policy takes beside them.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=54, help="of one round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/tick.sqlite3"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection as database
    from django.utils import timezone

    from projects.models import Connection, Project
    from threads import sync
    from threads.models import Thread
    from threads.sync.rounds import put_off

    call_command("migrate", verbosity=0)
    project = Project.objects.create(name="Benchmark", slug="benchmark")
    connection = Connection.objects.create(project=project, saves_calls=False)
    chance, now = random.Random(1), timezone.now()  # noqa: S311 - a load, no secret
    for start in range(0, arguments.threads, 5_000):
        made = []
        for number in range(start, min(start + 5_000, arguments.threads)):
            synced_at = now - timedelta(seconds=chance.expovariate(1 / 40_000))
            silence = timedelta(seconds=10 ** chance.uniform(1, 7))
            made.append(
                Thread(
                    project=project,
                    connection=connection,
                    external_id=f"conv_{number:08d}{'x' * 40}",
                    title="A title of about the usual length, with a few words more",
                    created_at=now - silence - timedelta(days=10),
                    last_message_timestamp=synced_at - silence,
                    last_synced_at=synced_at,
                    next_refresh_at=synced_at + timedelta(seconds=10 ** chance.uniform(3.5, 6.5)),
                    session_count=chance.choice([1, 1, 1, 2, 4, 8]),
                )
            )
        Thread.objects.bulk_create(made)
    database.cursor().execute("ANALYZE")
    sync.choose(connection, calls=1, now=now)

    spent = [0.0]

    def timed(execute, sql, params, many, context):
        began = time.process_time()
        if sql.startswith("SELECT"):  # SQLite looks for rows while they are fetched: all of it
            execute(sql, params, many, context).fetchall()
        else:
            result = execute(sql, params, many, context)
        spent[0] += time.process_time() - began
        return execute(sql, params, many, context) if sql.startswith("SELECT") else result

    choosing, putting, whole = [], [], []
    for number in range(ROUNDS):
        moment = now + timedelta(minutes=number)
        cpu = time.process_time()
        spent[0] = 0.0
        with database.execute_wrapper(timed):
            plan = sync.choose(connection, calls=arguments.calls, now=moment)
            choosing.append(spent[0])
            spent[0] = 0.0
            put_off(plan.later, now=moment)
            putting.append(spent[0])
        whole.append(time.process_time() - cpu)
        read = Thread.objects.filter(pk__in=plan.keys)
        read.update(last_synced_at=moment, next_refresh_at=moment + timedelta(hours=1))
        connection.refresh_threshold = plan.threshold
        assert len(plan.keys) == arguments.calls
    print(
        f"{arguments.threads} threads, {arguments.calls} calls a round, median of {ROUNDS} rounds:"
        f" choosing {1000 * statistics.median(choosing):.1f} ms of database,"
        f" putting off {len(plan.later)} rows {1000 * statistics.median(putting):.1f} ms,"
        f" {1000 * statistics.median(whole):.0f} ms CPU in all"
    )


if __name__ == "__main__":
    main()
