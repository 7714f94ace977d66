"""The background worker goes on, or ends as a whole, whichever of its processes is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django_q.conf import Conf
from django_q.signing import SignedPackage

from threadhub.lib.cache import AtomicCache
from threadhub.tests.worker_tasks import FILE_VARIABLE

pytestmark = [
    pytest.mark.processes,
    pytest.mark.own_database,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties processes together"),
]

PATIENCE_SECONDS = 40  # far beyond what it takes, for a machine that is busy
QUEUE_SEVEN_TASKS = """
import django; django.setup()
from threadhub.lib.tasks import enqueue
from threadhub.tests import worker_tasks
for number in range(6):
    enqueue(worker_tasks.write_line, line=f"task-{number}")
enqueue(worker_tasks.write_and_hang, line="busy")
"""


def wait_until(condition: Callable[[], Any], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def environment_of(folder: Path) -> dict[str, str]:
    own = {
        "DJANGO_SETTINGS_MODULE": "threadhub.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": f"sqlite:///{folder / 'threadhub.sqlite3'}",
        "REDIS_URL": "",
        "THREADHUB_DATA_DIR": str(folder),
        "THREADHUB_WORKERS": "2",
        FILE_VARIABLE: str(folder / "ran"),
    }
    return os.environ | own


@dataclass
class Installation:
    """A data folder of its own with a worker on it."""

    folder: Path
    waiting: list[tuple[Any, ...]]  # rows of the queue's table, ready to be put there
    process: subprocess.Popen[bytes]

    @property
    def lines(self) -> list[str]:
        """The names of the tasks that ran, one for each run."""
        path = self.folder / "ran"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def busy_pid(self) -> int:
        last = (self.folder / "ran").read_text().splitlines()[-1]
        return int(last.split()[1])

    def stat(self) -> Any:
        """What the worker last told about itself; None before its first sign of life."""
        cache = AtomicCache(str(self.folder / "cache.sqlite3"), {})
        for key in cache.get(Conf.Q_STAT) or []:
            if (packed := cache.get(key)) is not None:
                stat = SignedPackage.loads(packed)
                return stat if len(stat.workers) == 2 else None
        return None

    def queue(self, rows: list[tuple[Any, ...]]) -> None:
        """Put tasks into the queue, as an enqueue would."""
        connection = sqlite3.connect(self.folder / "threadhub.sqlite3", timeout=20)
        with connection:
            connection.executemany(
                "INSERT INTO django_q_ormq (key, payload, lock)"
                " VALUES (?, ?, datetime('now', '-1 minute'))",
                rows,
            )
        connection.close()

    def queue_six(self) -> None:
        self.queue(self.waiting[:6])

    def queue_busy(self) -> None:
        self.queue(self.waiting[6:])
        wait_until(lambda: "busy" in self.lines, what="the long task has begun")

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Any, ...]]]:
    """A migrated database, and the rows that stand for seven tasks in its queue's table."""
    folder = tmp_path_factory.mktemp("prepared")
    for command in (["manage.py", "migrate", "--verbosity=0"], ["-c", QUEUE_SEVEN_TASKS]):
        subprocess.run(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=environment_of(folder),
            check=True,
        )
    connection = sqlite3.connect(folder / "threadhub.sqlite3")
    with connection:
        rows = connection.execute("SELECT key, payload FROM django_q_ormq ORDER BY id").fetchall()
        connection.execute("DELETE FROM django_q_ormq")
    connection.execute("PRAGMA journal_mode=DELETE")  # one file, to be copied
    connection.close()
    return folder / "threadhub.sqlite3", rows


@pytest.fixture
def installation(
    tmp_path: Path, prepared: tuple[Path, list[tuple[Any, ...]]]
) -> Iterator[Installation]:
    database, waiting = prepared
    shutil.copy(database, tmp_path / "threadhub.sqlite3")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=settings.BASE_DIR,
            env=environment_of(tmp_path),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Installation(folder=tmp_path, waiting=waiting, process=process)
    try:
        wait_until(running.stat, what="the worker's first sign of life")
        yield running
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert alive == []


@pytest.mark.parametrize("role", ["worker", "monitor", "pusher"])
def test_it_runs_later_tasks_once_after_an_idle_process_was_killed(
    installation: Installation, role: str
) -> None:
    stat = installation.stat()
    victim = {"worker": stat.workers[0], "monitor": stat.monitor, "pusher": stat.pusher}[role]

    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: (now := installation.stat()) and now.reincarnations > 0, what="the restart")
    installation.queue_six()
    wait_until(lambda: len(installation.lines) >= 6, what="all six tasks")

    assert sorted(installation.lines) == [f"task-{number}" for number in range(6)]


def test_it_lets_a_neighbour_finish_when_a_busy_worker_is_killed(
    installation: Installation,
) -> None:
    before = installation.stat()
    installation.queue_busy()
    victim = installation.busy_pid
    (neighbour,) = set(before.workers) - {victim}

    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: (now := installation.stat()) and now.reincarnations > 0, what="the restart")
    installation.queue_six()
    wait_until(lambda: len(installation.lines) >= 7, what="all six tasks")

    after = installation.stat()
    assert sorted(installation.lines) == ["busy", *(f"task-{number}" for number in range(6))]
    assert neighbour in after.workers
    assert victim not in after.workers


def test_it_ends_as_a_whole_with_status_70_when_the_guard_is_killed(
    installation: Installation,
) -> None:
    family = installation.descendants()

    os.kill(installation.stat().sentinel, signal.SIGKILL)

    assert installation.process.wait(PATIENCE_SECONDS) == 70
    assert_all_gone(family)


def test_it_leaves_no_orphan_when_the_main_process_is_killed(installation: Installation) -> None:
    installation.queue_busy()
    family = installation.descendants()

    os.kill(installation.process.pid, signal.SIGKILL)

    assert_all_gone(family)


@pytest.mark.parametrize("target", ["the main process", "all of them, as systemd does"])
def test_it_stops_with_status_0_on_sigterm_and_leaves_nothing(
    installation: Installation, target: str
) -> None:
    family = installation.descendants()

    if target == "the main process":
        installation.process.send_signal(signal.SIGTERM)
    else:
        os.killpg(installation.process.pid, signal.SIGTERM)

    assert installation.process.wait(PATIENCE_SECONDS) == 0
    assert_all_gone(family)
