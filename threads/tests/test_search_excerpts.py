"""Snippets mark what matched, and nothing in them is alive but <mark>."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.search.excerpts import LENGTH, Marker
from threads.search.fold import fold, words_of
from threads.search.query import parse


def _marker(text: str) -> Marker:
    return Marker(parse(text, now=datetime(2026, 4, 1, tzinfo=UTC), zone=UTC).terms)


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("refund", "My refunds, refunding.", "My [refunds], [refunding]."),
        ("refund", "prerefund", "prerefund"),
        ("delivery", "Late deliveries", "Late [deliveries]"),
        ('"late delivery"', "late deliveries, late, delivery", "late deliveries, [late, delivery]"),
        ("happy", "happiness and happier", "[happiness] and happier"),
        ("cafe", "Das Café", "Das [Café]"),
        ("ZOË", "zoe and Zoë", "[zoe] and [Zoë]"),
        ("退款", "我想申请退款。退 款", "我想申请[退款]。[退 款]"),
        ("退", "申请退款", "申请[退]款"),
        ("123abc", "号は１２３ＡＢＣです", "号は[１２３ＡＢＣ]です"),
        ("한국", "한국어", "[한국]어"),
        ("refun*", "refunds refuse", "[refunds] refuse"),
        ("error-401", "error 401 and error-4012", "[error 401] and [error-4012]"),
        ("jane@example.org", "<jane@example.org>", "&lt;[jane@example.org]&gt;"),
        ("response", "parseHttpResponse", "parseHttp[Response]"),
        ("parse", "parseHttpResponse", "[parse]HttpResponse"),
        ("3.11", "on v3.11!", "on v[3.11]!"),
        ("a -b", "a b", "[a] b"),
        ("b", "<b>b</b> & \"b\"", "&lt;[b]&gt;[b]&lt;/[b]&gt; &amp; &quot;[b]&quot;"),
    ],
)  # fmt: skip
def test_it_marks(query: str, text: str, expected: str) -> None:
    marked = _marker(query).marked(text)

    assert marked.replace("<mark>", "[").replace("</mark>", "]") == expected


def test_it_shows_the_places_of_several_words() -> None:
    text = f"refund {'x ' * 400} invoice {'y ' * 400} order"

    snippet = _marker("refund invoice order").snippet(text)

    assert snippet.count("<mark>") == 3
    assert snippet.count("…") == 2
    assert len(snippet) < LENGTH * 2


def test_it_shows_the_beginning_where_nothing_matches() -> None:
    snippet = _marker("zzz").snippet("word " * 500)

    assert snippet.startswith("word word")
    assert snippet.endswith(" …")


def test_it_marks_a_letter_of_which_the_stemmer_leaves_nothing() -> None:
    assert _marker("s").snippet("0 s") == "0 <mark>s</mark>"


def test_it_makes_many_snippets_as_it_makes_one() -> None:
    marker = _marker("refund")
    texts = ["a\nrefund\x01 <b>", "", "\x02\x03\n", "x " * 200 + "refund" + " y" * 200, "no\r\nhit"]

    assert marker.snippets(texts) == [marker.snippet(text) for text in texts]
    assert marker.snippets([]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| Refund | **Rate** |\n| --- | ---: |\n| 3 | 9 % |", "[Refund] · Rate 3 · 9 %"),
        ("## A **refund**\n---\nis due", "A [refund] is due"),
        ("Do:\n```python\nrefund(**late)\nx = a | b\n```\nok", "Do: [refund](**late) x = a | b ok"),
        ("refund(*a, **k), g(**k)", "[refund](*a, **k), g(**k)"),
        ("refund | grep x\ny", "[refund] | grep x y"),
        ("a --- refund\n# note", "a --- [refund] # note"),
    ],
)  # fmt: skip
def test_it_leaves_out_of_a_line_what_only_draws(text: str, expected: str) -> None:
    snippet = _marker("refund").snippet(text)

    assert snippet.replace("<mark>", "[").replace("</mark>", "]") == expected


@given(st.text(), st.text())
def test_it_takes_any_text(query: str, text: str) -> None:
    snippet = _marker(query).snippet(text)

    bare = snippet.replace("<mark>", "").replace("</mark>", "")
    assert "<" not in bare
    assert snippet.count("<mark>") == snippet.count("</mark>")


@given(st.text(alphabet="aAbé 字-_"), st.text(alphabet="aAbé 字-_"))
def test_it_knows_whether_there_is_anything_to_mark(query: str, text: str) -> None:
    marker = _marker(query)

    assert marker.holds_any(text) == bool(marker.spans(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "plain words"),
        ("申请退款", " 申 请 退 款 "),
        ("ＡＢＣ１２３", "ABC123"),
        ("ｱｲｳ", " ア イ ウ "),
        ("parseHttpResponse", "parseHttpResponse parse Http Response"),
        ("parseValue", "parseValue parse Value"),
        ("é snake_isCamel 退款", "é snake_isCamel  退 款  is Camel"),
        ("退款-401，v3", " 退 款 - 401，v 3"),
        ("v3.11", "v 3.11"),
        ("IPv4", "IPv4"),
        (None, ""),
    ],
)
def test_it_folds(text: str | None, expected: str) -> None:
    assert fold(text) == expected


def test_words_are_lower_case_without_accents() -> None:
    assert words_of("Zoë's Café 退款 한국 foo_bar") == [
        "zoe", "s", "cafe", "退", "款", "한", "국", "foo", "bar",
    ]  # fmt: skip


@pytest.mark.parametrize("length", [1, 999, 1_000, 1_001, 2_500])
def test_it_sets_runs_of_any_length_apart_alike(length: int) -> None:
    assert fold("a" + "退" * length + "b").split() == ["a", *"退" * length, "b"]


@given(st.text())
def test_any_text_folds(text: str) -> None:
    assert isinstance(fold(text), str)
    assert isinstance(words_of(text), list)
