"""The one way into the archive, for every sync and every import."""

from __future__ import annotations

from threads.archive.ingest import ImportReport, ingest
from threads.archive.listed import ListAction, Listing
from threads.archive.totals import recount
from threads.archive.writer import ArchiveError, BoundElsewhere, Stored, store, write_usage

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
