"""Side bar and chips change the text of a query, and nothing else in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.search.query import Filter, Or, Query, Word, parse
from threads.search.query.editing import chips, values_of, with_dates, with_filter, without_filter


def read(text: str) -> Query:
    return parse(text, now=datetime(2026, 11, 23, tzinfo=UTC), zone=UTC)


@pytest.mark.parametrize(
    ("text", "field", "value", "expected"),
    [
        ("", "tag", "vip", "tag:vip"),
        ("Refund?  now", "tag", "to check", 'Refund?  now tag:"to check"'),
        ("tag:vip refund", "tag", "new", "tag:vip,new refund"),
        ("tag:vip refund", "tag", "vip", "tag:vip refund"),
        ("-tag:old", "tag", "vip", "-tag:old tag:vip"),
        ("a OR b", "tag", "vip", "a OR b tag:vip"),
        ("tag:a OR b", "tag", "vip", "tag:a OR b tag:vip"),
        ("a OR", "tag", "vip", "a tag:vip"),
        ('a "b c', "tag", "vip", 'a "b c" tag:vip'),
        ("(a OR b", "tag", "vip", "a OR b tag:vip"),
        ("after:7d refund", "after", "1y", "refund after:1y"),
        ("messages:>5 refund", "messages", "1..9", "refund messages:1..9"),
        ("refund sort:newest", "sort", "oldest", "refund sort:oldest"),
        ("(refund sort:newest)", "sort", "oldest", "refund sort:oldest"),
    ],
)
def test_it_adds_a_filter(text: str, field: str, value: str, expected: str) -> None:
    assert with_filter(read(text), field, value) == expected


@pytest.mark.parametrize(
    ("text", "field", "value", "expected"),
    [
        ("tag:vip,new  Refund?", "tag", "vip", "tag:new Refund?"),
        ("tag:vip Refund?", "tag", "vip", "Refund?"),
        ("tag:vip,new tag:vip x", "tag", "vip", "tag:new x"),
        ("tag:vip,new x", "tag", None, "x"),
        ("-tag:vip x", "tag", "vip", "-tag:vip x"),
        ("x AND tag:vip", "tag", "vip", "x"),
        ("x (tag:vip)", "tag", "vip", "x"),
        ("x after:7d y", "after", None, "x y"),
        ("x  sort:newest", "sort", None, "x"),
        ("x", "sort", None, "x"),
    ],
)
def test_it_removes_a_filter(text: str, field: str, value: str | None, expected: str) -> None:
    assert without_filter(read(text), field, value) == expected


def test_it_tells_metadata_keys_apart() -> None:
    query = read("meta.order:17 meta.shop:berlin")

    assert with_filter(query, "meta", "18", key="order") == "meta.order:17,18 meta.shop:berlin"
    assert without_filter(query, "meta", key="shop") == "meta.order:17"


def test_it_tells_which_values_are_chosen() -> None:
    assert values_of(read("tag:vip,new x -tag:old"), "tag") == ("vip", "new")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refund?  now", "Refund?  now after:7d"),
        ("after:2026-01-01 refund before:2026-02-01", "refund after:7d"),
        ("on:2026-01 refund sort:newest", "refund sort:newest after:7d"),
    ],
)
def test_it_takes_a_period_instead_of_other_dates(text: str, expected: str) -> None:
    assert with_dates(read(text), after="7d") == expected


def test_it_makes_a_chip_of_each_part() -> None:
    made = chips(read('refund "late delivery" -tag:vip (a OR b) thread:{role:tool error}'))

    assert [(chip.text, chip.field) for chip in made] == [
        ("refund", ""),
        ('"late delivery"', ""),
        ("-tag:vip", "tag"),
        ("a OR b", ""),
        ("thread:{role:tool error}", "thread"),
    ]
    assert made[3].node == Or((Word("a"), Word("b")))
    assert made[3].without == 'refund "late delivery" -tag:vip thread:{role:tool error}'


_pieces = st.sampled_from(
    [*'ab  -()"}', "OR ", "AND ", "tag:x", "tag:y,z ", "thread:{", "after:7d ", "sort:newest "]
)


@given(st.lists(_pieces, max_size=20).map("".join))
def test_it_adds_and_removes_in_any_text(text: str) -> None:
    added = read(with_filter(read(text), "tag", "new"))

    assert "new" in values_of(added, "tag")
    assert "new" not in values_of(read(without_filter(added, "tag", "new")), "tag")
    assert values_of(read(without_filter(read(text), "tag")), "tag") == ()


@given(st.lists(_pieces, max_size=20).map("".join))
def test_it_takes_out_any_part_and_nothing_else(text: str) -> None:
    made = chips(read(text))

    for chip in made:
        left = [other.node for other in made if other is not chip]
        assert [other.node for other in chips(read(chip.without))] == left
        assert read(chip.without).sort == read(text).sort


def test_it_knows_a_filter_that_cannot_be() -> None:
    with pytest.raises(KeyError):
        with_filter(read("x"), "colour", "red")


def test_it_keeps_a_filters_own_writing() -> None:
    assert chips(read("Tag:vip"))[0].node == Filter("tag", ("vip",))
