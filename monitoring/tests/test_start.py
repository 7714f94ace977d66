"""`manage.py start`: everything up with one command, and down again with one signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from pytest_django import Settings

from monitoring import prepare
from monitoring.models import AuditEvent
from monitoring.schedules import SCHEDULES, sync_schedules
from projects.models import Project
from threadhub.lib import audit
from threadhub.lib.cluster import queue_length
from threads import schedules as threads_schedules

PATIENCE_SECONDS = 60
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int, *options: str) -> subprocess.Popen[str]:
    own = {
        "DATABASE_URL": f"sqlite:///{folder / 'threadhub.sqlite3'}",
        "REDIS_URL": "",
        "THREADHUB_DATA_DIR": str(folder),
        "THREADHUB_ADMIN_PASSWORD": "",
    }
    command = [sys.executable, "manage.py", "start", "--port", str(port), *options]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=os.environ | own,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def wait_until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    port = free_port()
    process = start(tmp_path, port, "--no-sample")
    try:
        yield process, f"http://127.0.0.1:{port}/", tmp_path / "log"
    finally:
        process.kill()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 - our own
            return bool(response.status == 200)
    except OSError:
        return False


@only_linux
@pytest.mark.processes
@pytest.mark.own_database
def test_it_brings_everything_up_repairs_it_and_takes_it_down(
    running: tuple[subprocess.Popen[str], str, Path],
) -> None:
    process, address, log = running
    wait_until(lambda: "Ctrl-C stops everything" in log.read_text(), log)
    wait_until(lambda: answers(f"{address}readyz"), log)
    said = log.read_text()
    children = psutil.Process(process.pid).children()
    (web,) = [child for child in children if "gunicorn" in child.cmdline()]

    web.kill()
    wait_until(lambda: "web ended with status -9" in log.read_text(), log)
    wait_until(lambda: answers(f"{address}admin/login/"), log)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
    assert psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1] == []
    assert said.count("Password") == 1
    assert address in said


@pytest.mark.processes
@pytest.mark.own_database
def test_it_refuses_a_taken_port_before_it_does_anything(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        status = start(tmp_path, port).wait(PATIENCE_SECONDS)

    said = (tmp_path / "log").read_text().strip()
    assert status == 1
    assert said.startswith(f"CommandError: Port {port} on 127.0.0.1 cannot be used")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "threadhub.sqlite3").exists()


@pytest.mark.django_db
def test_it_makes_one_administrator_with_a_random_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THREADHUB_ADMIN_PASSWORD", raising=False)

    account = prepare.prepare_first_account()
    again = prepare.prepare_first_account()

    assert account is not None
    assert account.password is not None
    assert len(account.password) >= 16
    assert User.objects.get(username="admin").check_password(account.password)
    assert again is None


@pytest.mark.django_db
def test_it_takes_the_password_that_the_operator_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADHUB_ADMIN_PASSWORD", "chosen by me 2026")
    User.objects.create_user("admin")  # taken, by somebody who is none

    account = prepare.prepare_first_account()

    assert account is not None
    assert account.password is None
    assert account.username != "admin"
    assert User.objects.get(username=account.username).check_password("chosen by me 2026")


@pytest.mark.django_db(transaction=True)
def test_it_queues_the_sample_for_a_new_archive_only() -> None:
    first = prepare.prepare_sample(in_background=True)
    queued = queue_length()
    audit.record(action="sample.load")  # as the task does; later somebody removes the project
    again = prepare.prepare_sample(in_background=True)

    assert (first, again) == (True, False)
    assert queued == 1
    assert queue_length() == 1
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_it_leaves_an_archive_with_projects_alone() -> None:
    Project.objects.create(name="Mine", slug="mine")

    assert prepare.prepare_sample(in_background=True) is False


def test_it_collects_static_files_when_they_changed_only(
    tmp_path: Path, settings: Settings
) -> None:
    source, data = tmp_path / "source", tmp_path / "data"
    source.mkdir()
    data.mkdir()
    (source / "site.css").write_text("a {}")
    settings.THREADHUB_DATA_DIR = data
    with override_settings(STATICFILES_DIRS=[source], STATIC_ROOT=data / "static"):
        first, second = prepare.prepare_static_files(), prepare.prepare_static_files()
        (source / "site.css").write_text("a { color: red }")
        third = prepare.prepare_static_files()

    assert (first, second, third) == (True, False, True)
    assert (data / "static" / "site.css").read_text() == "a { color: red }"


@pytest.mark.django_db
def test_it_schedules_the_work_of_every_app() -> None:
    count, removed = sync_schedules()

    declared = len(SCHEDULES) + len(threads_schedules.SCHEDULES)
    assert (count, removed) == (declared, 0)
    assert sync_schedules() == (declared, 0)
