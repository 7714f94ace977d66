"""Where files lie: named by a hash of their id, so that no id can lead anywhere else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from django.conf import settings

from threads.attachments.kinds import KINDS

_PLACE = re.compile(r"[0-9]{1,18}/([0-9a-f]{2})/\1[0-9a-f]{62}\.[a-z0-9]{1,5}\Z")
_FILE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}\Z")


def is_file_id(text: str) -> bool:
    """Tell whether a store can have a file with such an id."""
    return bool(_FILE_ID.match(text)) and bool(text.strip("."))


def folder(name: str) -> Path:
    """Return `kept` or `fetched` under the data directory; it may not be there yet."""
    return Path(settings.THREADHUB_DATA_DIR) / "files" / name


def is_place(name: str) -> bool:
    """Tell whether a file below `kept` or `fetched` may lie at the relative path `name`."""
    return bool(_PLACE.match(name)) and name.rpartition(".")[2] in KINDS


def stem_of(file_id: str) -> str:
    """Return the name of a file without its ending, the same on every file system."""
    return hashlib.sha256(file_id.encode()).hexdigest()


def place_of(name: str, project_id: int, file_id: str, extension: str) -> Path:
    stem = stem_of(file_id)
    return folder(name) / str(project_id) / stem[:2] / f"{stem}.{extension}"


def found(name: str, project_id: int, file_id: str) -> Path | None:
    """Return the file, whatever its kind; None when it is not there."""
    for extension in KINDS:
        path = place_of(name, project_id, file_id, extension)
        if path.is_file():
            return path
    return None
