"""Markdown: a heading and a table of facts for each thread, then its messages as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from threads.exports import headings, pictures
from threads.exports.base import Options, Written
from threads.exports.masking import mask
from threads.exports.records import ThreadRecord


def _line(text: str) -> str:
    """Return `text` on one line, so that it cannot start a block of its own."""
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")


def _thread(record: ThreadRecord, options: Options) -> str:
    lines = [f"# {_line(headings.title(record, masked=options.masked))}", "", "| | |", "|---|---|"]
    facts = headings.facts(record, masked=options.masked, zone=options.zone)
    lines += [f"| {_cell(label)} | {_cell(value)} |" for label, value in facts]
    for message in record.messages:
        when = headings.moment(message.created_at, options.zone)
        head = f"## {message.position}. {_line(headings.speaker(message))}"
        lines += ["", f"{head} — {when}" if when else head, ""]
        lines += [f"*{note}*\n" for note in headings.notes(message, options.zone)]
        text = message.text.rstrip("\n")
        lines.append(mask(text) if options.masked else text)
        attached = pictures.lines(message, masked=options.masked)
        lines += ["", *attached] if attached else []
    return "\n".join(lines) + "\n"


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write the threads one after the other, a rule between them. Texts are not changed."""
    written = Written()
    for record in records:
        if written.threads:
            target.write(b"\n---\n\n")
        target.write(_thread(record, options).encode("utf-8", "replace"))
        written.threads += 1
        written.messages += len(record.messages)
    written.rows = written.messages
    return written
