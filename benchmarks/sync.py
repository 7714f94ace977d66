"""Measures syncs against a server of this machine that answers late: speed, calls, writes.

    python benchmarks/sync.py
    python benchmarks/sync.py --threads 200 --items 100 --latency 0 --one-by-one 0 --budget 0

The server is the one of the tests, in a process of its own; it notes when each call came. One
after the other and many at once are measured in the same run. Each figure is checked: every item
in order and byte for byte, one call a thread the second time, no write to a message. Then the
calls per minute are cut to `--budget`, and no 60 seconds may hold one more. At last the server
answers 429 to a third of the calls, and as many new threads are read until nothing is missing.
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
threads, refused, items = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with OpenAIServer(latency_seconds=float(sys.argv[4])) as server:
    names = [f"conv_{number:05d}" for number in range(threads)]
    names += [f"conv_late_{number:05d}" for number in range(refused)]
    for name in names:
        server.add_conversation(name, [
            text_item(
                f"{name}_{i:05d}",
                ("user", "assistant")[i % 2],
                f"{name} says {i} \\u9000\\n ",
            )
            for i in range(items)
        ])
    print(server.url, flush=True)
    moments = []
    class Noted(list):
        def append(self, call):
            moments.append(time.time())
            super().append(call)
    server.calls = Noted()
    for line in sys.stdin:
        first, last, most = 0, 0, 0
        for last, moment in enumerate(moments):
            while moment - moments[first] >= 60.0:
                first += 1
            most = max(most, last - first + 1)
        print(server.count(), server.most_at_once, most, flush=True)
        server.most_at_once = 0
        server.forget_calls()
        moments.clear()
        server.heal()
        if line.strip():
            server.fail(line.strip(), every=3, headers={"Retry-After": "1"})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1_000)
    parser.add_argument("--items", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds before each answer")
    parser.add_argument("--one-by-one", type=int, default=100, help="so many with one reader")
    parser.add_argument("--budget", type=int, default=300, help="calls per minute; 0 leaves it out")
    parser.add_argument("--refused", type=int, default=1_000, help="threads read against 429s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/sync.sqlite3"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        sizes = [arguments.threads, arguments.refused, arguments.items, arguments.latency]
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, *map(str, sizes)],
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


def _calls(server: subprocess.Popen[str], fault: str = "") -> tuple[int, int, int]:
    """Ask the server how many calls came since last time, at once, and within 60 seconds.

    From then on it answers `fault` to every third call; "" is nothing wrong any more.
    """
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{fault}\n")
    server.stdin.flush()
    calls, at_once, in_a_minute = map(int, server.stdout.readline().split())
    return calls, at_once, in_a_minute


def _measure(arguments: argparse.Namespace, server: subprocess.Popen[str]) -> None:
    from django.core.management import call_command
    from django.db import connection as database
    from django.test.utils import CaptureQueriesContext

    from projects.models import Connection, Project
    from threads import actions
    from threads.models import Thread
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
    part, rest = every[: arguments.one_by_one], every[arguments.one_by_one :]
    slow_first = _round("one by one, first", connection, part, server, readers=1) if part else 0.0
    slow_again = _round("one by one, again", connection, part, server, readers=1) if part else 0.0
    fast_first = _round("at once, first", connection, rest, server)
    _check_items(names, arguments.items)
    with CaptureQueriesContext(database) as queries:
        fast_again = _round("at once, again", connection, every, server)
    if part:
        print(
            f"at once against one by one: {fast_first / slow_first:.1f} times the threads first,"
            f" {fast_again / slow_again:.1f} times again"
        )
    writes = [
        query["sql"]
        for query in queries.captured_queries
        if "threads_message" in query["sql"] and not query["sql"].startswith(("SELECT", "BEGIN"))
    ]
    assert not writes, writes[0]
    print(f"all {len(names) * arguments.items} items in order; no write to a message")
    if arguments.budget:
        _within_budget(arguments.budget, connection, every, server)
    if arguments.refused:
        _refused(connection, arguments.refused, arguments.items, server)


def _within_budget(
    budget: int, connection: Any, ids: list[int], server: subprocess.Popen[str]
) -> None:
    """Read with waiting for room, as a command does, for some 70 seconds."""
    from django.core.cache import cache
    from django.utils import timezone

    from threads import sync

    cache.clear()  # what was counted so far
    connection.calls_per_minute = budget
    began = time.monotonic()
    with sync.source_for(connection, waits=True) as source:
        tally = sync.sync_many(
            [*ids, *ids][: budget * 2],
            connection=connection,
            source=source,
            clock=timezone.now,
            keep_going=lambda _: time.monotonic() - began < 70,
        )
    calls, _, in_a_minute = _calls(server)
    assert calls == source.calls
    assert in_a_minute <= budget, in_a_minute
    print(
        f"{budget} calls per minute: {tally.threads_read} threads in"
        f" {time.monotonic() - began:.0f} s, {in_a_minute} calls in the fullest 60 seconds"
    )


def _check_items(names: list[str], items: int) -> None:
    """Every item of these threads must be there once, in order, byte for byte, and no other."""
    from threads.models import Message

    stored = Message.objects.filter(thread__external_id__in=names)
    rows = stored.order_by("thread__external_id", "position").values_list("remote_id", "text")
    expected = (
        (f"{name}_{i:05d}", f"{name} says {i} \u9000\n ") for name in names for i in range(items)
    )
    for row, wanted in zip(rows.iterator(), expected, strict=True):
        assert row == wanted, (row, wanted)


def _refused(connection: Any, count: int, items: int, server: subprocess.Popen[str]) -> None:
    """Read new threads from a server that refuses every third call and asks to wait a second.

    How few calls are refused when a rate is what the server wants: benchmarks/refresh.py.
    """
    from django.core.cache import cache
    from django.utils import timezone

    from threads import actions, sync
    from threads.models import Thread

    cache.clear()
    connection.calls_per_minute = 1_000_000
    names = [f"conv_late_{number:05d}" for number in range(count)]
    actions.add_thread_ids(connection.project, connection, names, by=None)
    late = Thread.objects.filter(external_id__in=names).order_by("pk")
    left, batches, began = list(late.values_list("pk", flat=True)), 0, time.monotonic()
    _calls(server, "429")
    while left:
        batches += 1
        # Each batch ends with a pause of a second; nobody would learn anything from waiting here.
        connection.paused_until = connection.accepted_rate = None
        with sync.source_for(connection) as source:
            tally = sync.sync_many(left, connection=connection, source=source, clock=timezone.now)
        assert not tally.errors, tally.errors[:3]
        left = tally.left
    calls, _, _ = _calls(server)
    _check_items(names, items)
    failed = late.filter(refresh_failures__gt=0).count() + late.exclude(last_error="").count()
    assert not failed, failed
    print(
        f"a third refused: {count} new threads read with {calls} calls in {batches} batches,"
        f" {time.monotonic() - began:.0f} s without the pauses; all items once and in order,"
        " no thread blamed"
    )


def _round(
    label: str,
    connection: Any,
    ids: list[int],
    server: subprocess.Popen[str],
    **options: Any,
) -> float:
    """Read threads once; return how many a second."""
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
    calls, at_once, _ = _calls(server)
    print(
        f"{label}: {tally.threads_read} threads, {tally.messages_new} new messages,"
        f" {calls} calls ({at_once} at once), {seconds:.1f} s = {len(ids) / seconds:.0f} threads/s,"
        f" {1000 * cpu / len(ids):.1f} ms CPU a thread"
    )
    return len(ids) / seconds


if __name__ == "__main__":
    main()
