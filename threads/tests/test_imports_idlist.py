"""Lists of ids: spreadsheets, CSV and text; they add threads, set remarks, or remove."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from projects.models import Connection, Project
from threads.archive import ImportReport, ListAction, Listing, ingest
from threads.imports import ListedThread, Problem, UnreadableFile, reader
from threads.imports.idlist import read_ids
from threads.models import Thread
from threads.tests.factories import make_project, make_thread

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Save = Callable[[str, str], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save_text(text: str, name: str = "ids.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return save_text


def spreadsheet(tmp_path: Path, *rows: list[Any], first_sheet: str = "") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    if first_sheet:
        sheet.append([first_sheet])
        sheet = book.create_sheet("Ids")
    for row in rows:
        sheet.append(row)
    path = tmp_path / "an upload without an extension"
    book.save(path)
    return path


def read(path: Path) -> tuple[list[tuple[int, str, str]], list[str]]:
    items = list(read_ids(path))
    problems = [item.message for item in items if isinstance(item, Problem)]
    found = [item for item in items if isinstance(item, ListedThread)]
    return [(item.place.line, item.external_id, item.remark) for item in found], problems


@pytest.mark.parametrize(
    "text",
    [
        "thread_id,remark\nthread_1,call back\nthread_2,\n",
        "\ufeffRemark;Thread ID;other\r\ncall back;thread_1;x\r\n;thread_2;y\r\n",
        "thread_id\tremark\nthread_1\tcall back\n\nthread_2\n",
        "thread_1,call back\nthread_2\n",
        '"thread_id","remark"\n"thread_1","call back"\n"thread_2",""\n',
    ],
)
def test_it_reads_text_however_it_is_separated(save: Save, text: str) -> None:
    found, problems = read(save(text, "ids.csv"))

    assert [(identity, remark) for _line, identity, remark in found] == [
        ("thread_1", "call back"),
        ("thread_2", ""),
    ]
    assert not problems


def test_it_reads_the_sheet_that_has_the_column(tmp_path: Path) -> None:
    path = spreadsheet(
        tmp_path,
        ["no", "thread_id", "remark"],
        [1, "thread_1", "'=2+2"],
        [2, None, None],
        [3, "thread_2", 42],
        first_sheet="Read me",
    )

    found, problems = read(path)

    assert found == [(2, "thread_1", "=2+2"), (4, "thread_2", "42")]
    assert not problems


def test_it_names_the_row_of_each_bad_id(save: Save) -> None:
    found, problems = read(save("thread_id\nthread_1\nno good\nthread_1\n..\n", "ids.csv"))

    assert found == [(2, "thread_1", "")]
    assert problems == [
        "“no good” is no id of a thread.",
        "thread_1 stands in the list twice; the first one counts.",
        "“..” is no id of a thread.",
    ]


def test_it_refuses_a_broken_spreadsheet(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path, ["thread_id"], ["thread_1"])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(UnreadableFile):
        list(reader(path, "ids")(path))


# What a list does.


@pytest.fixture
def project(db: None) -> Project:
    project = make_project()
    Connection.objects.create(project=project, store=Connection.Store.ASSISTANTS)
    return project


def bring(
    path: Path, project: Project, action: ListAction, *, is_dry_run: bool = False
) -> ImportReport:
    report = ImportReport(is_dry_run=is_dry_run)
    listing = Listing(action)
    ingest(reader(path)(path), project=project, now=NOW, report=report, listing=listing)
    return report


def outcomes(report: ImportReport) -> list[tuple[int, str]]:
    return [(row["line"], row["outcome"]) for row in report.threads]


def test_it_adds_threads_to_be_read_and_keeps_remarks_that_are_there(
    save: Save, project: Project
) -> None:
    make_thread(project, external_id="thread_2", remark="mine")
    path = save("thread_id,remark\nthread_1,new\nthread_2,theirs\n", "ids.csv")

    rehearsal = bring(path, project, ListAction.ADD, is_dry_run=True)
    report = bring(path, project, ListAction.ADD)
    again = bring(path, project, ListAction.ADD)

    assert outcomes(rehearsal) == outcomes(report) == [(2, "new"), (3, "changed")]
    assert (again.threads_unchanged, again.threads) == (2, [])
    added = Thread.objects.get(external_id="thread_1")
    assert (added.remark, added.next_refresh_at, added.store) == ("new", NOW, "assistants")
    known = Thread.objects.get(external_id="thread_2")
    assert (known.remark, known.connection) == ("mine", project.connections.get())


def test_it_says_when_it_is_not_clear_where_added_threads_are(save: Save, project: Project) -> None:
    Connection.objects.create(project=project, store=Connection.Store.CONVERSATIONS)

    report = bring(save("thread_1\n", "ids.txt"), project, ListAction.ADD)

    assert report.problem_count == 1
    assert "several connections" in report.problems[0]["message"]
    assert not Thread.objects.exists()


def test_it_sets_remarks(save: Save, project: Project) -> None:
    make_thread(project, external_id="thread_1", remark="old")
    elsewhere = make_thread(external_id="thread_9", remark="theirs")
    path = save("thread_id,remark\nthread_1,new\nthread_9,stolen\n", "ids.csv")

    report = bring(path, project, ListAction.REMARK)

    assert outcomes(report) == [(2, "changed")]
    assert report.problems == [{"line": 3, "message": "thread_9 is not in this project."}]
    assert Thread.objects.get(external_id="thread_1").remark == "new"
    elsewhere.refresh_from_db()
    assert elsewhere.remark == "theirs"


def test_it_empties_no_remarks_for_want_of_a_column(save: Save, project: Project) -> None:
    make_thread(project, external_id="thread_1", remark="old")

    report = bring(save("thread_id\nthread_1\n", "ids.csv"), project, ListAction.REMARK)

    assert report.problem_count == 1
    assert Thread.objects.get().remark == "old"


def test_it_moves_threads_to_the_trash_unless_they_are_held(save: Save, project: Project) -> None:
    make_thread(project, external_id="thread_1")
    make_thread(project, external_id="thread_2", is_held=True)
    path = save("thread_1\nthread_2\nthread_3\n", "ids.txt")

    report = bring(path, project, ListAction.DELETE)
    again = bring(path, project, ListAction.DELETE)

    assert outcomes(report) == [(1, "changed")]
    assert [problem["line"] for problem in report.problems] == [2, 3]
    assert Thread.objects.get(external_id="thread_1").trashed_at == NOW
    assert Thread.objects.get(external_id="thread_2").trashed_at is None
    assert again.threads_unchanged == 1


def test_the_command_takes_lists(save: Save, project: Project) -> None:
    path = save("thread_1\n", "ids.txt")
    out = StringIO()

    call_command("import_threads", str(path), "--project", project.slug, stdout=out)
    call_command(
        *("import_threads", str(path), "--project", project.slug),
        *("--format", "ids", "--list-action", "delete"),
        stdout=out,
    )

    assert Thread.objects.get().trashed_at is not None
    with pytest.raises(CommandError, match="no connection 4711"):
        call_command("import_threads", str(path), "--project", project.slug, "--connection", "4711")
