"""A copy of the database in one file, and the way back. Never the `.env`: its keys stay apart."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

_SQLITE_MAGIC = b"SQLite format 3\0"
_GZIP_MAGIC = b"\x1f\x8b"
_POSTGRES_MAGIC = b"PGDMP"


class BackupError(Exception):
    """The copy could not be made or read. The text is a sentence for the operator."""


def make(path: Path) -> int:
    """Write a copy of the whole database to `path`; return its size in bytes.

    SQLite: consistent while others write (VACUUM INTO), checked, compressed when the name ends in
    `.gz`. PostgreSQL: what `pg_dump -Fc` makes. The file is readable by its owner only, and is
    there under its name once it is complete.

    :raises BackupError: when it exists, cannot be written, or the copy is damaged.
    """
    if path.exists():
        raise BackupError(f"{path} exists. Backups are never overwritten; name another file.")
    if not path.parent.is_dir():
        raise BackupError(f"There is no folder {path.parent}.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        # Made here first, so that nobody else could read it at any moment.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if connection.vendor == "sqlite":
            _make_sqlite(partial, is_compressed=path.suffix == ".gz")
        else:
            _run_postgres("pg_dump", "-Fc", "--no-owner", "--file", str(partial))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise BackupError(f"The backup cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def _make_sqlite(partial: Path, *, is_compressed: bool) -> None:
    copy = partial.with_name(f"{partial.name}.plain") if is_compressed else partial
    if is_compressed:
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(copy)])
        _check_sqlite(copy)
        if is_compressed:
            with copy.open("rb") as source, gzip.open(partial, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 1024 * 1024)
    finally:
        if is_compressed:
            copy.unlink(missing_ok=True)


def _check_sqlite(path: Path) -> None:
    """Read every page.

    :raises BackupError: when the file is damaged, or is no database of ThreadHub.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            # Column types and foreign keys are the archive's business, pages are ours.
            problems = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
            tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{path.name} is damaged: {error}") from error
    if problems != ["ok"]:
        raise BackupError(f"{path.name} is damaged: {'; '.join(problems)}")
    if not {"django_migrations", "threads_thread"} <= tables:
        raise BackupError(f"{path.name} is no database of ThreadHub.")


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP_MAGIC
    if not is_compressed:
        yield path
        return
    plain = path.with_name(f".{path.name}.plain")
    try:
        handle = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with gzip.open(path) as source, os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        yield plain
    except (EOFError, gzip.BadGzipFile) as error:
        raise BackupError(f"{path.name} is damaged: {error}") from error
    finally:
        plain.unlink(missing_ok=True)


def restore(path: Path) -> None:
    """Put the copy in `path` in the place of the whole database, in one transaction.

    The copy is read through and checked first: a damaged one changes nothing.

    :raises BackupError: when it is damaged, of another kind of database, or cannot be read.
    """
    try:
        with _unpacked(path) as plain:
            with plain.open("rb") as file:
                start = file.read(len(_SQLITE_MAGIC))
            if connection.vendor == "sqlite":
                if start.startswith(_POSTGRES_MAGIC):
                    raise BackupError(f"{path.name} is of PostgreSQL; this installation is not.")
                _check_sqlite(plain)
                _restore_sqlite(plain)
            else:
                if not start.startswith(_POSTGRES_MAGIC):
                    raise BackupError(f"{path.name} was not made by pg_dump -Fc.")
                _run_postgres(
                    *("pg_restore", "--clean", "--if-exists", "--no-owner"),
                    *("--single-transaction", "--exit-on-error", str(plain)),
                )
    except OSError as error:
        raise BackupError(f"The backup cannot be read: {error}") from error


def _restore_sqlite(plain: Path) -> None:
    """Copy all pages over those of the database, under SQLite's own lock."""
    connection.ensure_connection()
    target: Any = connection.connection
    try:
        # A copy with pages of another size cannot go into a database in WAL mode.
        target.execute("PRAGMA journal_mode=DELETE")
        with closing(sqlite3.connect(f"{plain.resolve().as_uri()}?mode=ro", uri=True)) as source:
            source.backup(target)
    except sqlite3.Error as error:
        raise BackupError(f"The database could not be replaced: {error}") from error
    finally:
        connection.close()  # the next one opens it in WAL mode again


def _run_postgres(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's on this installation's database.

    The password goes through the environment: arguments are seen by every user of the machine.

    :raises BackupError: when the program is missing or fails.
    """
    executable = shutil.which(program)
    if executable is None:
        raise BackupError(
            f"{program} is not installed. It comes with PostgreSQL's client programs"
            " (postgresql-client), at least as new as the server."
        )
    given = connection.settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    environment = os.environ | {
        name: str(given[key]) for name, key in names.items() if given.get(key)
    }
    connection.close()
    finished = subprocess.run(  # noqa: S603 - no shell, and the path is ours
        [executable, f"--dbname={given['NAME']}", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or ["no reason given"]
        raise BackupError(f"{program} failed: {lines[0]}")
