"""Which format a file is in, by its first bytes and never by its name."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from threads.imports.base import UnreadableFile
from threads.imports.chatgpt import conversation_files
from threads.imports.zips import SafeZip

_LOOKED_AT = 256 * 1024  # bytes; conversations begin with a title and their mapping
_REFUSED = {
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of before 2007: save it as .xlsx",
    b"%PDF": "a PDF",
}


def detect(path: Path) -> str:
    """Return the format's key.

    :raises UnreadableFile: when it cannot be read, or is none of the known ones.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error.strerror}.") from error
    for magic, name in _REFUSED.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{path.name} cannot be imported: it is {name}.")
    if head.startswith(b"SQLite format 3\0"):
        return "predecessor"
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(path)
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if head.startswith(b"["):
        return "chatgpt" if b'"mapping"' in head else "assistants"
    if head.startswith(b"{"):
        return _of_objects(head)
    if _is_broken_json(head):
        return "jsonl"
    if b"\0" in head:
        raise UnreadableFile(
            f"{path.name} cannot be imported: it is no text, zip file, spreadsheet or database."
        )
    return "ids"


def _in_zip(path: Path) -> str:
    with SafeZip(path) as archive:
        names = [entry.filename for entry in archive.entries]
    if conversation_files(names):
        return "chatgpt"
    if any(name.lstrip("/").startswith("xl/") for name in names):
        return "ids"
    raise UnreadableFile(
        f"{path.name} is a zip file of something else: it holds neither the conversations.json of"
        " a ChatGPT export nor a spreadsheet."
    )


def _of_objects(head: bytes) -> str:
    """Tell one object a line from one object over many lines."""
    line = head.split(b"\n", 1)[0]
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        # A line that is cut off here is a long one: one object a line has no space after "{".
        is_spread = b"\n" in head and line.strip() in {b"{", b"{\r"}
        if not is_spread:
            return "jsonl"
        return "chatgpt" if b'"mapping"' in head else "assistants"
    return "chatgpt" if isinstance(record, dict) and "mapping" in record else "jsonl"


def _is_broken_json(head: bytes) -> bool:
    """Text that has a line of JSON somewhere was meant to be lines of JSON."""
    return any(line.lstrip().startswith(b"{") for line in head.splitlines()[:20])
