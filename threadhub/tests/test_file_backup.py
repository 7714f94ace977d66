"""Files that only this server has are backed up with the database, and come back safely."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from threadhub.lib import backup, file_backup
from threads.attachments import cached_file, is_place, keep_file, kept_folder
from threads.tests.factories import make_project

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 400


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.THREADHUB_DATA_DIR = tmp_path / "data"
    return kept_folder()


def tar_of(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """Make a tar by hand; None instead of content makes a symbolic link out of the folder."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content or b""))
    return path


@pytest.mark.django_db
def test_it_brings_files_back_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    project, tar = make_project(), tmp_path / "copy.tar"
    first = keep_file(project, "file-1", PNG)
    second = keep_file(project, "file-2", b"plain words")
    (first.parent / "half.part").write_bytes(b"x")

    packed = file_backup.pack(folder, tar)
    first.unlink()
    second.write_bytes(b"never changed")
    unpacked = file_backup.unpack(tar, folder, accepts=is_place)

    assert packed == (2, len(PNG) + 11)
    assert tar.stat().st_mode & 0o077 == 0
    assert unpacked == (1, len(PNG), 1)
    assert cached_file(project, "file-1") == first
    assert (first.read_bytes(), second.read_bytes()) == (PNG, b"never changed")
    assert first.stat().st_mode & 0o077 == 0


STEM = "ab" + "0" * 62


@pytest.mark.parametrize(
    "member",
    [
        (f"../1/ab/{STEM}.png", PNG),
        (f"/1/ab/{STEM}.png", PNG),
        (f"1/ab/{STEM}.py", b"import os"),
        (f"1/cd/{STEM}.png", PNG),
        ("1/ab/name.png", PNG),
        (f"1/ab/{STEM}.png", None),
    ],
)
def test_it_writes_nothing_that_it_would_not_have_packed(
    folder: Path, tmp_path: Path, member: tuple[str, bytes | None]
) -> None:
    tar = tar_of(tmp_path / "evil.tar", (f"1/ab/{STEM}.jpg", PNG), member)

    with pytest.raises(backup.BackupError, match="was not made by backup"):
        file_backup.unpack(tar, folder, accepts=is_place)

    assert not folder.exists()


@pytest.mark.parametrize("left", [100, 700])
def test_it_says_when_files_are_damaged(folder: Path, tmp_path: Path, left: int) -> None:
    tar = tar_of(tmp_path / "copy.tar", (f"1/ab/{STEM}.png", PNG))
    tar.write_bytes(tar.read_bytes()[:left])

    with pytest.raises(backup.BackupError, match="is damaged"):
        file_backup.unpack(tar, folder, accepts=is_place)

    assert not folder.exists()


def test_it_never_overwrites_files(folder: Path, tmp_path: Path) -> None:
    tar = tmp_path / "copy.tar"
    tar.write_text("precious")

    with pytest.raises(backup.BackupError, match="never overwritten"):
        file_backup.pack(folder, tar)

    assert tar.read_text() == "precious"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="pg_dump need not be installed")
def test_the_command_says_what_it_took_along(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.sqlite3"
    keep_file(make_project(), "file-1", PNG)

    call_command("backup", copy)

    assert "copy.sqlite3.files.tar: 1 files, 0.0 MiB." in capsys.readouterr().out
    copy.unlink()
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("backup", copy)
    assert not copy.exists()  # half of a backup
