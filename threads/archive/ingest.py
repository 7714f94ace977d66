"""Puts what an importer reads into the archive, and counts what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from django.db import connection, transaction

from projects.models import Project
from threads.archive.listed import Listing, Refusal, apply
from threads.archive.writer import BATCH, ArchiveError, store
from threads.imports import ImportedThread, ListedThread, Place, Problem

_Item = ImportedThread | ListedThread | Problem
# A rehearsal is undone after so many messages: a thread that a file names again within them is
# recognised, and no writer waits longer than some three seconds.
_REHEARSED = 10_000
_MOST_THREADS = 500  # new and changed ones named in the report
_MOST_PROBLEMS = 1_000  # kept in the report; all of them are counted


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do. Can be written to JSON and taken up again."""

    is_dry_run: bool = False
    threads_new: int = 0
    threads_changed: int = 0
    threads_unchanged: int = 0
    messages_new: int = 0
    messages_changed: int = 0
    problem_count: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)  # [{"line", "message"}]
    threads: list[dict[str, Any]] = field(default_factory=list)  # [{"line", "id", "outcome"}]

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> Self:
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def thread_count(self) -> int:
        return self.threads_new + self.threads_changed + self.threads_unchanged

    def add_problem(self, line: int, message: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append({"line": line, "message": message})

    def add_thread(self, line: int, identity: str, outcome: str) -> None:
        """Count a thread; `outcome` is new, changed or unchanged."""
        if outcome == "new":
            self.threads_new += 1
        elif outcome == "changed":
            self.threads_changed += 1
        else:
            self.threads_unchanged += 1
        if outcome != "unchanged" and len(self.threads) < _MOST_THREADS:
            self.threads.append({"line": line, "id": identity, "outcome": outcome})

    def __str__(self) -> str:
        """One line for people, the same for a rehearsal and for the real thing."""
        would = "would be " if self.is_dry_run else ""
        return (
            f"{self.thread_count} threads: {self.threads_new} {would}new,"
            f" {self.threads_changed} {would}changed, {self.threads_unchanged} unchanged;"
            f" messages: {self.messages_new} {would}new, {self.messages_changed} {would}changed;"
            f" {self.problem_count} lines refused."
        )


def ingest(
    items: Iterable[_Item],
    *,
    project: Project,
    now: datetime,
    report: ImportReport,
    keep_going: Callable[[Place], bool] | None = None,
    begin: Callable[[], None] | None = None,
    listing: Listing = Listing(),  # noqa: B008 - frozen
) -> bool:
    """Store what `items` brings and count it in `report`, whose `is_dry_run` decides.

    :param keep_going: asked after each commit with the place in the file; False ends it there.
    :param begin: called at the beginning of each transaction of a rehearsal, which is undone: it
        makes what the threads need and what is not there yet.
    :param listing: what to do with the rows of a list of ids.
    :returns: True when the end was reached.
    """
    # One commit for many small threads: a third of the time goes there, and into the index that
    # each commit flushes.
    size = _REHEARSED if report.is_dry_run else BATCH
    for group in _groups(items, size=size):
        last = Place()
        # PostgreSQL would hold locks on several threads for it, which may block each other.
        is_one = report.is_dry_run or connection.vendor == "sqlite"
        with transaction.atomic() if is_one else nullcontext():
            if begin is not None and report.is_dry_run:
                begin()
            for item in group:
                last = item.place
                if isinstance(item, Problem):
                    report.add_problem(last.line, item.message)
                elif isinstance(item, ListedThread):
                    _ingest_listed(item, listing, project=project, now=now, report=report)
                else:
                    _ingest_thread(item, project=project, now=now, report=report)
            if report.is_dry_run:
                transaction.set_rollback(True)
        if keep_going is not None and not keep_going(last):
            return False
    return True


def _groups(items: Iterable[_Item], *, size: int) -> Iterator[Iterator[_Item]]:
    """Cut the stream where about `size` messages are full; no group is held in memory."""
    stream = iter(items)

    def group(first: _Item) -> Iterator[_Item]:
        count = 0
        item: _Item | None = first
        while item is not None:
            yield item
            count += 1 + (len(item.messages) if isinstance(item, ImportedThread) else 0)
            item = next(stream, None) if count < size else None

    while (first := next(stream, None)) is not None:
        yield group(first)


def _ingest_thread(
    item: ImportedThread,
    *,
    project: Project,
    now: datetime,
    report: ImportReport,
) -> None:
    try:
        stored = store(
            item.messages,
            project=project,
            external_id=item.thread.remote_id,
            remote=item.thread,
            now=now,
        )
    except ArchiveError as error:
        report.add_problem(item.place.line, str(error))
        return
    outcome = "new" if stored.is_created else "changed" if stored.is_changed else "unchanged"
    report.messages_new += stored.messages_new
    report.messages_changed += stored.messages_changed
    report.add_thread(item.place.line, item.thread.remote_id, outcome)


def _ingest_listed(
    item: ListedThread, listing: Listing, *, project: Project, now: datetime, report: ImportReport
) -> None:
    try:
        with transaction.atomic():
            outcome = apply(item, listing, project=project, now=now)
    except Refusal as refusal:
        report.add_problem(item.place.line, str(refusal))
    else:
        report.add_thread(item.place.line, item.external_id, outcome)
