"""What the query language says of slips, of clauses it cannot read, and of its limits."""

from __future__ import annotations

import zoneinfo
from datetime import datetime

import pytest

from threads.search.query import And, Query, Word, parse, unparse

TAIPEI = zoneinfo.ZoneInfo("Asia/Taipei")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=TAIPEI)


def read(text: str) -> Query:
    return parse(text, now=NOON, zone=TAIPEI)


@pytest.mark.parametrize(
    ("text", "code", "marked", "suggestion", "rest"),
    [
        ("foo:bar x", "unknown_filter", "foo", "", "foo:bar x"),
        ("from:user x", "unknown_filter", "from", "role", "from:user x"),
        ("porject:a x", "unknown_filter", "porject", "project", "porject:a x"),
        ('foo:"two words"', "unknown_filter", "foo", "", '"foo:two words"'),
        ("meta:x", "unknown_filter", "meta", "", "meta:x"),
        ('a "b c', "unclosed_quote", '"', "", 'a "b c"'),
        ("a (b OR c", "unclosed_bracket", "(", "", "a b OR c"),
        ("thread:{a", "unclosed_bracket", "t", "", "thread:{a}"),
        ("a) b", "stray_bracket", ")", "", "a b"),
        ("a ()", "empty_brackets", "()", "", "a"),
        ("OR a", "stray_operator", "OR", "", "a"),
        ("a OR", "stray_operator", "OR", "", "a"),
        ("a AND OR b", "stray_operator", "AND", "", "a OR b"),
        ("a NOT", "stray_operator", "NOT", "", "a"),
        ("a - b", "stray_operator", "-", "", "a b"),
        ("a 😀", "no_letters", "😀", 'text:~"😀"', "a"),
        ('a "?!"', "no_letters", '"?!"', 'text:~"?!"', "a"),
        ("a project:", "empty_filter", "project:", "", "a"),
        ("a thread:{}", "empty_filter", "thread:{}", "", "a"),
        ("a text:b", "text_as_words", "text:", "", 'a "b"'),
        ("a sort:newest sort:oldest", "repeated", "sort:oldest", "", "a sort:oldest"),
        ("a -sort:newest", "not_negatable", "sort:newest", "", "a sort:newest"),
    ],
)
def test_it_says_what_it_made_of_a_slip(
    text: str, code: str, marked: str, suggestion: str, rest: str
) -> None:
    query = read(text)

    (notice,) = query.notices
    assert notice.position is not None
    assert text[notice.position : notice.position + notice.length] == marked
    assert (notice.code, notice.suggestion) == (code, suggestion)
    assert not notice.is_error
    assert unparse(query) == rest


@pytest.mark.parametrize(
    ("text", "code", "marked", "suggestion"),
    [
        ("a role:usr b", "unknown_value", "usr", "user"),
        ("a role:user,zzz b", "unknown_value", "zzz", ""),
        ("a messages:many b", "bad_number", "many", ""),
        ("a messages:1.5 b", "bad_number", "1.5", ""),
        ("a messages:*..* b", "bad_number", "*..*", ""),
        ("a messages:9..1 b", "empty_range", "9..1", ""),
        ("a messages:1,2 b", "one_value", "1,2", ""),
        ("a after:soon b", "bad_date", "soon", ""),
        ("a after:2026-02-30 b", "bad_date", "2026-02-30", ""),
        ("a after:0001 b", "bad_date", "0001", ""),
        ("a after:2026-01..2026-02 b", "bad_date", "2026-01..2026-02", ""),
        ("a created:2026..2025 b", "empty_range", "2026..2025", ""),
        ("a r* b", "short_prefix", "r*", ""),
        ("a /(/ b", "bad_regex", "/(/", ""),
        ("a /(x+)+y/ b", "bad_regex", "/(x+)+y/", ""),
        ("a thread:xyz b", "bad_group", "thread:xyz", "id:xyz"),
        ("a sort:cheapest b", "unknown_value", "cheapest", ""),
    ],
)
def test_it_leaves_out_a_clause_that_it_cannot_read(
    text: str, code: str, marked: str, suggestion: str
) -> None:
    query = read(text)

    (notice,) = query.errors
    assert notice.position is not None
    assert text[notice.position : notice.position + notice.length] == marked
    assert (notice.code, notice.suggestion) == (code, suggestion)
    assert query.expression == And((Word("a"), Word("b")))


@pytest.mark.parametrize(
    ("pattern", "is_fine"),
    [
        (r"err(or)?\s+\d+", True),
        (r"(foo|bar)\d+", True),
        (r"(?:ab)+[(a+)+]*", True),
        (r"(\(a+\))?x*", True),
        (r"(a\)b)+", True),
        (r"(a+)+$", False),
        (r"((a+)b)*", False),
        (r"(a|ab)*c", False),
        (r"(?:\w+\s?){5,}", False),
        (r"(?P<word>\w+\s?)*", False),
        ("a" * 201, False),
    ],
)
def test_it_takes_no_regular_expression_that_may_never_end(pattern: str, is_fine: bool) -> None:
    assert bool(read(f"/{pattern}/").errors) is not is_fine


def test_it_keeps_the_other_alternative_of_a_clause_left_out() -> None:
    query = read("a OR after:soon b")

    assert query.expression == And((Word("a"), Word("b")))


@pytest.mark.parametrize(
    ("text", "code", "limit"),
    [
        ("word " * 500, "too_long", "2,000"),
        ("a " * 100, "too_many_terms", "64"),
        ("(" * 40 + "a" + ")" * 40, "too_deep", "12"),
        ("id:" + ",".join(map(str, range(300))), "too_many_values", "200"),
        ("b*", "short_prefix", "2"),
    ],
)
def test_it_names_its_limits(text: str, code: str, limit: str) -> None:
    (notice,) = {
        notice.code: notice for notice in read(text).errors if notice.code == code
    }.values()

    assert limit in notice.message
