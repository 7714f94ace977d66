"""Hits in a thread: which messages they are, and the way from one to the next."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from threads.models import Message
from threads.search.query import parse
from threads.tests.factories import NOW, make_conversation, make_message, make_thread
from threads.tests.test_thread_page import page_of
from threads.views.matches import hits_in
from threads.views.thread import PAGE_SIZE

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def test_it_says_that_there_are_more_hits_than_it_walks_through(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_conversation("lamp", "lamp", "lamp")
    monkeypatch.setattr("threads.views.matches.MAX_HITS", 2)
    monkeypatch.setattr("threads.views.thread.MAX_HITS", 2)

    page = page_of(client, thread, "?q=lamp")

    assert 'data-hits="1,2"' in page
    assert "2+ hits" in page
    assert 'data-pattern="{at} of 2+"' in page


def test_it_walks_on_from_any_hit_of_a_thread_with_more_than_it_counts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threads.views.matches.MAX_HITS", 4)
    monkeypatch.setattr("threads.views.thread.MAX_HITS", 4)
    thread = make_thread()
    places = (1, 2, 3, PAGE_SIZE + 1, PAGE_SIZE + 2, 2 * PAGE_SIZE + 1, 2 * PAGE_SIZE + 2)
    for position in places:
        make_message(thread, f"lamp {position}", position=position)

    first, middle, last = (page_of(client, thread, f"?q=lamp&page={page}") for page in (1, 2, 3))

    assert f'data-hits="1,2,3,{places[3]}"' in first
    assert 'data-pattern="{at} of 4+"' in first
    assert f'data-hits="2,3,{places[3]},{places[4]}"' in middle  # two before, two here
    assert f'data-hits="{places[3]},{places[4]},{places[5]},{places[6]}"' in last
    assert "4+ hits" in last
    assert "data-pattern" not in last.split("data-hit-count")[1].split(">")[0]  # its place: unknown


def test_it_counts_from_the_first_hit_wherever_a_thread_of_few_hits_is_opened(
    client: Client,
) -> None:
    thread = make_thread()
    for position in (1, PAGE_SIZE + 1, 2 * PAGE_SIZE):
        make_message(thread, "lamp", position=position)

    page = page_of(client, thread, "?q=lamp&page=2")

    assert f'data-hits="1,{PAGE_SIZE + 1},{2 * PAGE_SIZE}"' in page
    assert 'data-pattern="{at} of 3"' in page
    assert f'data-first-hit="#m-{PAGE_SIZE + 1}"' in page


def test_it_stays_on_a_page_without_hits_that_was_turned_to(client: Client) -> None:
    thread = make_thread()
    make_message(thread, "lamp", position=1)
    make_message(thread, "chair", position=PAGE_SIZE + 1)

    assert 'data-first-hit=""' in page_of(client, thread, "?q=lamp&page=2")
    assert 'data-first-hit="#m-1"' in page_of(client, thread, "?q=lamp")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("refund", (1, 4)),
        ("refund -urgent", (1,)),
        ("parcel refund", (1, 3, 4)),  # none has both: those with some
        ('"late parcel"', (3,)),
        ("find_order", (5,)),  # tool calls count
        ("zebra", ()),
    ],
)
@pytest.mark.parametrize("short", [0, 500])
def test_it_finds_the_same_hits_by_the_index_as_by_reading(
    monkeypatch: pytest.MonkeyPatch, query: str, expected: tuple[int, ...], short: int
) -> None:
    monkeypatch.setattr("threads.views.matches._SHORT", short)
    thread = make_conversation("A refund", "Which?", "late parcel", "urgent refunds", item_count=5)
    make_message(thread, "find_order", role="tool", kind=Message.Kind.TOOL_CALL)
    make_conversation("refund of another thread", project=thread.project)
    parsed = parse(query, now=NOW, zone=UTC)

    assert hits_in(thread, parsed) == expected
    assert hits_in(thread, parsed, near=3) == expected


def test_it_reads_a_thread_where_the_index_would_have_to_go_through_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("threads.views.matches._SHORT", 0)
    monkeypatch.setattr("threads.search.in_thread._MOST_HITS", 1)
    thread = make_conversation("the end", "of the day", "is near", item_count=3)

    assert hits_in(thread, parse("the", now=NOW, zone=UTC)) == (1, 2)


@pytest.mark.parametrize("short", [0, 500])
def test_it_takes_the_nearest_hits_of_more_than_it_knows(
    monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    monkeypatch.setattr("threads.views.matches._SHORT", short)
    monkeypatch.setattr("threads.views.matches._AT_ONCE", 2)
    monkeypatch.setattr("threads.views.matches.MAX_HITS", 4)
    thread = make_conversation(*["a lamp"] * 9, item_count=9)

    def near(position: int, query: str = "lamp") -> tuple[int, ...]:
        return hits_in(thread, parse(query, now=NOW, zone=UTC), near=position)

    assert near(1) == (1, 2, 3, 4)
    assert near(2) == (1, 2, 3, 4)
    assert near(6) == (4, 5, 6, 7)
    assert near(9) == (7, 8, 9)
    assert near(6, "lamp chair") == (4, 5, 6, 7)  # none has both: those with some
