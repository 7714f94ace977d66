"""Zip files from strangers: read in place, within limits, and refused when they are made to harm.

Nothing is ever unpacked to the names in the file. Those that point elsewhere are refused all the
same: no export has them, so the file is not what it says it is.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from threads.imports.base import UnreadableFile

MOST_ENTRIES = 200_000  # an export has one for each picture and file
LARGEST_DIRECTORY = 64 * 1024 * 1024  # bytes of the list of entries; it is held in memory
LARGEST_UNPACKED = 256 * 1024**3  # bytes, all entries together
LARGEST_RATIO = 200  # JSON packs to a tenth at best; bombs reach 1,032
_RATIO_FROM = 4 * 1024 * 1024  # bytes; a small file may well be all spaces
_END = struct.Struct("<4s4H2LH")  # of the central directory, and its 64-bit form
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENCRYPTED = 0x1
# What the standard library raises about an entry that cannot be read.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError)


class SafeZip:
    """An opened zip file whose list of entries holds no trap. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open and check the file.

        :raises UnreadableFile: when it is damaged, encrypted, or made to harm.
        """
        self.path = path
        self.size = path.stat().st_size
        _check_directory(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UnreadableFile(f"{path.name} is no zip file, or damaged: {error}.") from error
        try:
            self.entries = self._checked()
        except UnreadableFile:
            self._zip.close()
            raise

    def __enter__(self) -> SafeZip:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _checked(self) -> list[zipfile.ZipInfo]:
        name = self.path.name
        entries = self._zip.infolist()
        if len(entries) > MOST_ENTRIES:
            raise UnreadableFile(f"{name} has {len(entries)} entries; the most is {MOST_ENTRIES}.")
        unpacked = packed = 0
        for entry in entries:
            parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
            is_elsewhere = ".." in parts or entry.filename[:1] in {"/", "\\"}
            if is_elsewhere or ":" in entry.filename[1:3]:
                raise UnreadableFile(f"{name} is refused: an entry points out of it.")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise UnreadableFile(f"{name} is refused: an entry is a link to another file.")
            if entry.flag_bits & _ENCRYPTED:
                raise UnreadableFile(f"{name} is encrypted. Unpack it and import what is in it.")
            unpacked += entry.file_size
            packed += entry.compress_size
            is_large = entry.file_size > _RATIO_FROM
            if is_large and entry.file_size > LARGEST_RATIO * max(1, entry.compress_size):
                raise UnreadableFile(
                    f"{name} is refused: an entry unpacks to over {LARGEST_RATIO} times its size."
                )
        if unpacked > LARGEST_UNPACKED:
            limit = LARGEST_UNPACKED // 1024**3
            raise UnreadableFile(f"{name} is refused: it unpacks to more than {limit} GB.")
        if packed > self.size:
            raise UnreadableFile(f"{name} is refused: its entries lie over each other.")
        return [entry for entry in entries if not _is_litter(entry)]

    def open(self, entry: zipfile.ZipInfo) -> BinaryIO:
        """Open an entry for reading; it never gives more bytes than the list says it has.

        This, and reading, raises one of DAMAGED when the entry is.
        """
        return cast(BinaryIO, self._zip.open(entry))


def _is_litter(entry: zipfile.ZipInfo) -> bool:
    """True for folders, and for what macOS puts into every zip."""
    parts = PurePosixPath(entry.filename).parts
    return entry.is_dir() or not parts or "__MACOSX" in parts or parts[-1].startswith("._")


def _check_directory(path: Path) -> None:
    """Look at the size of the list of entries before it is read as a whole."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        start = max(0, size - _END.size - 0xFFFF - _LOCATOR.size)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise UnreadableFile(f"{path.name} is no zip file, or it breaks off.")
        _, _, _, _, count, directory, _, _ = _END.unpack_from(tail, at)
        if at >= _LOCATOR.size and tail[at - _LOCATOR.size :].startswith(b"PK\x06\x07"):
            _, _, offset, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
            file.seek(min(offset, size))
            record = file.read(_END_64.size)
            if len(record) == _END_64.size and record.startswith(b"PK\x06\x06"):
                *_, count, directory, _ = _END_64.unpack(record)
    if count > MOST_ENTRIES or directory > LARGEST_DIRECTORY:
        raise UnreadableFile(f"{path.name} is refused: it has more than {MOST_ENTRIES} entries.")
