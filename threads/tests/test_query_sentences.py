"""What is said about a query: the sentence above the results, the help, the notices."""

from __future__ import annotations

import zoneinfo
from datetime import datetime

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from threads.search.query import FIELDS, Query, parse
from threads.search.query.notices import MESSAGES
from threads.search.sentences import explain, localised

TAIPEI = zoneinfo.ZoneInfo("Asia/Taipei")


def read(text: str) -> Query:
    return parse(text, now=datetime(2026, 11, 23, 12, tzinfo=TAIPEI), zone=TAIPEI)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "All threads; newest first."),
        ("group:message sort:oldest", "All messages; oldest first."),
        (
            'refund "late delivery" -bounced',
            (
                "Threads: “refund” and exactly “late delivery” in one message, without “bounced”;"
                " best match first."
            ),
        ),
        (
            "a OR b project:x,y -tag:z",
            "Threads: (“a” or “b”), project x or y, not tag z; best match first.",
        ),
        (
            "messages:>50 cost:<=0.10 tokens:1k..5k",
            (
                "Threads: more than 50 messages, at most 0.1 US dollars, 1,000 to 5,000 tokens;"
                " newest first."
            ),
        ),
        ("after:7d", "Threads: sent since 2026-11-16 12:00 Asia/Taipei; newest first."),
        (
            "created:2026-01",
            (
                "Threads: thread created from 2026-01-01 00:00 Asia/Taipei"
                " to before 2026-02-01 00:00 Asia/Taipei; newest first."
            ),
        ),
        (
            "thread:{role:tool err*}",
            (
                "Threads: the thread has a message with [role tool and a word beginning with"
                " “err”]; best match first."
            ),
        ),
        ("-(a b)", "Threads: not (“a” and “b”); newest first."),
    ],
)
def test_it_says_what_was_searched(text: str, sentence: str) -> None:
    assert explain(read(text)) == sentence


@given(st.lists(st.sampled_from([f"{name}:" for name in FIELDS] + list('ab1 "()-*')), max_size=30))
def test_it_has_a_sentence_for_every_query(pieces: list[str]) -> None:
    assert explain(read("".join(pieces))).endswith(" first.")


@pytest.mark.parametrize("name", FIELDS)
def test_it_shows_examples_that_are_right(name: str) -> None:
    query = read(FIELDS[name].example)

    assert query.notices == ()
    assert query != Query()


@pytest.mark.parametrize("text", ["role:usr", "foo:bar", "a 😀", "thread:x", "/(/", "a* OR"])
def test_it_keeps_what_a_sentence_is_made_with(text: str) -> None:
    (notice, *_) = read(text).notices

    with translation.override("en"):
        assert localised(notice) == notice
    assert notice.code in MESSAGES
