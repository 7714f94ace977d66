"""Makes the file of an export: one document, or a ZIP of one a thread with a manifest."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import Any, BinaryIO

from threads.exports.base import ExportCancelled, Exporter, Options, Written
from threads.exports.records import ThreadRecord, records

_IN_MEMORY = 8 * 1024 * 1024  # bytes of one document before it goes to the disk
_LONGEST_NAME = 80  # characters; with a folder's path Windows allows 260


@dataclass(frozen=True, slots=True)
class MadeFile:
    """What was made: how large, its SHA-256 in hexadecimal, and what is in it."""

    size_bytes: int
    sha256: str
    threads: int
    messages: int
    rows: int
    notes: tuple[str, ...]


def file_name(record: ThreadRecord, extension: str, taken: set[str]) -> str:
    """Return a name for a thread's file that every system takes, once in `taken`."""
    text = unicodedata.normalize("NFC", record.thread.title or record.thread.external_id)
    name = re.sub(r"[^\w .,()+@-]+", "_", text)[:_LONGEST_NAME].strip(" ._-") or "thread"
    candidate, number = f"{name}.{extension}", 2
    while candidate.casefold() in taken:
        candidate, number = f"{name} {number}.{extension}", number + 1
    taken.add(candidate.casefold())
    return candidate


def _digest(file: Any) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


class _Watch:
    """Counts the threads that are done and asks whether to go on.

    :param counts_reading: a thread is done when the next one is asked for; otherwise when the
        format says so.
    """

    def __init__(self, progress: Callable[[int], bool], *, counts_reading: bool) -> None:
        self._progress, self._done, self._counts_reading = progress, 0, counts_reading

    def over(self, found: Iterable[ThreadRecord]) -> Iterator[ThreadRecord]:
        for record in found:
            yield record
            self._done += self._counts_reading
            if not self._progress(self._done):
                raise ExportCancelled

    def work(self, done: int) -> bool:
        """Tell whether to go on with a file of which `done` threads are complete."""
        if not self._counts_reading:
            self._done = done
        return self._progress(self._done)


def make_file(
    exporter: Exporter,
    thread_ids: Sequence[int],
    path: Path,
    options: Options,
    *,
    manifest: dict[str, Any],
    now: datetime,
    zipped: bool = False,
    progress: Callable[[int], bool] = lambda _done: True,
) -> MadeFile:
    """Write the threads into the file `path`, which appears only when it is complete.

    :param zipped: a ZIP with one document a thread (one in all for formats that hold many), and
        manifest.json: what `manifest` says, the time, the counts and each file's SHA-256.
    :param progress: called with the number of threads done; False stops.
    :raises ExportCancelled: when progress said so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    watch = _Watch(progress, counts_reading=zipped or not exporter.works_on)
    options = replace(options, progress=watch.work)
    found = watch.over(records(thread_ids, with_source=exporter.needs_source))
    with NamedTemporaryFile(dir=path.parent, prefix=".export-", delete=False) as file:
        partial = Path(file.name)
        target: BinaryIO = file  # type: ignore[assignment]
        try:
            described = {**manifest, "made_at": now.isoformat()}
            if zipped:
                written = _write_zip(exporter, found, target, options, described)
            else:
                written = exporter.write(found, target, options)
            sha256 = _digest(target)
            size = target.seek(0, 2)
        except BaseException:
            file.close()
            partial.unlink()
            raise
    partial.replace(path)
    return MadeFile(
        size, sha256, written.threads, written.messages, written.rows, tuple(written.notes)
    )


def _write_zip(
    exporter: Exporter,
    found: Iterable[ThreadRecord],
    target: BinaryIO,
    options: Options,
    manifest: dict[str, Any],
) -> Written:
    total = Written()
    files: list[dict[str, Any]] = []
    taken: set[str] = {"manifest.json"}
    notes: dict[str, None] = {}
    groups: Iterable[tuple[str, Iterable[ThreadRecord]]]
    if exporter.one_file_per_thread:
        groups = ((file_name(record, exporter.extension, taken), [record]) for record in found)
    else:
        groups = [(f"threads.{exporter.extension}", found)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, exporter.writing() as write:
        for name, group in groups:
            with SpooledTemporaryFile(max_size=_IN_MEMORY) as document:
                one = write(group, document, options)  # type: ignore[arg-type]
                sha256 = _digest(document)
                size = document.seek(0, 2)
                document.seek(0)
                with archive.open(name, "w", force_zip64=True) as member:
                    while chunk := document.read(1024 * 1024):
                        member.write(chunk)
            files.append({"name": name, "size_bytes": size, "sha256": sha256})
            total.threads += one.threads
            total.messages += one.messages
            total.rows += one.rows
            notes |= dict.fromkeys(one.notes)
        total.notes = tuple(notes)
        counts = asdict(total)
        described = {**manifest, "counts": counts, "files": files}
        archive.writestr(
            "manifest.json", json.dumps(described, ensure_ascii=False, indent=2, default=str) + "\n"
        )
    return total
