"""Exports opened by a real spreadsheet: each cell is the text that went in, and nothing runs."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from projects.models import Project
from threads.exports import EXPORTERS, Options
from threads.exports.cells import clean, original_text
from threads.exports.records import ThreadRecord
from threads.models import Message, Thread
from threads.tests.formula_attacks import ATTACKS

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
COLUMNS = ("text", "title", "remark", "thread_id", "message_id", "tags", "metadata")
# Comma, quote, UTF-8, from the first line, all columns as they come, and "quoted is text" off: the
# dialogue's default.
CSV_FILTER = "44,34,76,1,,0,false"

pytestmark = [
    pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed."),
    pytest.mark.processes,
    pytest.mark.own_database,
    pytest.mark.timeout(300),
]


def record_of(texts: list[str]) -> ThreadRecord:
    """Hostile in every column, though in `text` alone each row differs."""
    project = Project(name="=1+1")
    fields: dict[str, Any] = {"title": "=1+1", "remark": "@SUM(1)", "external_id": "+1+1"}
    thread = Thread(project=project, metadata={"=1": "=1"}, **fields)
    messages = [
        Message(position=number, text=text, remote_id="-1+1", role="user")
        for number, text in enumerate(texts, 1)
    ]
    return ThreadRecord(thread=thread, tags=("=tag",), messages=messages)


def written(key: str, folder: Path) -> Path:
    path = folder / f"attacks.{key}"
    with path.open("wb") as file:
        EXPORTERS[key].write([record_of(ATTACKS)], file, Options(columns=COLUMNS))
    return path


def converted(path: Path, form: str, folder: Path) -> Path:
    """Let LibreOffice open `path`, compute what there is to compute, and save it as `form`."""
    assert SOFFICE is not None
    command = [SOFFICE, "--headless", "--norestore"]
    command += [f"-env:UserInstallation={(folder / 'profile').as_uri()}"]
    command += [f"--infilter=CSV:{CSV_FILTER}"] if path.suffix == ".csv" else []
    into = folder / f"from-{path.suffix[1:]}"
    subprocess.run(
        [*command, "--convert-to", form, "--outdir", str(into), str(path)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return into / f"{path.stem}.{form.partition(':')[0]}"


@pytest.mark.parametrize("key", ["xlsx", "csv"])
def test_it_opens_as_text_and_nothing_else(key: str, tmp_path: Path) -> None:
    path = written(key, tmp_path)

    as_csv = converted(path, "csv:Text - txt - csv (StarCalc):44,34,76", tmp_path)
    as_xml = converted(path, "fods", tmp_path).read_text(encoding="utf-8")

    with as_csv.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(COLUMNS)
    assert [original_text(row[0]) for row in rows] == [clean(text) for text in ATTACKS]
    others = ["=1+1", "@SUM(1)", "+1+1", "-1+1", "=tag", '{"=1": "=1"}']
    assert {tuple(original_text(cell) for cell in row[1:]) for row in rows} == {tuple(others)}
    assert not re.search(r"table:formula=|<text:a |xlink:href=|table:error", as_xml)
    kinds = re.findall(r'<table:table-cell[^>]*office:value-type="(\w+)"', as_xml)
    assert set(kinds) == {"string"}


def test_it_still_runs_nothing_after_saving_and_opening_again(tmp_path: Path) -> None:
    path = written("xlsx", tmp_path)

    saved = converted(path, "csv:Text - txt - csv (StarCalc):44,34,76", tmp_path)
    opened = converted(saved, "fods", tmp_path).read_text(encoding="utf-8")

    assert not re.search(r"table:formula=|<text:a |table:error", opened)
