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
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

MEMORY_BYTES = 1 << 30
SECONDS = 240  # of CPU; a task of the queue may last 300
_ROOT = Path(__file__).resolve().parents[3]
# Nothing else of our environment: the child needs no secret.
_KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG")


class LayoutError(Exception):
    """The child gave up or was stopped. The text says why, in its own words."""


def lay_out(
    lines: Iterable[Mapping[str, Any]],
    target: BinaryIO,
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: int = SECONDS,
) -> None:
    """Write a PDF of `lines` to `target`; `worker` says what they are.

    About half a second for the start of the process and 5 ms a message; the memory of this
    process does not grow with the document.

    :raises LayoutError: when the document needs more than the limits, or cannot be laid out.
    """
    with TemporaryFile() as said, TemporaryFile() as made:
        for line in lines:
            said.write(json.dumps(line).encode() + b"\n")
        said.seek(0)
        command = [sys.executable, "-m", "threadhub.lib.pdf.worker"]
        try:
            done = subprocess.run(  # noqa: S603 - our own module, and no shell
                [*command, str(memory_bytes), str(seconds)],
                stdin=said,
                stdout=made,
                stderr=subprocess.PIPE,
                cwd=_ROOT,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                timeout=seconds + 30,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LayoutError(f"longer than {seconds} seconds") from error
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise LayoutError((last or [f"exit status {done.returncode}"])[0][:200])
        made.seek(0)
        shutil.copyfileobj(made, target)
