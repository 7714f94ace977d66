"""Spreadsheet cells that spreadsheets cannot run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.exports import cells
from threads.tests.formula_attacks import ATTACKS, FORMULAS, REWRITTEN


@pytest.mark.parametrize("attack", [*FORMULAS, *REWRITTEN])
def test_it_puts_an_apostrophe_before_whatever_could_be_a_formula(attack: str) -> None:
    cell = cells.safe_text(attack)

    assert cell.startswith("'")


@pytest.mark.parametrize("is_typed", [True, False])
def test_it_gives_every_attack_back(is_typed: bool) -> None:
    for attack in ATTACKS:
        cell = cells.safe_text(attack, is_typed=is_typed)

        assert cells.original_text(cell) == cells.clean(attack)


@pytest.mark.parametrize("text", ["0012", "1E5", "SEPT2", "2026-01-02", "$5", "TRUE"])
def test_it_leaves_a_number_alone_where_the_cell_is_typed_as_text(text: str) -> None:
    assert cells.safe_text(text, is_typed=True) == text


@pytest.mark.parametrize(
    "text",
    [
        "refund",
        "a=b",
        "1+1",
        "'quoted'",
        "",
        "退款",
        "<>1",
        "（=",
        "🙂",
        "A-58213",
        "conv_1",
        "2 parcels",
    ],
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


@given(st.text(alphabet=st.characters(), max_size=60), st.booleans())
def test_it_gives_back_what_went_in(text: str, is_typed: bool) -> None:
    cell = cells.safe_text(text, is_typed=is_typed)

    assert cells.original_text(cell) == cells.clean(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
