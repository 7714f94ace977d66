"""The images and files in the zip of a ChatGPT export, found by the ids that messages name.

An entry is called by its id and mostly by the file's own name behind it, in any folder:
`file-AbC123-cat.png`, `dalle-generations/file-AbC123.webp`, `file_0000ab-sanitized.png`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import PurePosixPath

from threads.imports.base import ImportedFile
from threads.imports.zips import DAMAGED, SafeZip
from threads.sources import RemoteMessage

_BY_ID = re.compile(r"(file[-_][A-Za-z0-9]+)(?=[-_.]|\Z)")


class FilesInZip:
    """The entries of a zip that messages may name."""

    def __init__(self, archive: SafeZip) -> None:
        self._archive = archive
        self._by_id: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.entries:
            name = PurePosixPath(entry.filename)
            match = _BY_ID.match(name.name)
            for identity in {name.name, name.stem, match[1] if match else name.stem}:
                known = self._by_id.get(identity)
                # Of a picture and its preview the larger one is the picture.
                if known is None or known.file_size < entry.file_size:
                    self._by_id[identity] = entry

    def named_by(self, messages: Iterable[RemoteMessage]) -> tuple[ImportedFile, ...]:
        """Return the files that are here of those that messages name, each once."""
        found: dict[str, ImportedFile] = {}
        for message in messages:
            for part in message.parts:
                entry = self._by_id.get(part.file_id) if part.file_id else None
                if entry is not None and part.file_id not in found:
                    found[part.file_id] = ImportedFile(
                        part.file_id, partial(self._archive.open, entry), DAMAGED
                    )
        return tuple(found.values())
