"""Puts what an importer reads into the archive, and counts what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.db import DatabaseError, OperationalError, transaction

from projects.models import Project
from threads.archive.base import BATCH, ArchiveError, Stored
from threads.archive.brought import BroughtFiles
from threads.archive.listed import Listing, Refusal, apply
from threads.archive.report import ImportReport
from threads.archive.writer import check_id, store, store_together
from threads.imports import ImportedThread, ListedThread, Place, Problem

_Item = ImportedThread | ListedThread | Problem
_Bundle = list[_Item]
# What a transaction does is weighed in messages of ordinary length: a page of text takes as long
# to write and index as one of these does beside its text.
_CHARACTERS = 2_000
# Of one message. On its way into the index a text is copied eight times.
_LONGEST_TEXT = 8 * 1024 * 1024  # bytes in UTF-8
_LONGEST_RAW = 18 * 1024 * 1024  # characters of JSON: pictures stand in it as they came
# A rehearsal is undone after so much: a thread that a file names again within it is recognised,
# and no writer waits longer than some three seconds.
_REHEARSED = 10_000


def ingest(
    items: Iterable[_Item],
    *,
    project: Project,
    now: datetime,
    report: ImportReport,
    keep_going: Callable[[Place], bool] = lambda _place: True,
    begin: Callable[[], None] = lambda: None,
    listing: Listing = Listing(),  # noqa: B008 - frozen
) -> bool:
    """Store what `items` brings and count it in `report`, whose `is_dry_run` decides.

    :param keep_going: asked after each commit with the place in the file; False ends it there.
    :param begin: called at the beginning of each transaction of a rehearsal, which is undone: it
        makes what the threads need and what is not there yet.
    :param listing: what to do with the rows of a list of ids.
    :returns: True when the end was reached.
    """
    writing = _Writing(project, listing, report, now=now)
    bundles = _bundles(writing.with_files(items))
    if report.is_dry_run:
        return all(keep_going(writing.rehearse(bundle, bundles, begin)) for bundle in bundles)
    return all(keep_going(writing.write(bundle)) for bundle in bundles)


def _bundles(items: Iterable[_Item]) -> Iterator[_Bundle]:
    """Put together what one transaction writes: some BATCH messages, no thread twice."""
    bundle: _Bundle = []
    identities: set[str] = set()
    weight = 0
    for item in items:
        is_again = isinstance(item, ImportedThread) and item.thread.remote_id in identities
        if bundle and (weight >= BATCH or is_again):
            yield bundle
            bundle, identities, weight = [], set(), 0
        bundle.append(item)
        weight += _weight([item])
        if isinstance(item, ImportedThread):
            identities.add(item.thread.remote_id)
    if bundle:
        yield bundle


def _weight(items: _Bundle) -> int:
    messages = [
        message for item in items if isinstance(item, ImportedThread) for message in item.messages
    ]
    length = sum(len(message.raw) for message in messages)
    return len(items) + len(messages) + length // _CHARACTERS


def _check_length(item: ImportedThread) -> None:
    """Refuse what would take a multiple of its length in memory.

    :raises ArchiveError: when one of its messages is too long.
    """
    for number, message in enumerate(item.messages, 1):
        is_long = len(message.text) > _LONGEST_TEXT // 4
        size = len(message.text.encode("utf-8", "replace")) if is_long else 0
        if size > _LONGEST_TEXT or len(message.raw) > _LONGEST_RAW:
            most = _LONGEST_TEXT // 1024**2
            raise ArchiveError(
                f"Message {number} is too long: a text may have {most} MB. The thread is left out."
            )


class _Writing:
    """An import under way."""

    def __init__(
        self, project: Project, listing: Listing, report: ImportReport, *, now: datetime
    ) -> None:
        self._project, self._listing, self._report = project, listing, report
        self._now = now
        self._files = BroughtFiles(project, is_dry_run=report.is_dry_run)

    def with_files(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Keep the files of each thread while its reader has them at hand.

        Before the thread is stored, so that no transaction waits for a disk. What no message
        comes to name is cleared away after a day.
        """
        for item in items:
            yield item
            if isinstance(item, ImportedThread) and item.files:
                before = self._files.new_count
                for sentence in self._files.take(item):
                    yield Problem(item.place, sentence)
                self._report.files_new += self._files.new_count - before

    def rehearse(
        self, bundle: _Bundle, following: Iterator[_Bundle], begin: Callable[[], None]
    ) -> Place:
        """Write this bundle and those after it, as far as _REHEARSED, and undo it all."""
        weight = _weight(bundle)
        with transaction.atomic():
            begin()
            place = self.write(bundle)
            while weight < _REHEARSED and (more := next(following, None)):
                place, weight = self.write(more), weight + _weight(more)
            transaction.set_rollback(True)
        return place

    def write(self, bundle: _Bundle) -> Place:
        """Write a bundle, and return the place behind it."""
        self._store([item for item in bundle if isinstance(item, ImportedThread)])
        self._list([item for item in bundle if isinstance(item, ListedThread)])
        for item in bundle:
            if isinstance(item, Problem):
                self._report.add_problem(item.place.line, item.message)
        return bundle[-1].place

    def _store(self, items: list[ImportedThread]) -> None:
        good = [item for item in items if self._is_storable(item)]
        together = [item for item in good if len(item.messages) <= BATCH]
        stored = self._store_together(together)
        for item in good:
            identity = item.thread.remote_id
            outcome = stored.get(identity) if len(item.messages) <= BATCH else self._alone(item)
            if outcome is not None:
                self._report.add_stored(item.place.line, identity, outcome, item.thread.title)

    def _is_storable(self, item: ImportedThread) -> bool:
        try:
            check_id(item.thread.remote_id)
            _check_length(item)
        except ArchiveError as error:
            self._report.add_problem(item.place.line, str(error))
            return False
        return True

    def _store_together(self, items: list[ImportedThread]) -> dict[str, Stored | None]:
        """Store them in one transaction; when the database refuses that, one after the other."""
        threads = [(item.thread, item.messages) for item in items]
        try:
            found = store_together(threads, project=self._project, now=self._now) if items else []
        except OperationalError:
            raise  # is about the database, not about a thread
        except (DatabaseError, OverflowError):
            return {item.thread.remote_id: self._alone(item) for item in items}
        return {item.thread.remote_id: each for item, each in zip(items, found, strict=True)}

    def _alone(self, item: ImportedThread) -> Stored | None:
        try:
            return store(
                item.messages,
                project=self._project,
                external_id=item.thread.remote_id,
                remote=item.thread,
                now=self._now,
            )
        except OperationalError:
            raise
        except (ArchiveError, DatabaseError, OverflowError) as error:
            self._report.add_problem(item.place.line, f"The thread cannot be stored: {error}")
            return None

    def _list(self, items: list[ListedThread]) -> None:
        if not items:
            return
        with transaction.atomic():
            for item in items:
                try:
                    outcome = apply(item, self._listing, project=self._project, now=self._now)
                except Refusal as refusal:  # before anything was written
                    self._report.add_problem(item.place.line, str(refusal))
                else:
                    self._report.add_thread(item.place.line, item.external_id, outcome)
