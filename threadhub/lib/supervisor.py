"""Runs several programs as one: prefixes their lines, restarts them, and stops them together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

IS_WINDOWS = os.name == "nt"
MAX_FAILURES = 5  # in a row; then something is wrong that a restart does not mend
HEALTHY_SECONDS = 60  # who ran for so long may fail again MAX_FAILURES times
STOP_SECONDS = 12  # for a polite end; then they are killed
FIRST_PAUSE_SECONDS = 1.0  # before a restart; each further failure doubles it
_TICK_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0

Write = Callable[[str], object]


def _write_line(line: str) -> None:
    # In one piece: programs are read by a thread each, and print() writes the end by itself.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Program:
    """One program under supervision, in a process group of its own.

    Its own group: Ctrl-C in the terminal then reaches the supervisor alone, which stops each
    program once and in order.
    """

    def __init__(self, name: str, command: Sequence[str], *, folder: Path) -> None:
        self.name = name
        self.command = list(command)
        self.folder = folder
        self.failures = 0
        self.restart_at: float | None = None  # a time.monotonic(); None while it runs
        self._started_at = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, write: Write) -> None:
        command = self.command
        if not IS_WINDOWS:
            # `tied` instead of a preexec_fn, which is not safe beside the reader threads.
            tied = str(Path(__file__).with_name("tied.py"))
            command = [sys.executable, "-I", tied, str(os.getpid()), *command]
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=not IS_WINDOWS,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows has it
        )
        self._started_at, self.restart_at = time.monotonic(), None
        self._reader = threading.Thread(target=self._read, args=(write,), daemon=True)
        self._reader.start()

    def _read(self, write: Write) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker
        for line in self._process.stdout or ():
            try:
                write(f"{self.name:<6} | {line.rstrip()}")
            except OSError:  # nobody reads us any more; the program must not stop for that
                continue

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def note_failure(self) -> float:
        """Count the failure and plan the restart. Returns the pause in seconds."""
        if time.monotonic() - self._started_at > HEALTHY_SECONDS:
            self.failures = 0
        self.failures += 1
        self.kill()  # what is left of its group, such as a web server's workers on the port
        pause: float = min(FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1), _LONGEST_PAUSE_SECONDS)
        self.restart_at = time.monotonic() + pause
        return pause

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None and self.is_running:
            self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))

    def kill(self) -> None:
        """End it and everything it started."""
        if self._process is None:
            return
        if IS_WINDOWS:
            command = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        else:
            # Either means that all are gone; macOS says the latter.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._reader is not None:
            self._reader.join(timeout=1)


class Supervisor:
    """Keeps programs running until a signal comes or one of them fails for good."""

    def __init__(self, programs: Sequence[Program], *, write: Write = _write_line) -> None:
        self.programs = programs
        self.write = write
        self._signals = 0

    def _on_signal(self, *_: object) -> None:
        self._signals += 1

    def _listen(self) -> None:
        names = ["SIGINT", "SIGTERM"] + ([] if IS_WINDOWS else ["SIGHUP"])
        for number in (getattr(signal, name) for name in names):
            # `nohup` and a shell's `&` have some ignored on purpose.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def run(self, *, until_ready: Callable[[], bool]) -> int:
        """Start all and stay until they have ended. Returns 0, or 1 when one kept failing.

        `until_ready` is called several times a second until it returns True.
        """
        self._listen()
        for program in self.programs:
            program.start(self.write)
        is_ready, status = False, 0
        while not self._signals and status == 0:
            time.sleep(_TICK_SECONDS)
            status = self._look_after()
            is_ready = is_ready or until_ready()
        self._stop()
        return status

    def _look_after(self) -> int:
        now = time.monotonic()
        for program in self.programs:
            if program.is_running:
                continue
            if program.restart_at is not None:
                if now >= program.restart_at:
                    program.start(self.write)
                continue
            ended = f"{program.name} ended with status {program.exit_status}"
            pause = program.note_failure()
            if program.failures >= MAX_FAILURES:
                self.write(f"{ended}, for the {program.failures}th time: giving up.")
                return 1
            self.write(f"{ended}; starting it again in {pause:.0f} s.")
        return 0

    def _stop(self) -> None:
        self.write("Stopping …")
        for program in self.programs:
            program.stop()
        asked, deadline = self._signals, time.monotonic() + STOP_SECONDS
        while any(program.is_running for program in self.programs):
            # Whoever presses Ctrl-C again does not want to wait.
            if time.monotonic() >= deadline or self._signals > asked:
                break
            time.sleep(_TICK_SECONDS)
        for program in self.programs:
            program.kill()
        self.write("Stopped.")
