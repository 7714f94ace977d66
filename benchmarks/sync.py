"""Measures syncs against a server of this machine that answers late: speed, calls, writes.

    python benchmarks/sync.py
    python benchmarks/sync.py --threads 1000 --items 1 --latency 0.1 --one-by-one 100

The server is the one of the tests, in a process of its own. Each figure is checked: every item in
order and byte for byte, one call a thread the second time, no write to a message.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVER = """
import sys, time
from threads.tests.openai_server import OpenAIServer, text_item
threads, items, latency = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with OpenAIServer(latency_seconds=latency) as server:
    for number in range(threads):
        name = f"conv_{number:05d}"
        server.add_conversation(name, [
            text_item(
                f"{name}_{i:05d}",
                ("user", "assistant")[i % 2],
                f"{name} says {i} \\u9000\\n ",
            )
            for i in range(items)
        ])
    print(server.url, flush=True)
    for line in sys.stdin:
        print(server.count(), server.most_at_once, flush=True)
        server.forget_calls()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--one-by-one", type=int, default=0, help="also so many with one reader")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/sync.sqlite3"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        sizes = [str(arguments.threads), str(arguments.items), str(arguments.latency)]
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, *sizes],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _measure(arguments, server)
        finally:
            server.kill()


def _calls(server: subprocess.Popen[str]) -> tuple[int, int]:
    """Ask the server how many calls came since last time, and how many at once."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    calls, at_once = server.stdout.readline().split()
    return int(calls), int(at_once)


def _measure(arguments: argparse.Namespace, server: subprocess.Popen[str]) -> None:
    from django.core.management import call_command
    from django.db import connection as database
    from django.test.utils import CaptureQueriesContext

    from projects.models import Connection, Project
    from threads import actions
    from threads.models import Message, Thread
    from threads.tests.openai_server import KEY

    assert server.stdout is not None
    url = server.stdout.readline().strip()
    call_command("migrate", verbosity=0)
    project = Project.objects.create(name="Benchmark", slug="benchmark")
    connection = Connection(project=project, base_url=url, calls_per_minute=1_000_000)
    connection.set_key(KEY)
    connection.save()
    names = [f"conv_{number:05d}" for number in range(arguments.threads)]
    actions.add_thread_ids(project, connection, names, by=None)
    every = list(Thread.objects.order_by("pk").values_list("pk", flat=True))
    if arguments.one_by_one:
        part = every[: arguments.one_by_one]
        _round("one by one, first", connection, part, server, readers=1)
        _round("one by one, again", connection, part, server, readers=1)
    _round("first sync", connection, every, server)
    stored = Message.objects.order_by("thread__external_id", "position")
    expected = (
        (f"{name}_{i:05d}", f"{name} says {i} \u9000\n ")
        for name in names
        for i in range(arguments.items)
    )
    for row, wanted in zip(
        stored.values_list("remote_id", "text").iterator(), expected, strict=True
    ):
        assert row == wanted, (row, wanted)
    with CaptureQueriesContext(database) as queries:
        _round("second sync", connection, every, server)
    writes = [
        query["sql"]
        for query in queries.captured_queries
        if "threads_message" in query["sql"] and not query["sql"].startswith(("SELECT", "BEGIN"))
    ]
    print(f"all {len(names) * arguments.items} items in order; {len(writes)} writes to messages")


def _round(
    label: str,
    connection: Any,
    ids: list[int],
    server: subprocess.Popen[str],
    **options: Any,
) -> None:
    from django.utils import timezone

    from threads import sync

    began, cpu = time.perf_counter(), time.process_time()
    with sync.source_for(connection) as source:
        tally = sync.sync_many(
            ids, connection=connection, source=source, clock=timezone.now, **options
        )
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert not tally.errors, tally.errors[:3]
    assert tally.stopped_by is None, tally.stopped_by
    calls, at_once = _calls(server)
    print(
        f"{label}: {tally.threads_read} threads, {tally.messages_new} new messages,"
        f" {calls} calls ({at_once} at once), {seconds:.1f} s = {len(ids) / seconds:.0f} threads/s,"
        f" {1000 * cpu / len(ids):.1f} ms CPU a thread"
    )


if __name__ == "__main__":
    main()
