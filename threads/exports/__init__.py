"""Threads out of the archive, in every format people need."""

from __future__ import annotations

from threads.exports.base import ExportCancelled, Exporter, ExportError, Options, Written
from threads.exports.files import MadeFile, make_file
from threads.exports.formats import EXPORTERS
from threads.exports.order import ExportOrder, Selected, make, select

__all__ = [
    "EXPORTERS",
    "ExportCancelled",
    "ExportError",
    "ExportOrder",
    "Exporter",
    "MadeFile",
    "Options",
    "Selected",
    "Written",
    "make",
    "make_file",
    "select",
]
