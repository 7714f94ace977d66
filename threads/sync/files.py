"""Fetches an image or file that messages name: once, with their connection's key, onto the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from django.core.cache import cache
from django.utils.translation import gettext as _

from projects.models import Connection
from threads.attachments import FileRefused, cached_file, keep_fetched
from threads.models import FileReference
from threads.sources import Denied, Gone, SourceError, Throttled, embedded_file, is_embedded
from threads.sync import ledger
from threads.sync.budget import BudgetSpent
from threads.sync.connections import files_for
from threads.sync.writing import write_connection_error

GONE_SECONDS = 86_400  # a file that the store does not have is asked for once a day
_DENIED_SECONDS = 3_600
_FAILED_SECONDS = 60
_LOCK_SECONDS = 90  # longer than a fetch may take
_WAIT_SECONDS = 20.0  # for somebody else who fetches the same file
_POLL_SECONDS = 0.1
# Of one process: so many pictures on a page must not take all threads of a web server.
_FETCHES = threading.BoundedSemaphore(4)


class FileGone(Exception):
    """There is no such file, or none that can be had. The text is a sentence for the reader."""


class FileBusy(Exception):
    """It cannot be had now; later may go better.

    :param wait_seconds: when to ask again.
    """

    def __init__(self, message: str, *, wait_seconds: float) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class _Failed(FileBusy):
    """The source was asked and could not answer: not asked again at once."""


def fetch_file(references: Sequence[FileReference], *, now: datetime) -> Path:
    """Return where the file lies that `references`, of one project, name; fetch it if need be.

    One call, and none when it is here, stands in a message itself, or was missing lately. Two
    who ask at once make one call.

    :param references: with their connection loaded. Only connections through which a message
        that names the file was read are asked.
    :raises FileGone: when it cannot be had.
    :raises FileBusy: when it can perhaps be had later.
    """
    first = references[0]
    there = cached_file(first.project, first.file_id)
    if there is not None:
        return there
    if is_embedded(first.file_id):
        return _take_out(references)
    name = _remembered(first.project_id, first.file_id)
    _refuse_again(name)
    if not cache.add(f"{name}:lock", 1, timeout=_LOCK_SECONDS):
        return _wait_for(first, name)
    try:
        return _fetch(references, name, now=now)
    finally:
        cache.delete(f"{name}:lock")


def _remembered(project_id: int, file_id: str) -> str:
    return f"file:{project_id}:{file_id}"


def is_missing(project_id: int, file_id: str) -> bool:
    """Tell whether nobody had this file when it was asked for last, within a day. No query."""
    return cache.get(f"{_remembered(project_id, file_id)}:missing") is not None


def _refuse_again(name: str) -> None:
    """Repeat what was found out a while ago, without asking.

    :raises FileGone: or `FileBusy`, when the file could not be had then.
    """
    missing, failed = cache.get(f"{name}:missing"), cache.get(f"{name}:failed")
    if missing is not None:
        raise FileGone(str(missing))
    if failed is not None:
        raise FileBusy(str(failed), wait_seconds=_FAILED_SECONDS)


def _take_out(references: Sequence[FileReference]) -> Path:
    """Take a file out of the JSON of a message that holds it."""
    for reference in references:
        kept = getattr(reference.message, "source", None)
        content = embedded_file(kept.raw, reference.file_id) if kept is not None else None
        if content is None:
            continue
        try:
            return keep_fetched(reference.project_id, reference.file_id, [content])
        except FileRefused as refusal:
            raise FileGone(str(refusal)) from None
    raise FileGone(_("The message that was archived does not hold this file any more."))


def _wait_for(reference: FileReference, name: str) -> Path:
    """Wait for somebody else who fetches the same file."""
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        is_over = cache.get(f"{name}:lock") is None
        there = cached_file(reference.project, reference.file_id)
        if there is not None:
            return there
        if is_over:
            break
    _refuse_again(name)
    raise FileBusy(_("The file is being fetched. Try again in a moment."), wait_seconds=5)


def _fetch(references: Sequence[FileReference], name: str, *, now: datetime) -> Path:
    sources = {each.connection_id: each for each in references if each.connection is not None}
    if not sources:
        raise FileGone(_("A file brought this message, but not this attachment."))
    if not _FETCHES.acquire(timeout=_WAIT_SECONDS):
        raise FileBusy(_("Many files are being fetched. Try again in a moment."), wait_seconds=5)
    missing, seconds = "", 0
    try:
        for reference in sources.values():
            assert reference.connection is not None  # noqa: S101 - chosen so
            try:
                return _fetch_through(reference.connection, reference, now=now)
            except _Failed as failed:
                cache.set(f"{name}:failed", str(failed), timeout=_FAILED_SECONDS)
                raise
            except Gone as gone:
                missing, seconds = str(gone), GONE_SECONDS
            except FileRefused as refusal:
                missing, seconds = str(refusal), GONE_SECONDS
            except Denied:
                missing, seconds = _("The key may not read this file."), _DENIED_SECONDS
    finally:
        _FETCHES.release()
    cache.set(f"{name}:missing", missing, timeout=seconds)
    raise FileGone(missing)


def _fetch_through(connection: Connection, reference: FileReference, *, now: datetime) -> Path:
    """Make the one call. What a file is refused for says nothing about the threads.

    :raises Gone: or `Denied`, `FileRefused`: when it cannot be had through this connection.
    :raises FileBusy: when later may go better.
    """
    if not connection.is_usable(now):
        raise FileBusy(_("The source cannot be asked at present."), wait_seconds=_FAILED_SECONDS)
    try:
        with files_for(connection) as files:
            try:
                pieces = files.read(reference.file_id, container_id=reference.container_id)
                return keep_fetched(reference.project_id, reference.file_id, pieces)
            finally:
                ledger.count_file_calls(connection, files.calls, now=now)
    except (Gone, Denied):
        raise
    except BudgetSpent as spent:
        raise FileBusy(str(spent), wait_seconds=spent.wait_seconds) from None
    except SourceError as error:
        if isinstance(error, Throttled):
            write_connection_error(connection, error, now=now)
        message = _("The source did not hand the file out; later may work.")
        raise _Failed(message, wait_seconds=_FAILED_SECONDS) from None
