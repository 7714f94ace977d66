"""CSV as in RFC 4180: every field quoted, CRLF, UTF-8 with a mark that Excel recognises."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import BinaryIO

from threads.exports import columns
from threads.exports.base import Options, Written
from threads.exports.cells import safe_text
from threads.exports.records import ThreadRecord


def _field(value: columns.Value) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return safe_text(value) if isinstance(value, str) else value


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write a header and a row for each message or thread. Quoting every field keeps a
    separator inside a text from opening a new cell, whatever separator the reader's program has.
    """
    chosen = columns.chosen(options.columns, per_message=options.per_message)
    written = Written()
    text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="", write_through=False)
    try:
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow([safe_text(str(column.label)) for column in chosen])
        for record in records:
            written.threads += 1
            written.messages += len(record.messages)
            for row in columns.rows(
                record,
                chosen,
                per_message=options.per_message,
                masked=options.masked,
                zone=options.zone,
            ):
                writer.writerow([_field(value) for value in row])
                written.rows += 1
        text.flush()
    finally:
        text.detach()
    return written
