"""Readers take a file piece by piece: after the first thread most of it has not been read."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from threads.imports import ImportedThread, reader

THREADS = 60
# Digits that hardly pack, so that the place in a zip tells how much of it was unpacked.
TEXT = random.Random(1).randbytes(40_000).hex()


def interchange(number: int) -> dict[str, Any]:
    return {"id": f"conv_{number}", "messages": [{"role": "user", "content": TEXT}]}


def talk(number: int) -> dict[str, Any]:
    message = {
        "author": {"role": "user"},
        "content": {"content_type": "text", "parts": [TEXT]},
    }
    node: dict[str, Any] = {"id": "n", "message": message, "parent": None, "children": []}
    return {"id": f"conv_{number}", "mapping": {"n": node}}


def lines(folder: Path) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(interchange(each)) + "\n" for each in range(THREADS)))
    return path


def array(folder: Path) -> Path:
    path = folder / "in.json"
    path.write_text(json.dumps([interchange(each) for each in range(THREADS)]))
    return path


def export(folder: Path) -> Path:
    path = folder / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", json.dumps([talk(each) for each in range(THREADS)]))
    return path


@pytest.mark.parametrize("make", [lines, array, export])
def test_it_reads_no_further_than_it_has_to(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path)
    size = path.stat().st_size

    places = [item.place.offset for item in reader(path)(path) if isinstance(item, ImportedThread)]

    assert len(places) == THREADS
    # A thread is a sixtieth of the file; what is read at once is a quarter of a megabyte.
    piece = 256 * 1024 + size // THREADS
    for number, offset in enumerate(places, 1):
        assert offset <= size * number // THREADS + piece
    assert places[0] < size // 8
