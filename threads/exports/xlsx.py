"""Excel workbooks in which every text is a text: typed, marked as quoted, and prefixed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from threads.exports import columns
from threads.exports.base import Options, Written
from threads.exports.cells import safe_text
from threads.exports.records import ThreadRecord

# Excel's own limit is 1,048,576 rows; openpyxl would write more without a word, and Excel would
# call the file damaged.
ROWS_PER_SHEET = 1_048_575

# Workbooks write a character as _x000D_ (ECMA-376 part 1, 22.9.2.19); what only looks like that
# must have its first underscore written so.
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


class _Sheets:
    """Rows into as many sheets as they need, each with the header."""

    def __init__(self, book: Any, chosen: tuple[columns.Column, ...]) -> None:
        self.book, self.chosen = book, chosen
        self.count = self.rows_here = 0
        self.sheet: Any = None
        self._styles: dict[str, Any] = {}

    def cell(self, value: columns.Value, *, kind: str = "text") -> Any:
        """Return a cell; a text's style object is made once and shared by all."""
        if isinstance(value, str):
            cell: Any = WriteOnlyCell(self.sheet)
            # Not through `.value`: that turns a leading "=" into a formula before it is undone.
            cell._value = _ESCAPE.sub("_x005F_", safe_text(value, is_typed=True))
            cell.data_type = "s"
        else:
            cell = WriteOnlyCell(self.sheet, value=value)
            if isinstance(value, datetime):
                kind = "time"
            elif kind == "text":
                return cell
        style = self._styles.get(kind)
        if style is None:
            if kind == "time":
                cell.number_format = "yyyy-mm-dd hh:mm:ss"
            else:
                cell.alignment = Alignment(vertical="top", wrap_text=False)
                cell.quotePrefix = True
            if kind == "header":
                cell.font = Font(bold=True)
            self._styles[kind] = cell._style
        else:
            cell._style = style
        return cell

    def _open(self) -> None:
        self.count += 1
        self.sheet = self.book.create_sheet(title=f"ThreadHub {self.count}")
        self.sheet.freeze_panes = "A2"
        for number, column in enumerate(self.chosen, start=1):
            self.sheet.column_dimensions[get_column_letter(number)].width = column.width
        self.sheet.append([self.cell(str(column.label), kind="header") for column in self.chosen])
        self.rows_here = 0

    def append(self, row: list[columns.Value]) -> None:
        if self.sheet is None or self.rows_here >= ROWS_PER_SHEET:
            self._open()
        self.sheet.append([self.cell(value) for value in row])
        self.rows_here += 1


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write a workbook, row by row; more than 1,048,575 rows go on in another sheet."""
    book = Workbook(write_only=True)
    chosen = columns.chosen(options.columns, per_message=options.per_message)
    sheets = _Sheets(book, chosen)
    written = Written()
    for record in records:
        written.threads += 1
        written.messages += len(record.messages)
        for row in columns.rows(
            record,
            chosen,
            per_message=options.per_message,
            masked=options.masked,
            zone=options.zone,
        ):
            sheets.append(row)
            written.rows += 1
    if sheets.sheet is None:
        sheets._open()
    if sheets.count > 1:
        written.notes = (
            _("%(rows)d rows are more than a sheet holds; they go on in %(sheets)d sheets.")
            % {"rows": written.rows, "sheets": sheets.count},
        )
    book.save(target)
    return written
