"""A backup is complete, private and checked; a damaged one never replaces anything."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from threadhub.lib import backup

ROOT = Path(settings.BASE_DIR)
needs_sqlite = pytest.mark.skipif("postgres" in os.environ.get("DATABASE_URL", ""), reason="SQLite")


def names_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT name FROM projects_project ORDER BY 1")]


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a database of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"THREADHUB_DATA_DIR": str(folder), "PYTHONWARNINGS": "error::ResourceWarning"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_sqlite
@pytest.mark.processes
def test_it_brings_back_what_was_backed_up(tmp_path: Path) -> None:
    data, copies = tmp_path / "data", tmp_path / "copies"
    data.mkdir()
    copies.mkdir()
    copy = copies / "monday.sqlite3.gz"
    assert manage(data, "migrate", "--verbosity=0").returncode == 0
    assert manage(data, "add_project", "Kept").returncode == 0

    file = data / "files" / "kept" / "1" / "ab" / f"ab{'0' * 62}.txt"
    file.parent.mkdir(parents=True)
    file.write_text("of an import")

    made = manage(data, "backup", str(copy))
    file.unlink()
    manage(data, "add_project", "Made later")
    asked = manage(data, "restore", str(copy))
    restored = manage(data, "restore", str(copy), "--yes")

    assert made.returncode == 0, made.stderr
    assert copy.stat().st_mode & 0o077 == 0
    assert asked.returncode == 2
    assert restored.returncode == 0, restored.stderr
    assert names_in(data / "threadhub.sqlite3") == ["Kept"]
    assert "1 files" in restored.stdout
    assert file.read_text() == "of an import"
    assert [path.name for path in copies.iterdir() if path.name.startswith(".")] == []
    assert len(list(copies.glob("before-restore-*"))) == 1
    assert manage(data, "rebuild_index", "--check").returncode == 0

    copy.write_bytes(copy.read_bytes()[:-2_000])
    damaged = manage(data, "restore", str(copy), "--yes", "--no-copy")

    assert damaged.returncode == 1
    assert "is damaged" in damaged.stderr
    assert names_in(data / "threadhub.sqlite3") == ["Kept"]


@needs_sqlite
@pytest.mark.django_db(transaction=True)
def test_it_never_overwrites_a_file(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_text("precious")

    with pytest.raises(backup.BackupError, match="never overwritten"):
        backup.make(path)

    assert path.read_text() == "precious"


@needs_sqlite
@pytest.mark.django_db(transaction=True)
def test_it_takes_no_other_database_for_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE django_migrations (id)")

    with pytest.raises(backup.BackupError, match="no database of ThreadHub"):
        backup.restore(path)
    path.write_bytes(b"PGDMP and so on")
    with pytest.raises(backup.BackupError, match="PostgreSQL"):
        backup.restore(path)


def test_it_says_which_program_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(backup.BackupError, match="postgresql-client"):
        backup._run_postgres("pg_dump")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("postgres" not in os.environ.get("DATABASE_URL", ""), reason="PostgreSQL")
def test_it_dumps_and_restores_postgresql(tmp_path: Path) -> None:
    from projects.models import Project

    path = tmp_path / "copy.pgdump"
    Project.objects.create(name="Kept", slug="kept")

    backup.make(path)
    Project.objects.create(name="Made later", slug="later")
    backup.restore(path)

    assert [project.name for project in Project.objects.all()] == ["Kept"]
    assert connection.vendor == "postgresql"
