"""Puts files on the disk, finds them again, and keeps what was fetched within its limit."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from django.core.cache import cache
from django.utils.translation import gettext as _

from projects.models import Project, SiteSettings
from threads.attachments.kinds import Kind, KindSniffer
from threads.attachments.places import folder, found, is_file_id, place_of, stem_of
from threads.models import FileReference

KEPT, FETCHED = "kept", "fetched"
_PIECE = 256 * 1024  # bytes read at a time
_MEGABYTE = 1_000_000
_USED_SECONDS = 3_600.0  # a look is noted once in that time
_ROOM_LEFT = 0.9  # of the limit is what a clearance leaves, so that not every file needs one
_GROWN = "files:grown"  # bytes fetched since the folder was last measured
_UNNAMED_SECONDS = 86_400.0  # a file may come some time before the message that names it


class FileRefused(Exception):
    """This file is not kept. The text is a sentence for the person who wants it."""


class TooLarge(FileRefused):
    """It has more bytes than a file may have here."""

    def __init__(self) -> None:
        super().__init__(_("The file is larger than this server keeps."))


def most_bytes() -> int:
    """Return how large a file may be, by the settings of the site."""
    return SiteSettings.current().largest_file_mb * _MEGABYTE


def cached_file(project: Project, file_id: str) -> Path | None:
    """Return where a file of a project lies on this disk; None when it does not. No network.

    Who may see it is the caller's business: it belongs to the messages that name it.
    """
    if not is_file_id(file_id):
        return None
    path = found(KEPT, project.pk, file_id) or found(FETCHED, project.pk, file_id)
    if path is not None:
        _note_use(path)
    return path


def keep_file(
    project: Project, file_id: str, stream: BinaryIO | bytes, content_type: str = ""
) -> Path:
    """Keep a file that an import brought, for good: no store has it, so it is never cleared away.

    Goes when no message of the project names it any more. A file that is there already stays as
    it is. Nothing is written to the database, so a rehearsal leaves it out itself.

    :param content_type: what the file says it is. Not believed: its bytes decide.
    :raises FileRefused: when it is too large, or of a kind that is not handed out.
    """
    _check_id(file_id)
    there = found(KEPT, project.pk, file_id)
    if there is not None:
        return there
    source = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    return _put(KEPT, project.pk, file_id, _pieces(source))


def kept_folder() -> Path:
    """Return where lies what imports brought and nobody else has; it may not be there yet."""
    return folder(KEPT)


def is_kept(project: Project, file_id: str) -> bool:
    """Tell whether an import has brought this file already."""
    return is_file_id(file_id) and found(KEPT, project.pk, file_id) is not None


def check_file(file_id: str, stream: BinaryIO) -> None:
    """Read a file and keep nothing: for a rehearsal, which refuses what `keep_file` would.

    :raises FileRefused: when it is too large, or of a kind that is not handed out.
    """
    _check_id(file_id)
    sniffer, most = KindSniffer(), most_bytes()
    for piece in _within(most, _pieces(stream)):
        sniffer.feed(piece)
    _kind_of(sniffer)


def _check_id(file_id: str) -> None:
    if not is_file_id(file_id):
        raise FileRefused(_("No store has files with such an id."))


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_PIECE), b"")


def _within(most: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise TooLarge
        yield piece


def _kind_of(sniffer: KindSniffer) -> Kind:
    kind = sniffer.kind()
    if kind is None:
        raise FileRefused(_("Files of this kind are not handed out here."))
    return kind


def keep_fetched(project_id: int, file_id: str, pieces: Iterable[bytes]) -> Path:
    """Keep a file that came from a store, and make room for it.

    :raises FileRefused: when it is too large, or of a kind that is not handed out.
    """
    path = _put(FETCHED, project_id, file_id, pieces)
    size = path.stat().st_size
    cache.add(_GROWN, 0, timeout=None)
    # A quarter of the limit may come before the folder is measured again.
    limit = SiteSettings.current().file_cache_mb * _MEGABYTE
    if cache.incr(_GROWN, size) > limit / 4 or size > limit / 8:
        make_room(spare=path)
    return path


def _put(name: str, project_id: int, file_id: str, pieces: Iterable[bytes]) -> Path:
    """Write beside the place, then move: nobody ever finds half a file."""
    target = place_of(name, project_id, file_id, "part")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.{secrets.token_hex(4)}.part")
    sniffer = KindSniffer()
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            for piece in _within(most_bytes(), pieces):
                sniffer.feed(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        path = target.with_name(f"{target.stem}.{_kind_of(sniffer).extension}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _note_use(path: Path) -> None:
    """Let the file's own time say when it was last looked at: a look costs no write elsewhere."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _USED_SECONDS:
            os.utime(path)


def _files(name: str) -> Iterator[tuple[float, int, Path]]:
    """Yield (time of last use, bytes, path) of all files in a folder, partial ones included."""
    for path in folder(name).glob("*/*/*"):
        with contextlib.suppress(OSError):  # another process was faster
            status = path.stat()
            yield status.st_mtime, status.st_size, path


def make_room(*, spare: Path | None = None) -> int:
    """Remove fetched files, longest unused first, until they are within the limit of the site.

    :param spare: stays, also when it is all that does.
    :returns: how many were removed.
    """
    limit = SiteSettings.current().file_cache_mb * _MEGABYTE
    files = sorted(_files(FETCHED))
    total, removed = sum(size for _, size, _ in files), 0
    cache.set(_GROWN, 0, timeout=None)
    if total <= limit:
        return 0
    for _used_at, size, path in files:
        if total <= limit * _ROOM_LEFT:
            break
        if path != spare:
            path.unlink(missing_ok=True)
            total, removed = total - size, removed + 1
    return removed


def forget_unnamed() -> int:
    """Remove files that no message of their project names any more, a day after they came.

    Reads the names of a project's files once. :returns: how many were removed.
    """
    removed = 0
    oldest = time.time() - _UNNAMED_SECONDS
    for name in (KEPT, FETCHED):
        for place in folder(name).glob("*"):
            stems = _named_in(place.name)
            for path in place.glob("*/*"):
                with contextlib.suppress(OSError):
                    if path.stem not in stems and path.stat().st_mtime < oldest:
                        path.unlink(missing_ok=True)
                        removed += 1
    return removed


def _named_in(project: str) -> set[str]:
    if not project.isdigit():
        return set()
    names = FileReference.objects.filter(project=int(project)).order_by()
    return {stem_of(each) for each in names.values_list("file_id", flat=True).distinct().iterator()}
