"""A fresh search in workers of its own: killed by the system, or stopped by whoever waits."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from threads.tests.openai_server import KEY, OpenAIServer, text_item

pytestmark = [
    pytest.mark.processes,
    pytest.mark.own_database,
    pytest.mark.timeout(400),
]

THREADS = 96  # two calls each, sixteen at once: six seconds and more
LATENCY_SECONDS = 0.5
PATIENCE_SECONDS = 60  # far beyond what it takes, for a machine that is busy
PREPARE = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.utils import timezone
from projects.models import Connection, Project
from threads import actions
from threads.models import Thread
project = Project.objects.create(name="Killed", slug="killed")
connection = Connection(project=project, base_url=sys.argv[1], calls_per_minute=1_000_000)
connection.listed_at = timezone.now()
connection.set_key(sys.argv[2])
connection.save()
actions.add_thread_ids(project, connection, sys.argv[3].split(","), by=None)
print(actions.request_fresh_search("refund", [project], by=None).job_id)
"""
WORK = """
import sys, django
django.setup()
from threads import tasks
tasks.sweep_jobs()
tasks.perform_search_task(job_id=sys.argv[1])
"""
STOP = """
import django
django.setup()
from threads import actions
from threads.models import FreshSearch
input()
print(actions.cancel_fresh_search(FreshSearch.objects.get(), by=None))
"""


class Installation:
    """A database of its own, perhaps a copy of another one's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "killed.sqlite3"
        own = {
            "THREADHUB_DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{self._file}",
            "DJANGO_SETTINGS_MODULE": "threadhub.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "REDIS_URL": "",
        }
        self._environment = {**os.environ, **own}

    @property
    def job_id(self) -> str:
        return str(self.ask("SELECT id FROM threads_job"))

    def copy_to(self, folder: Path) -> Installation:
        self.ask(f"VACUUM INTO '{folder / self._file.name}'")
        return Installation(folder)

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, *arguments: str) -> str:
        process = self.start(code, *arguments)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS * 2)
        assert process.returncode == 0, errors[-2_000:]
        return output.strip()

    def ask(self, sql: str) -> Any:
        """Return the first value of a query, or change something."""
        with closing(sqlite3.connect(self._file, timeout=20, isolation_level=None)) as database:
            row = database.execute(sql).fetchone()
        return row[0] if row else None

    def done(self) -> int:
        return int(self.ask("SELECT done_count FROM threads_job"))

    def work_until_killed(self, *, more: int = 1) -> int:
        """Start a worker and kill it once it has read `more` threads. Returns how many it came."""
        before = self.done()
        worker = self.start(WORK, self.job_id)
        wait_until(lambda: self.done() >= before + more, what="progress")
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        # As if the minute of its lease were over.
        self.ask("UPDATE threads_job SET lease_until = '2026-01-01 00:00:00'")
        return self.done()


def wait_until(condition: Callable[[], Any], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(latency_seconds=LATENCY_SECONDS) as running:
        for number in range(THREADS):
            item = text_item(f"msg_{number}", "user", f"A refund for lamp {number}")
            running.add_conversation(f"conv_{number}", [item])
        yield running


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, server: OpenAIServer) -> Installation:
    """Return a database with one fresh search that waits for a worker."""
    first = Installation(tmp_path_factory.mktemp("prepared"))
    names = ",".join(f"conv_{number}" for number in range(THREADS))
    first.run(PREPARE, server.url, KEY, names)
    return first


@pytest.fixture
def installation(tmp_path: Path, prepared: Installation, server: OpenAIServer) -> Installation:
    server.forget_calls()
    return prepared.copy_to(tmp_path)


def test_it_goes_on_where_a_killed_worker_was(
    installation: Installation, server: OpenAIServer
) -> None:
    reached = installation.work_until_killed(more=5)
    read = set(
        installation.ask(
            "SELECT group_concat(external_id) FROM threads_thread WHERE last_synced_at IS NOT NULL"
        ).split(",")
    )
    server.forget_calls()
    installation.run(WORK, installation.job_id)

    assert 5 <= reached < THREADS
    assert installation.ask("SELECT state FROM threads_job") == "done"
    assert installation.done() == THREADS
    assert installation.ask("SELECT count(*) FROM threads_message") == THREADS
    # What the first one had read is not asked about again.
    assert not read & {call.path.split("/")[2] for call in server.calls if call.path.count("/") > 1}


def test_it_fails_with_a_sentence_when_every_worker_is_killed(installation: Installation) -> None:
    reached = [installation.work_until_killed() for _ in range(3)]
    installation.run(WORK, installation.job_id)

    assert reached == sorted(reached)
    assert installation.ask("SELECT state FROM threads_job") == "failed"
    assert "never came to its end" in installation.ask("SELECT error FROM threads_job")


def test_it_makes_no_call_two_seconds_after_it_was_stopped(
    installation: Installation, server: OpenAIServer
) -> None:
    stopper = installation.start(STOP)  # beforehand: starting takes longer than two seconds
    worker = installation.start(WORK, installation.job_id)
    wait_until(lambda: installation.done() >= 1, what="progress")

    said, _ = stopper.communicate("now\n", timeout=PATIENCE_SECONDS)
    time.sleep(2)
    calls = len(server.calls)
    worker.communicate(timeout=PATIENCE_SECONDS)

    assert said == "True\n"
    assert len(server.calls) == calls
    assert installation.ask("SELECT state FROM threads_job") == "cancelled"
    assert installation.done() < THREADS
