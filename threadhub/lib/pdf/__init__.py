"""Safe HTML to PDF, in a process of its own with hard limits.

What is laid out was written by strangers, and xhtml2pdf was made for documents of one's own: it
loses text, needs minutes for some inputs and gigabytes for others. So the markup is cut into small
blocks first (`blocks`), each character gets a font that has it (`fonts`), and the layout runs in
a child without network, files or our secrets (`worker`).
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread
from typing import IO, Any, BinaryIO, Self, cast

MEMORY_BYTES = 1 << 30
SECONDS = 240  # of CPU, for one document; a task of the queue may last 300
_ASK_EVERY = 1.0  # seconds between two questions whether the document is still wanted
_ROOT = Path(__file__).resolve().parents[3]
# Nothing else of our environment: the child needs no secret.
_KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG")


class LayoutError(Exception):
    """The child gave up or was stopped. The text says why, in its own words."""


class LayoutStopped(LayoutError):
    """Nobody wants the document any more."""


class Layouts:
    """Lays out one document after another; a context manager.

    Starting the child takes half a second, so it starts once, with the first document. Where the
    system can, it forks for each: the limits are each document's own, and none finds anything of
    another. After a LayoutError the child is gone, and the next document starts a new one.

    :param memory_bytes: that one document may take.
    :param seconds: of CPU that one document may take.
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, seconds: int = SECONDS) -> None:
        self._limits = (memory_bytes, seconds)
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def lay_out(
        self,
        lines: Iterable[Mapping[str, Any]],
        target: BinaryIO,
        *,
        progress: Callable[[int], bool] = lambda _done: True,
    ) -> None:
        """Write a PDF of `lines` to `target`; `worker` says what they are.

        5 ms a message; the memory of this process does not grow with the document.

        :param progress: called with the number of threads laid out, when it changes and once a
            second while the child works; False stops it.
        :raises LayoutStopped: when it said so.
        :raises LayoutError: when the document needs more than the limits, or cannot be laid out.
        """
        if self._child is None:
            self._child = _Child(*self._limits)
        try:
            self._child.lay_out(lines, target, progress)
        except BaseException:
            self.__exit__()
            raise


def lay_out(
    lines: Iterable[Mapping[str, Any]],
    target: BinaryIO,
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: int = SECONDS,
    progress: Callable[[int], bool] = lambda _done: True,
) -> None:
    """Write a PDF of one document's `lines` to `target`, as `Layouts.lay_out` does."""
    with Layouts(memory_bytes=memory_bytes, seconds=seconds) as layouts:
        layouts.lay_out(lines, target, progress=progress)


class _Child:
    """The process of `worker`, and the folder in which it finds lines and leaves pages."""

    def __init__(self, memory_bytes: int, seconds: int) -> None:
        self._seconds = seconds
        self._folder = TemporaryDirectory(prefix="threadhub-pdf-")
        self._said, self._made = (Path(self._folder.name) / name for name in ("said", "made"))
        self._told = TemporaryFile()  # noqa: SIM115 - `end` closes it
        self._events: queue.SimpleQueue[str] = queue.SimpleQueue()
        command = [sys.executable, "-m", "threadhub.lib.pdf.worker"]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, and no shell
            [*command, str(memory_bytes), str(seconds), self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            text=True,
            start_new_session=True,  # so that `end` reaches what it has forked
        )
        self._orders = cast(IO[str], self._process.stdin)
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        # A pipe cannot be read with a time-out on Windows; a queue can.
        with cast(IO[str], self._process.stdout) as events:
            for event in events:
                self._events.put(event.strip())
        self._events.put("failed")

    def lay_out(
        self,
        lines: Iterable[Mapping[str, Any]],
        target: BinaryIO,
        progress: Callable[[int], bool],
    ) -> None:
        with self._said.open("wb") as said:
            for line in lines:
                said.write(json.dumps(line).encode() + b"\n")
        try:
            self._orders.write("next\n")
            self._orders.flush()
        except OSError:  # it has ended already; what it told is more than what we could
            raise LayoutError(self._last_words()) from None
        self._wait(progress)
        with self._made.open("rb") as made:
            shutil.copyfileobj(made, target)

    def _wait(self, progress: Callable[[int], bool]) -> None:
        until = time.monotonic() + self._seconds + 30  # the child's own limit is CPU time
        done = 0
        while True:
            try:
                event = self._events.get(timeout=_ASK_EVERY)
            except queue.Empty:
                if time.monotonic() > until:
                    raise LayoutError(f"longer than {self._seconds} seconds") from None
            else:
                if event == "made":
                    return
                if not event.isdecimal():
                    raise LayoutError(self._last_words())
                done = int(event)
            if not progress(done):
                raise LayoutStopped("stopped")

    def _last_words(self) -> str:
        self._told.seek(0)
        last = self._told.read()[-10_000:].decode(errors="replace").strip().splitlines()[-1:]
        return (last or ["the process ended"])[0][:200]

    def end(self) -> None:
        """Kill it and what it has forked; nothing is left in the folder."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        with suppress(OSError):  # an order that it did not read any more
            self._orders.close()
        self._told.close()
        self._folder.cleanup()
