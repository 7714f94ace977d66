"""The formats there are. Each loads its libraries when it is written."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import BinaryIO

from django.utils.translation import gettext_lazy as _

from threads.exports.base import Exporter, Options, Write, Written
from threads.exports.records import ThreadRecord


def _late(module: str) -> Write:
    """Import a format's module when it is written: the web process loads no openpyxl."""

    def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
        written: Written = import_module(f"threads.exports.{module}").write(
            records, target, options
        )
        return written

    return write


def _opened_pdf() -> AbstractContextManager[Write]:
    opened: AbstractContextManager[Write] = import_module("threads.exports.pdf").opened()
    return opened


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

EXPORTERS = {
    exporter.key: exporter
    for exporter in (
        Exporter("xlsx", _("Excel"), "xlsx", _XLSX, _late("xlsx")),
        Exporter("csv", _("CSV"), "csv", "text/csv; charset=utf-8", _late("csv_file")),
        Exporter(
            "jsonl",
            _("JSON Lines"),
            "jsonl",
            "application/x-ndjson",
            _late("jsonl"),
            needs_source=True,
        ),
        Exporter(
            "md",
            _("Markdown"),
            "md",
            "text/markdown; charset=utf-8",
            _late("markdown"),
            needs_source=True,
            one_file_per_thread=True,
        ),
        Exporter(
            "html",
            _("Web page"),
            "html",
            "text/html; charset=utf-8",
            _late("html"),
            needs_source=True,
            one_file_per_thread=True,
        ),
        Exporter(
            "pdf",
            _("PDF"),
            "pdf",
            "application/pdf",
            _late("pdf"),
            needs_source=True,
            one_file_per_thread=True,
            opened=_opened_pdf,
            works_on=True,
        ),
    )
}
