"""Threads out of files. A format is a function that reads a file into the source's own values."""

from __future__ import annotations

from pathlib import Path

from threads.imports.base import ImportedThread, Place, Problem, Reader, UnreadableFile
from threads.imports.jsonl import read_jsonl

__all__ = ["FORMATS", "ImportedThread", "Place", "Problem", "Reader", "UnreadableFile", "reader"]

FORMATS: dict[str, Reader] = {"jsonl": read_jsonl}
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"SQLite format 3\0": "an SQLite database",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
}


def reader(path: Path, form: str = "auto") -> Reader:
    """Return the function that reads `path`.

    :param form: a key of FORMATS, or "auto" to look at the file's first bytes.
    :raises UnreadableFile: when there is no such file or format.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error.strerror}.") from error
    if form != "auto" and form not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise UnreadableFile(f"The format {form} is not known; there are: {known}.")
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{path.name} is not JSON Lines but {name}.")
    return FORMATS["jsonl" if form == "auto" else form]
