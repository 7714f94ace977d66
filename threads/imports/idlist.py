"""Lists of thread ids, with remarks: Excel files, CSV, or text with one id a line.

In a table the column `thread_id` holds the ids and `remark`, if there is one, the remarks. A
file without these names has the id first on each line and the remark, if any, after it.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from threads.exports.cells import original_text
from threads.imports.base import ListedThread, Place, Problem, UnreadableFile
from threads.imports.zips import SafeZip

MOST_ROWS = 200_000
_LONGEST_LINE = 100_000  # characters
_LONGEST_REMARK = 20_000
# What stores take in the path of an address.
_ID = re.compile(r"[A-Za-z0-9_.:@=+~,-]{1,200}\Z")
# How workbooks write a character that XML cannot hold (ECMA-376 part 1, 22.9.2.19).
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_ID_NAMES = {"thread_id", "threadid", "id", "conversation_id"}
_REMARK_NAMES = {"remark", "remarks", "note", "備註"}


def read_ids(path: Path, *, start: Place = Place()) -> Iterator[ListedThread | Problem]:  # noqa: B008 - frozen
    """Yield the ids of a list, each once. A place's line is the row's number.

    :raises UnreadableFile: when it is no list.
    """
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    seen: set[str] = set()
    size = max(1, path.stat().st_size)
    offset = 0  # of text exactly, but for quotes; a workbook tells nothing better
    columns: tuple[int, int] | None = None
    for number, row in enumerate(_sheet(path) if is_zip else _lines(path), 1):
        if number > MOST_ROWS:
            yield Problem(Place(number, size), f"Only the first {MOST_ROWS} rows are read.")
            return
        offset += sum(len(cell.encode("utf-8", "replace")) + 1 for cell in row)
        if columns is None:
            if not any(row):
                continue
            columns = _columns(row)
            if columns is not None:
                continue
            columns = (0, 1)
        place = Place(number, min(size, offset))
        identity, remark = _cell(row, columns[0]), _cell(row, columns[1])
        if number <= start.line or (not identity and not remark):
            seen.add(identity)
            continue
        if not identity:
            yield Problem(place, "This row has a remark and no id.")
        elif not _ID.match(identity) or not identity.strip("."):
            yield Problem(place, f"“{identity[:60]}” is no id of a thread.")
        elif identity in seen:
            yield Problem(place, f"{identity} stands in the list twice; the first one counts.")
        else:
            seen.add(identity)
            yield ListedThread(place, identity, remark[:_LONGEST_REMARK], columns[1] >= 0)


def _columns(row: Sequence[str]) -> tuple[int, int] | None:
    """Return where ids and remarks stand; None when this row holds no names of columns."""
    names = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in row]
    identity = next((names.index(name) for name in _ID_NAMES if name in names), -1)
    if identity < 0:
        return None
    return identity, next((names.index(name) for name in _REMARK_NAMES if name in names), -1)


def _cell(row: Sequence[str], index: int) -> str:
    """Return a cell's text. The apostrophe that exports put before formulas is none of it."""
    return original_text(row[index]).strip() if 0 <= index < len(row) else ""


def _sheet(path: Path) -> Iterator[list[str]]:
    import openpyxl

    with SafeZip(path):
        pass  # refuses what is made to harm
    try:
        # Opened here: openpyxl goes by names, and an upload's is its job's id.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = next(
                (each for each in book.worksheets if _columns(_first(each.values))),
                book.worksheets[0],
            )
            for row in sheet.iter_rows(values_only=True, max_col=200):
                yield _texts(row)
    except UnreadableFile:
        raise
    except Exception as error:
        raise UnreadableFile(f"{path.name} cannot be read as a spreadsheet: {error}.") from error


def _first(rows: Iterable[Sequence[object]]) -> list[str]:
    return _texts(next(iter(rows), ()))


def _texts(row: Sequence[object]) -> list[str]:
    return ["" if cell is None else _ESCAPED.sub(_character, str(cell)) for cell in row]


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _lines(path: Path) -> Iterator[list[str]]:
    """Read CSV with any of the usual separators; text without one has an id a line."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.read(8_192)
        file.seek(0)
        first = head.splitlines()[0] if head.strip() else ""
        counts = {sign: first.count(sign) for sign in ("\t", ";", ",")}
        separator = max(counts, key=lambda sign: counts[sign])
        try:
            csv.field_size_limit(_LONGEST_LINE)
            yield from csv.reader(file, delimiter=separator)
        except csv.Error as error:
            raise UnreadableFile(f"{path.name} cannot be read as a table: {error}.") from error
