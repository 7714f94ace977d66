"""The one way into the archive, for every sync and every import."""

from __future__ import annotations

from threads.archive.base import ArchiveError, BoundElsewhere, Stored
from threads.archive.ingest import ingest
from threads.archive.listed import ListAction, Listing
from threads.archive.report import ImportReport
from threads.archive.totals import recount
from threads.archive.usage import write_usage
from threads.archive.writer import store

__all__ = [
    "ArchiveError",
    "BoundElsewhere",
    "ImportReport",
    "ListAction",
    "Listing",
    "Stored",
    "ingest",
    "recount",
    "store",
    "write_usage",
]
