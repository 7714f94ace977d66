"""Excel and CSV files hold the archive's text as text, and nothing that runs."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from threads.exports import csv_file, xlsx
from threads.exports.base import Options, Write, Written
from threads.exports.cells import original_text
from threads.exports.records import records
from threads.models import Thread
from threads.tests.factories import make_conversation, make_message, make_project, make_thread

pytestmark = pytest.mark.django_db

HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", '";=1+1;"', "a\n=1", "#N/A", "0012"]


def written(write: Write, threads: list[Thread], **options: object) -> tuple[bytes, Written]:
    target = io.BytesIO()
    result = write(records([thread.pk for thread in threads]), target, Options(**options))  # type: ignore[arg-type]
    return target.getvalue(), result


def csv_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def xlsx_cells(content: bytes) -> list[list[object]]:
    book = load_workbook(io.BytesIO(content))
    return [list(row) for sheet in book for row in sheet.iter_rows(values_only=True)]


def test_it_writes_a_message_a_row_in_the_order_given() -> None:
    first = make_conversation("one", "two", title="First")
    second = make_conversation("three", title="Second")

    content, result = written(
        csv_file.write, [second, first], columns=("title", "position", "text")
    )

    assert csv_rows(content)[1:] == [
        ["Second", "1", "three"],
        ["First", "1", "one"],
        ["First", "2", "two"],
    ]
    assert (result.threads, result.messages, result.rows) == (2, 3, 3)


def test_it_writes_a_thread_a_row() -> None:
    thread = make_conversation("one", "two", title="First", total_tokens=None, message_count=2)

    content, _ = written(
        xlsx.write, [thread], per_message=False, columns=("title", "message_count", "total_tokens")
    )

    assert xlsx_cells(content)[1:] == [["First", 2, None]]


@pytest.mark.parametrize("write", [csv_file.write, xlsx.write])
def test_it_gives_every_hostile_text_back_as_text(write: Write) -> None:
    thread = make_thread(title="=HYPERLINK(1)", remark="=2", external_id="=id")
    for text in HOSTILE:
        make_message(thread, text)

    content, _ = written(write, [thread], columns=("thread_id", "title", "remark", "text"))

    if write is csv_file.write:
        rows: list[list[object]] = [list(row) for row in csv_rows(content)[1:]]
    else:
        rows = xlsx_cells(content)[1:]
        sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
        assert b"<f>" not in sheet
        assert b't="e"' not in sheet
    assert [original_text(str(row[3])) for row in rows] == HOSTILE
    for cell in (cell for row in rows for cell in row):
        assert not str(cell).startswith(("=", "+", "@", "\t"))


def test_it_quotes_every_field_so_that_no_separator_opens_a_cell() -> None:
    content, _ = written(csv_file.write, [make_conversation("a;=1+1\t=2,b")], columns=("text",))

    assert content.decode("utf-8-sig") == '"text"\r\n"a;=1+1\t=2,b"\r\n'


def test_it_marks_texts_as_quoted_in_excel() -> None:
    content, _ = written(xlsx.write, [make_conversation("-1")], columns=("text",))

    cell = load_workbook(io.BytesIO(content)).active["A2"]  # type: ignore[index]
    assert (cell.data_type, cell.quotePrefix, cell.value) == ("s", True, "'-1")


def test_it_shows_times_in_the_zone_of_the_reader() -> None:
    thread = make_thread()
    make_message(thread, created_at=datetime(2026, 1, 31, 20, 0, tzinfo=UTC))

    content, _ = written(
        csv_file.write, [thread], columns=("sent_at",), zone=ZoneInfo("Asia/Taipei")
    )

    assert csv_rows(content)[1] == ["2026-02-01 04:00:00"]


def test_it_masks_when_asked() -> None:
    thread = make_conversation("call +49 30 901820", title="for me@example.org")

    content, _ = written(csv_file.write, [thread], masked=True, columns=("title", "text"))

    assert csv_rows(content)[1] == ["for [e-mail]", "call [phone]"]


def test_it_goes_on_in_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS_PER_SHEET", 2)
    thread = make_conversation("a", "b", "c", "d", "e")

    content, result = written(xlsx.write, [thread], columns=("text",))

    book = load_workbook(io.BytesIO(content))
    assert [sheet.max_row for sheet in book] == [3, 3, 2]
    assert "3 sheets" in result.notes[0]


def test_it_refuses_a_column_that_is_none() -> None:
    with pytest.raises(ValueError, match="no column 'secret'"):
        written(csv_file.write, [], columns=("secret",))


def test_it_writes_the_header_of_an_empty_export() -> None:
    content, _ = written(xlsx.write, [], columns=("title",))

    assert xlsx_cells(content) == [["title"]]


def test_it_reads_many_threads_with_few_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    project = make_project()
    threads = [make_conversation("a", "b", project=project) for _ in range(20)]

    # One for the threads, one for their tags, one for the messages of all of them.
    with django_assert_num_queries(3):
        found = list(records([thread.pk for thread in threads]))

    assert [len(record.messages) for record in found] == [2] * 20
