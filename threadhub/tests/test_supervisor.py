"""Several programs run as one: their lines, their restarts, their end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from threadhub.lib import supervisor

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties processes together"),
]

PATIENCE_SECONDS = 30
# Two programs: one that the test describes, and one that stays. Pauses are short. Whoever runs
# the tests may have signals ignored, as `nohup` and a script's `&` do; that would be inherited.
DRIVER = """
import signal, sys
from pathlib import Path
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    is_ignored = number.name == sys.argv[1]
    signal.signal(number, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
from threadhub.lib import supervisor
supervisor.FIRST_PAUSE_SECONDS = 0.01
supervisor.STOP_SECONDS = 1
programs = [
    supervisor.Program(name, [sys.executable, "-u", "-c", script], folder=Path.cwd())
    for name, script in zip(("one", "two"), sys.argv[2:])
]
sys.exit(supervisor.Supervisor(programs).run(until_ready=lambda: True))
"""
STAYS = "import os, time; print('pid', os.getpid()); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + STAYS
FAILS = "import sys; print('hello'); sys.exit(3)"


class Supervised:
    """Runs `scripts` under a supervisor that was started with the signal `ignored` ignored."""

    def __init__(self, folder: Path, *scripts: str, ignored: str = "") -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, ignored, *scripts],
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def wait_for_pids(self, count: int) -> list[int]:
        """Wait until programs have said their pid `count` times; return these."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            pids = [int(line.split()[-1]) for line in self.lines() if "| pid " in line]
            if len(pids) >= count:
                return pids
            time.sleep(0.02)
        raise AssertionError(f"waited in vain: {self.lines()}")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Supervised]]:
    """Collects what a test starts, so that nothing of it stays."""
    running: list[Supervised] = []
    yield running
    for one in running:
        one.process.kill()
        one.process.wait()


def are_gone(pids: list[int]) -> bool:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    return not alive


def test_it_says_which_program_wrote_a_line(tmp_path: Path, started: list[Supervised]) -> None:
    started.append(Supervised(tmp_path, STAYS, STAYS))

    started[0].wait_for_pids(2)

    assert {line.split("|")[0] for line in started[0].lines()} == {"one    ", "two    "}


class SlowOutput(io.StringIO):
    """Lets other threads write after every call, as output may."""

    def write(self, text: str) -> int:
        written = super().write(text)
        time.sleep(0.001)
        return written


def test_it_keeps_lines_whole_that_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    output = SlowOutput()
    monkeypatch.setattr(sys, "stdout", output)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(supervisor.Supervisor([]).write, ["a line"] * 40))

    assert output.getvalue().splitlines() == ["a line"] * 40


def test_it_starts_a_killed_program_again(tmp_path: Path, started: list[Supervised]) -> None:
    started.append(Supervised(tmp_path, STAYS))
    (pid,) = started[0].wait_for_pids(1)

    os.kill(pid, signal.SIGKILL)
    pids = started[0].wait_for_pids(2)

    assert len(set(pids)) == 2
    assert any("one ended with status -9" in line for line in started[0].lines())


def test_it_gives_up_when_a_program_keeps_failing(
    tmp_path: Path, started: list[Supervised]
) -> None:
    started.append(Supervised(tmp_path, FAILS, STAYS))
    (other,) = started[0].wait_for_pids(1)

    status = started[0].process.wait(PATIENCE_SECONDS)

    lines = started[0].lines()
    assert status == 1
    assert len([line for line in lines if line == "one    | hello"]) == 5
    assert any("giving up" in line for line in lines)
    assert are_gone([other])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_everything_on_a_signal(
    tmp_path: Path, started: list[Supervised], number: signal.Signals
) -> None:
    started.append(Supervised(tmp_path, STAYS, STUBBORN))
    pids = started[0].wait_for_pids(2)

    started[0].process.send_signal(number)

    assert started[0].process.wait(PATIENCE_SECONDS) == 0
    assert started[0].lines()[-1] == "Stopped."
    assert are_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_goes_on_after_a_signal_that_it_was_started_to_ignore(
    tmp_path: Path, started: list[Supervised], number: signal.Signals
) -> None:
    started.append(Supervised(tmp_path, STAYS, STAYS, ignored=number.name))
    pids = started[0].wait_for_pids(2)

    started[0].process.send_signal(number)
    os.kill(pids[0], signal.SIGKILL)
    pids = started[0].wait_for_pids(3)  # it still looks after them
    started[0].process.send_signal(signal.SIGTERM)

    assert started[0].process.wait(PATIENCE_SECONDS) == 0
    assert started[0].lines()[-1] == "Stopped."
    assert are_gone(pids)


def test_it_leaves_no_orphan_when_it_is_killed(tmp_path: Path, started: list[Supervised]) -> None:
    started.append(Supervised(tmp_path, STAYS, STUBBORN))
    pids = started[0].wait_for_pids(2)

    started[0].process.kill()

    assert are_gone(pids)
