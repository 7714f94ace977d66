"""The pack that is handed to a person: their threads for people and for programs, with hashes."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from threads.exports import EXPORTERS, Options
from threads.exports.jsonl import as_json
from threads.exports.records import ThreadRecord, records

PACKS_KEPT = timedelta(days=30)
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a document before it goes to the disk


class PackStopped(Exception):
    """Somebody said to stop; no file is left behind."""


def pack_path(request_id: UUID | str) -> Path:
    """Return where a request's pack lies. Its name is the request's id, nothing from outside."""
    return Path(settings.THREADHUB_DATA_DIR) / "data-requests" / f"{request_id}.zip"


def sha256_of(record: ThreadRecord) -> str:
    """Return the SHA-256 of the thread's line of JSON, as it stands in the pack's JSON Lines."""
    line = json.dumps(as_json(record), ensure_ascii=False)
    return hashlib.sha256(line.encode("utf-8", "replace")).hexdigest()


def write_pack(
    path: Path,
    thread_ids: Sequence[int],
    *,
    reference: str,
    now: datetime,
    progress: Callable[[int], bool] = lambda _done: True,
) -> str:
    """Write the ZIP, which appears only when it is complete; return its SHA-256.

    It holds threads.jsonl (the interchange format), threads.html (to read, print and search) and
    manifest.json (what, when, each file's SHA-256).

    :param progress: called with the number of threads done, of twice as many as there are.
    :raises PackStopped: when progress said so.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".pack-", delete=False) as file:
        partial = Path(file.name)
        try:
            _write(file, thread_ids, reference=reference, now=now, progress=progress)  # type: ignore[arg-type]
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except BaseException:
            file.close()
            partial.unlink()
            raise
    partial.chmod(0o600)
    partial.replace(path)
    return digest


def _write(
    target: BinaryIO,
    thread_ids: Sequence[int],
    *,
    reference: str,
    now: datetime,
    progress: Callable[[int], bool],
) -> None:
    done = 0

    def watched(found: Iterable[ThreadRecord]) -> Iterator[ThreadRecord]:
        nonlocal done
        for record in found:
            yield record
            done += 1
            if not progress(done):
                raise PackStopped

    files: list[dict[str, Any]] = []
    options = Options(title=_("Data request %s") % reference)
    counts: dict[str, int] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in ("jsonl", "html"):
            exporter = EXPORTERS[key]
            found = watched(records(thread_ids, with_source=exporter.needs_source))
            with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as document:
                written = exporter.write(found, document, options)  # type: ignore[arg-type]
                document.seek(0)
                name = f"threads.{exporter.extension}"
                digest = hashlib.sha256()
                with archive.open(name, "w", force_zip64=True) as member:
                    while chunk := document.read(1024 * 1024):
                        digest.update(chunk)
                        member.write(chunk)
                files.append({"name": name, "sha256": digest.hexdigest()})
            counts = {"threads": written.threads, "messages": written.messages}
        manifest = {
            "product": "ThreadHub",
            "reference": reference,
            "made_at": now.isoformat(),
            "counts": counts,
            "files": files,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def remove_old_packs(now: datetime) -> int:
    """Remove the packs that were made longer ago than they are kept. Returns how many went."""
    folder = pack_path("x").parent
    oldest = (now - PACKS_KEPT).timestamp()
    old = [path for path in folder.glob("*.zip") if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
