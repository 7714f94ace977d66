"""The files of a folder in one tar beside the copy of the database, and the way back."""

from __future__ import annotations

import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from threadhub.lib.backup import BackupError

_PIECE = 1024 * 1024  # bytes in memory at a time


def tar_beside(path: Path) -> Path:
    """Return the name of what holds the files that belong to the backup `path`."""
    return path.with_name(f"{path.name}.files.tar")


def pack(folder: Path, path: Path) -> tuple[int, int]:
    """Write all files below `folder` to the new tar `path`, readable by its owner only.

    Not compressed: pictures and documents are already. What comes or goes meanwhile does no harm.

    :returns: how many files, and their bytes.
    :raises BackupError: when it exists or cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} exists. Backups are never overwritten; name another file.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as target:
            with closing(tarfile.open(fileobj=target, mode="w", bufsize=_PIECE)) as tar:
                packed = [_add(tar, each, folder) for each in sorted(folder.rglob("*"))]
            target.flush()
            os.fsync(target.fileno())
        sizes = [size for size in packed if size is not None]
        if [member.size for member in _members(partial)] != sizes:
            raise BackupError(f"{path.name} does not hold what was written to it.")
        partial.rename(path)
    except OSError as error:
        raise BackupError(f"The files cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return len(sizes), sum(sizes)


def _add(tar: tarfile.TarFile, path: Path, folder: Path) -> int | None:
    """Add one file and return its bytes; None for what is no file, unfinished, or gone again."""
    if path.suffix == ".part" or path.is_symlink() or not path.is_file():
        return None
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        member = tarfile.TarInfo(path.relative_to(folder).as_posix())
        member.size, member.mode = os.fstat(file.fileno()).st_size, 0o600
        tar.addfile(member, file)
    return member.size


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what a tar holds.

    :raises BackupError: when it is damaged.
    """
    length = path.stat().st_size
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.offset_data + member.size > length:
                    raise BackupError(f"{path.name} is damaged: it ends within {member.name}.")
                yield member
            if length < tar.offset:
                raise BackupError(f"{path.name} is damaged: its end is missing.")
    except tarfile.TarError as error:
        raise BackupError(f"{path.name} is damaged: {error}") from error


def check(path: Path, *, accepts: Callable[[str], bool]) -> None:
    """Look at all that a tar holds, and write nothing.

    :param accepts: whether a file may have that name. Nothing else is ever written.
    :raises BackupError: when it is damaged, or holds anything but such files.
    """
    for member in _members(path):
        if not member.isreg() or not accepts(member.name):
            raise BackupError(f"{path.name} was not made by backup: it holds {member.name[:100]}.")


def unpack(path: Path, folder: Path, *, accepts: Callable[[str], bool]) -> tuple[int, int, int]:
    """Put the files of a tar into `folder`; those that are there already stay as they are.

    :returns: how many were put back, their bytes, and how many were there.
    :raises BackupError: as `check` does, before anything is written; or when it cannot be written.
    """
    check(path, accepts=accepts)
    count = size = there = 0
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                target = folder / member.name
                source = tar.extractfile(member)
                if source is None or target.exists():
                    there += 1
                    continue
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                partial = target.with_name(f"{target.stem}.{secrets.token_hex(4)}.part")
                handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with source, os.fdopen(handle, "wb") as file:
                    shutil.copyfileobj(source, file, _PIECE)
                partial.replace(target)
                count, size = count + 1, size + member.size
    except OSError as error:
        raise BackupError(f"The files cannot be put back: {error}") from error
    return count, size, there
