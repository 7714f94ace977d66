"""Safe HTML to PDF, in a process of its own with hard limits.

What is laid out was written by strangers, and xhtml2pdf was made for documents of one's own: it
loses text, needs minutes for some inputs and gigabytes for others. So the markup is cut into small
blocks first (`blocks`), each character gets a font that has it (`fonts`), and the layout runs in
a child without network, files or our secrets (`worker`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

MEMORY_BYTES = 1 << 30
SECONDS = 240  # of CPU; a task of the queue may last 300
_ASK_EVERY = 1.0  # seconds between two questions whether the document is still wanted
_ROOT = Path(__file__).resolve().parents[3]
# Nothing else of our environment: the child needs no secret.
_KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG")


class LayoutError(Exception):
    """The child gave up or was stopped. The text says why, in its own words."""


class LayoutStopped(LayoutError):
    """Nobody wants the document any more."""


def lay_out(
    lines: Iterable[Mapping[str, Any]],
    target: BinaryIO,
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: int = SECONDS,
    still_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Write a PDF of `lines` to `target`; `worker` says what they are.

    About half a second for the start of the process and 5 ms a message; the memory of this
    process does not grow with the document.

    :param still_wanted: asked once a second while the child works; False stops it.
    :raises LayoutStopped: when it said so.
    :raises LayoutError: when the document needs more than the limits, or cannot be laid out.
    """
    with TemporaryFile() as said, TemporaryFile() as made, TemporaryFile() as told:
        for line in lines:
            said.write(json.dumps(line).encode() + b"\n")
        said.seek(0)
        command = [sys.executable, "-m", "threadhub.lib.pdf.worker"]
        child = subprocess.Popen(  # noqa: S603 - our own module, and no shell
            [*command, str(memory_bytes), str(seconds)],
            stdin=said,
            stdout=made,
            stderr=told,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
        try:
            _wait_for(child, seconds=seconds, still_wanted=still_wanted)
        finally:
            child.kill()  # does nothing to one that has ended
            child.wait()
        if child.returncode != 0:
            told.seek(0)
            last = told.read()[-10_000:].decode(errors="replace").strip().splitlines()[-1:]
            raise LayoutError((last or [f"exit status {child.returncode}"])[0][:200])
        made.seek(0)
        shutil.copyfileobj(made, target)


def _wait_for(
    child: subprocess.Popen[bytes], *, seconds: int, still_wanted: Callable[[], bool]
) -> None:
    until = time.monotonic() + seconds + 30  # the child's own limit is CPU time
    while True:
        try:
            child.wait(timeout=_ASK_EVERY)
        except subprocess.TimeoutExpired:
            if not still_wanted():
                raise LayoutStopped("stopped") from None
            if time.monotonic() > until:
                raise LayoutError(f"longer than {seconds} seconds") from None
        else:
            return
