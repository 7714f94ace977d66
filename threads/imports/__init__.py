"""Threads out of files. A format is a function that reads a file into the source's own values."""

from __future__ import annotations

from pathlib import Path

from threads.imports.base import (
    ImportedFile,
    ImportedThread,
    ListedThread,
    Place,
    Problem,
    Reader,
    UnreadableFile,
)
from threads.imports.chatgpt import read_chatgpt
from threads.imports.detect import detect
from threads.imports.idlist import read_ids
from threads.imports.json_file import read_json
from threads.imports.jsonl import read_jsonl
from threads.imports.predecessor import Database, read_predecessor

__all__ = [
    "FORMATS",
    "ImportedFile",
    "ImportedThread",
    "ListedThread",
    "Place",
    "Problem",
    "Reader",
    "UnreadableFile",
    "reader",
]

FORMATS: dict[str, Reader] = {
    "jsonl": read_jsonl,
    "chatgpt": read_chatgpt,
    "assistants": read_json,
    "predecessor": read_predecessor,
    "ids": read_ids,
}


def reader(path: Path, form: str = "auto") -> Reader:
    """Return the function that reads `path`.

    :param form: a key of FORMATS, or "auto" to look at the file's first bytes.
    :raises UnreadableFile: when there is no such file or format.
    """
    found = detect(path)
    if form != "auto" and form not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise UnreadableFile(f"The format {form} is not known; there are: {known}.")
    if form == "assistants" and found == "jsonl":
        form = "jsonl"  # one object a line: the same shapes, and places that are lines
    if "predecessor" in {form, found}:
        with Database(path):  # says now what is wrong with it
            pass
    return FORMATS[found if form == "auto" else form]
