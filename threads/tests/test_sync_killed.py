"""Workers that are killed in the middle of anything: no message is lost and none doubled."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from threads.tests.openai_server import KEY, OpenAIServer, text_item

pytestmark = [pytest.mark.processes, pytest.mark.own_database]

KILLS = 50
THREADS, ITEMS = 24, 120
# Two workers that read everything again and again, until both are killed at any moment.
WORK = """
import os, signal, sys, random, time
import django
django.setup()
from django.db import connections
from projects.models import Connection
from threads import sync
from threads.models import SyncRun, Thread
import openai  # once, not in every child

heard, said = os.pipe()

def tell(_):
    os.write(said, b".")
    return True

def work():
    while True:
        connection = Connection.objects.get()
        connection.paused_until, connection.accepted_rate = None, None
        Thread.objects.update(refresh_not_before=None)
        ids = list(Thread.objects.order_by("last_synced_at", "pk").values_list("pk", flat=True))
        sync.sync_batch(
            connection, ids, trigger=SyncRun.Trigger.SCHEDULE, keep_going=tell
        )

chance = random.Random(int(sys.argv[2]))
killed = 0
while killed < int(sys.argv[1]):
    connections.close_all()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(1)
        children.append(child)
    # After some steps of theirs and not after some time: a busy machine kills in as many places.
    for _ in range(chance.randrange(12)):
        os.read(heard, 1)
    time.sleep(chance.uniform(0, 0.05))
    for child in children:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
print(killed)
"""
PREPARE = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from projects.models import Connection, Project
from threads import actions
project = Project.objects.create(name="Killed", slug="killed")
connection = Connection(project=project, base_url=sys.argv[1], calls_per_minute=1_000_000)
connection.set_key(sys.argv[2])
connection.save()
actions.add_thread_ids(project, connection, sys.argv[3].split(","), by=None)
"""
READ = """
import django, json
django.setup()
from projects.models import Connection
from threads import sync
from threads.models import Message, SyncRun, Thread
from threads.search import setup
connection = Connection.objects.get()
connection.paused_until, connection.accepted_rate, connection.state = None, None, "untested"
Thread.objects.update(refresh_not_before=None)
before = Message.objects.count()
ids = list(Thread.objects.values_list("pk", flat=True))
tally = sync.sync_batch(connection, ids, trigger=SyncRun.Trigger.SCHEDULE)
assert not tally.errors and not tally.left, (tally.errors, tally.stopped_by)
rows = Message.objects.order_by("thread__external_id", "position")
print(json.dumps({
    "before": before,
    "messages": list(rows.values_list("thread__external_id", "position", "remote_id", "text")),
    "counts": dict(Thread.objects.values_list("external_id", "item_count")),
    "removed": Message.objects.filter(removed_at__isnull=False).count(),
    "problems": setup.problems(),
}))
"""


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(latency_seconds=0.002) as running:
        yield running


def environment(folder: Path) -> dict[str, str]:
    own = {
        "THREADHUB_DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/killed.sqlite3",
        "DJANGO_SETTINGS_MODULE": "threadhub.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
        "THREADHUB_ALLOW_PRIVATE_HOSTS": "1",
        "REDIS_URL": "",
    }
    return {**os.environ, **own}


def run(code: str, folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr[-2_000:]
    return finished.stdout


def items(name: str, first: int, count: int) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [
        text_item(f"{name}_{number:04d}", roles[number % 2], f"{name} says {number}")
        for number in range(first, first + count)
    ]


@pytest.mark.timeout(400)
def test_it_loses_and_doubles_nothing_when_workers_are_killed(
    server: OpenAIServer, tmp_path: Path
) -> None:
    live = {
        name: server.add_conversation(name, items(name, 0, ITEMS))
        for name in (f"conv_{number:02d}" for number in range(THREADS))
    }
    run(PREPARE, tmp_path, server.url, KEY, ",".join(live))
    server.fail("429", every=3)
    server.fail("dropped", every=5)
    chance = random.Random(4)

    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(KILLS), "4"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while worker.poll() is None:  # and people go on talking
        name = chance.choice(list(live))
        live[name].extend(items(name, len(live[name]), chance.randint(1, 3)))
        time.sleep(0.05)
    output, errors = worker.communicate()
    server.heal()
    kept = json.loads(run(READ, tmp_path))

    assert worker.returncode == 0, errors[-2_000:]
    assert int(output) >= KILLS
    assert kept["before"] > THREADS * ITEMS / 10  # they were killed while they wrote
    assert kept["messages"] == [
        [name, position, item["id"], item["content"][0]["text"]]
        for name in sorted(live)
        for position, item in enumerate(live[name], 1)
    ]
    assert kept["counts"] == {name: len(held) for name, held in live.items()}
    assert (kept["removed"], kept["problems"]) == (0, [])
