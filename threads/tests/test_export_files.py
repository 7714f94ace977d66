"""The file of an export, and the archive of many."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from threads.exports import EXPORTERS, ExportCancelled, MadeFile, Options, make_file
from threads.models import MessageSource, Thread
from threads.tests.factories import NOW, make_conversation

pytestmark = pytest.mark.django_db


def make_sourced(*texts: str, **fields: Any) -> Thread:
    thread = make_conversation(*texts, **fields)
    for message in thread.messages.all():
        MessageSource.objects.create(message=message)
    return thread


def made(key: str, threads: list[Thread], path: Path, **options: Any) -> MadeFile:
    return make_file(
        EXPORTERS[key],
        [thread.pk for thread in threads],
        path,
        Options(),
        manifest={"query": "refund", "by": "operator"},
        now=NOW,
        **options,
    )


@pytest.mark.parametrize("key", EXPORTERS)
def test_it_makes_a_file_of_every_format(key: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"threads.{key}"

    file = made(key, [make_sourced("one", "two"), make_sourced("three")], path)

    content = path.read_bytes()
    assert (file.threads, file.messages) == (2, 3)
    assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert list(path.parent.iterdir()) == [path]


def test_it_zips_a_document_a_thread_with_a_manifest(tmp_path: Path) -> None:
    threads = [
        make_sourced("one", title="Re: a/b\\c?"),
        make_sourced("two", title="re_ a_b_c"),
        make_sourced("three", title="退款 ..\n"),
        make_sourced("four", title="///"),
    ]
    path = tmp_path / "threads.zip"

    file = made("md", threads, path, zipped=True)

    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        names = archive.namelist()
        for entry in manifest["files"]:
            assert hashlib.sha256(archive.read(entry["name"])).hexdigest() == entry["sha256"]
    assert names == ["Re_ a_b_c.md", "re_ a_b_c 2.md", "退款.md", "thread.md", "manifest.json"]
    assert (manifest["query"], manifest["by"], manifest["made_at"]) == (
        "refund",
        "operator",
        NOW.isoformat(),
    )
    assert manifest["counts"]["threads"] == file.threads == 4


@pytest.mark.parametrize("zipped", [False, True])
def test_it_counts_threads_of_a_pdf_when_they_are_laid_out(zipped: bool, tmp_path: Path) -> None:
    threads = [make_sourced(text) for text in ("one", "two", "three")]
    told: list[int] = []

    def progress(done: int) -> bool:
        told.append(done)
        return True

    made("pdf", threads, tmp_path / "threads", zipped=zipped, progress=progress)

    assert told == sorted(told)
    if zipped:
        assert set(told) == {0, 1, 2, 3}
    else:  # all have been read before the first is laid out
        assert told[:3] == [0, 0, 0]
        assert max(told) == 2


def test_it_zips_one_spreadsheet_for_all(tmp_path: Path) -> None:
    path = tmp_path / "threads.zip"

    made("csv", [make_sourced("one"), make_sourced("two")], path, zipped=True)

    assert zipfile.ZipFile(path).namelist() == ["threads.csv", "manifest.json"]


@pytest.mark.parametrize("zipped", [True, False])
def test_it_leaves_nothing_behind_when_it_is_cancelled(zipped: bool, tmp_path: Path) -> None:
    threads = [make_sourced("one"), make_sourced("two"), make_sourced("three")]
    seen: list[int] = []

    def progress(done: int) -> bool:
        seen.append(done)
        return done < 2

    with pytest.raises(ExportCancelled):
        made("md", threads, tmp_path / "threads.zip", zipped=zipped, progress=progress)

    assert seen == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_an_older_file_when_a_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "threads.csv"
    path.write_text("old")

    with pytest.raises(ExportCancelled):
        made("csv", [make_sourced("one")], path, progress=lambda _done: False)

    assert path.read_text() == "old"


def test_it_loads_no_format_before_it_is_written() -> None:
    code = (
        "import django, os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'threadhub.settings';"
        "django.setup(); import threads.exports; print([n for n in ('openpyxl', 'xhtml2pdf',"
        " 'reportlab') if n in sys.modules])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"
