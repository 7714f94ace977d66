"""Images and files on the disk: what is kept, found again, refused, and cleared away."""

from __future__ import annotations

import importlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.cache import cache
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.models import Project, SiteSettings
from threads import archive
from threads.attachments import (
    FileRefused,
    KindSniffer,
    TooLarge,
    cached_file,
    forget_unnamed,
    is_file_id,
    keep_fetched,
    keep_file,
    kind_of,
    make_room,
)
from threads.models import FileReference
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_connection, make_project

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
_DAYS_AGO = 3 * 86_400


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(django_settings, "THREADHUB_DATA_DIR", tmp_path)
    cache.delete("files:grown")
    yield
    cache.delete("files:grown")


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


def _age(path: Path, seconds: float = _DAYS_AGO) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def _sniff(*pieces: bytes) -> str | None:
    sniffer = KindSniffer()
    for piece in pieces:
        sniffer.feed(piece)
    kind = sniffer.kind()
    return None if kind is None else kind.content_type


# What is kept.


def test_it_keeps_what_an_import_brought_under_its_project(project: Project) -> None:
    path = keep_file(project, "file-abc", PNG, "image/png")

    assert cached_file(project, "file-abc") == path
    assert path.read_bytes() == PNG
    assert kind_of(path).is_image
    assert cached_file(make_project("Other"), "file-abc") is None


def test_it_reads_streams_and_keeps_the_first_that_came(project: Project) -> None:
    first = keep_file(project, "file-abc", io.BytesIO(PNG))
    again = keep_file(project, "file-abc", io.BytesIO(b"%PDF-1.7"))

    assert first == again
    assert first.read_bytes() == PNG


def test_it_lets_nobody_else_read_the_files(project: Project) -> None:
    path = keep_file(project, "file-abc", PNG)

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "identity", ["", ".", "..", "../../etc/passwd", "a/b", "a\\b", "a\0b", "a b", "x" * 201, "ä\n"]
)
def test_it_knows_what_is_no_id(project: Project, identity: str) -> None:
    assert not is_file_id(identity)
    assert cached_file(project, identity) is None
    with pytest.raises(FileRefused):
        keep_file(project, identity, PNG)


def test_it_tells_ids_apart_that_differ_in_case_only(project: Project) -> None:
    keep_file(project, "file-A", PNG)

    assert cached_file(project, "file-a") is None


def test_it_refuses_a_file_that_is_too_large_and_leaves_nothing(
    project: Project, tmp_path: Path
) -> None:
    SiteSettings(largest_file_mb=1).save()

    with pytest.raises(TooLarge):
        keep_file(project, "file-abc", PNG + b"\x00" * 1_000_000)

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_it_refuses_programs_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    with pytest.raises(FileRefused):
        keep_file(project, "file-abc", b"MZ\x90\x00\x03\x00\x00\x00", "image/png")

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# What kind it is.


@pytest.mark.parametrize(
    ("start", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7\n\xe2\xe3", "application/pdf"),
        (b"PK\x03\x04\x14\x00", "application/zip"),
        (b"a,b\n1,2\n", "text/plain; charset=utf-8"),
        ("größer 大きい".encode(), "text/plain; charset=utf-8"),
    ],
)
def test_it_tells_kinds_by_their_bytes(start: bytes, content_type: str) -> None:
    assert _sniff(start) == content_type
    assert _sniff(*(start[i : i + 1] for i in range(len(start)))) == content_type


@pytest.mark.parametrize(
    "active",
    [
        b"<html><script>alert(1)</script></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b'<?xml version="1.0"?><?xml-stylesheet href="evil.xsl"?>',
    ],
)
def test_it_takes_what_could_run_as_plain_text(active: bytes) -> None:
    assert _sniff(active) == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "other", [b"", b"\x7fELF\x02\x01", b"MZ\x90\x00", b"\xff\xfe\x00a", b"a\x00b"]
)
def test_it_has_no_name_for_other_kinds(other: bytes) -> None:
    assert _sniff(other) is None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_it_tells_the_same_however_the_bytes_are_cut(pieces: list[bytes]) -> None:
    assert _sniff(*pieces) == _sniff(b"".join(pieces))


# What goes.


def test_it_clears_away_what_nobody_has_looked_at_for_longest(project: Project) -> None:
    SiteSettings(file_cache_mb=1).save()
    picture = PNG + b"\x00" * 400_000
    paths = [keep_fetched(project.pk, f"file-{number}", [picture]) for number in range(2)]
    _age(paths[0])
    _age(paths[1])
    cached_file(project, "file-0")

    keep_fetched(project.pk, "file-2", [picture])

    assert cached_file(project, "file-0") is not None
    assert cached_file(project, "file-1") is None
    assert cached_file(project, "file-2") is not None


def test_it_never_clears_away_what_an_import_brought(project: Project) -> None:
    SiteSettings(file_cache_mb=1).save()
    kept = keep_file(project, "file-kept", PNG + b"\x00" * 2_000_000)
    _age(kept)

    make_room()

    assert cached_file(project, "file-kept") == kept


def test_it_forgets_files_that_no_message_names_any_more(project: Project) -> None:
    message = RemoteMessage("m1", "user", "", parts=(Part("image", file_id="file-named"),))
    archive.store([message], project=project, external_id="conv_1", now=NOW)
    for name in ("file-named", "file-lost", "file-new"):
        keep_file(project, name, PNG)
    _age(keep_file(project, "file-named", PNG))
    _age(keep_file(project, "file-lost", PNG))

    assert forget_unnamed() == 1

    assert cached_file(project, "file-named") is not None
    assert cached_file(project, "file-lost") is None
    assert cached_file(project, "file-new") is not None


# Which files messages name.


def _named(project: Project) -> set[tuple[str, str, str, bool]]:
    rows = FileReference.objects.filter(project=project)
    return {
        (row.file_id, row.container_id, row.name, row.connection_id is not None) for row in rows
    }


def test_it_notes_the_files_of_parts_and_of_what_they_cite(project: Project) -> None:
    cited = {"type": "container_file_citation", "file_id": "cfile_1", "container_id": "cntr_1"}
    path = {"type": "file_path", "file_path": {"file_id": "file-path"}, "text": "sandbox:/a.csv"}
    message = RemoteMessage(
        "m1",
        "assistant",
        "See",
        parts=(
            Part("image", text="chart.png", file_id="file-image"),
            Part("text", text="See", annotations=({**cited, "filename": "a.csv"}, path)),
            Part("image", file_id="not an id"),
        ),
    )

    archive.store(
        [message],
        project=project,
        external_id="conv_1",
        connection=make_connection(project),
        now=NOW,
    )

    assert _named(project) == {
        ("file-image", "", "chart.png", True),
        ("cfile_1", "cntr_1", "a.csv", True),
        ("file-path", "", "", True),
    }


def test_it_knows_that_a_file_brought_the_message(project: Project) -> None:
    message = RemoteMessage("m1", "user", "", parts=(Part("file", file_id="file-1"),))

    archive.store([message], project=project, external_id="conv_1", now=NOW)

    assert _named(project) == {("file-1", "", "", False)}


def test_it_notes_them_anew_when_the_message_changes(project: Project) -> None:
    connection = make_connection(project)
    for name in ("file-1", "file-2"):
        message = RemoteMessage("m1", "user", "", parts=(Part("file", file_id=name),), raw=name)
        archive.store(
            [message], project=project, external_id="conv_1", connection=connection, now=NOW
        )

    assert {row[0] for row in _named(project)} == {"file-2"}


def test_it_finds_the_files_of_what_was_archived_before(project: Project) -> None:
    connection = make_connection(project)
    cited = {"type": "container_file_citation", "file_id": "cfile_1", "container_id": "cntr_1"}
    messages = [
        RemoteMessage("m1", "user", "", parts=(Part("file", text="a.csv", file_id="file-1"),)),
        RemoteMessage(
            "m2", "assistant", "See", parts=(Part("text", text="See", annotations=(cited,)),)
        ),
        RemoteMessage("m3", "assistant", "Nothing"),
    ]
    archive.store(messages, project=project, external_id="conv", connection=connection, now=NOW)
    known = _named(project)
    FileReference.objects.all().delete()

    migration = importlib.import_module("threads.migrations.0008_name_files")
    migration.name_files(apps, None)

    assert _named(project) == known
