"""What the workers of test_worker_processes do."""

from __future__ import annotations

import os
import time
from pathlib import Path

FILE_VARIABLE = "THREADHUB_TEST_WORKER_FILE"  # the environment says where to write


def write_line(line: str) -> str:
    """Append one line: a task that ran twice has two."""
    with Path(os.environ[FILE_VARIABLE]).open("a") as file:
        file.write(f"{line} {os.getpid()}\n")
    return f"Wrote {line}."


def write_and_hang(line: str) -> str:
    """Tell that it runs, then keep the worker busy for longer than any test."""
    write_line(line)
    time.sleep(60)
    return "Woke up."
