"""The query language: what each row of its table means, and that nothing breaks it."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from threads.search.query import (
    FIELDS,
    And,
    DateRange,
    Filter,
    Node,
    Not,
    NumberRange,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Substring,
    ThreadGroup,
    Token,
    Word,
    parse,
    unparse,
    walk,
)

TAIPEI = zoneinfo.ZoneInfo("Asia/Taipei")


NOON = datetime(2026, 11, 23, 12, 0, tzinfo=TAIPEI)


def read(text: str) -> Query:
    return parse(text, now=NOON, zone=TAIPEI)


def tree(text: str) -> Node | None:
    """The tree of a text that is entirely right."""
    query = read(text)
    assert query.notices == ()
    return query.expression


def taipei(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TAIPEI)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("refund", Word("refund")),
        ("refund invoice", And((Word("refund"), Word("invoice")))),
        ("Refund?", Word("Refund")),
        ('"late delivery"', Phrase("late delivery")),
        ('"late \n  delivery"', Phrase("late delivery")),
        ("“late delivery”", Phrase("late delivery")),
        (r'"say \"hi\" in C:\temp\\"', Phrase('say "hi" in C:\\temp\\')),
        ("refun*", Prefix("refun")),
        ("退*", Prefix("退")),
        ("refund OR chargeback", Or((Word("refund"), Word("chargeback")))),
        ("refund or chargeback", And((Word("refund"), Word("or"), Word("chargeback")))),
        ("salt and not pepper", And((Word("salt"), Word("and"), Word("not"), Word("pepper")))),
        ("salt AND pepper", And((Word("salt"), Word("pepper")))),
        ("-bounced", Not(Word("bounced"))),
        ("NOT bounced", Not(Word("bounced"))),
        ("NOT -bounced", Word("bounced")),
        ('a -"b c"', And((Word("a"), Not(Phrase("b c"))))),
        ("a -(b c)", And((Word("a"), Not(And((Word("b"), Word("c"))))))),
        ("NOT(b OR c)", Not(Or((Word("b"), Word("c"))))),
        ("a (b c)", And((Word("a"), Word("b"), Word("c")))),
        ("(a b) OR c", Or((And((Word("a"), Word("b"))), Word("c")))),
        # As in Gmail: OR joins its neighbours, so that a filter beside it always holds.
        ("a b OR c d", And((Word("a"), Or((Word("b"), Word("c"))), Word("d")))),
        ("a OR b OR c", Or((Word("a"), Word("b"), Word("c")))),
        ("退款", Word("退款")),
        ("注文番号", Word("注文番号")),
        ("हिन्दी", Word("हिन्दी")),
        ("error-401", Token("error-401")),
        ("jane@example.org,", Token("jane@example.org")),
        ("gpt-4o", Token("gpt-4o")),
        (r"C:\temp", Token(r"C:\temp")),
        ("foo_bar", Token("foo_bar")),
        ("thread_abc123", Token("thread_abc123")),
        (
            "0b7d1c2e-5a1f-4a53-9d3c-1f0a2b3c4d5e",
            Token("0b7d1c2e-5a1f-4a53-9d3c-1f0a2b3c4d5e"),
        ),
        ("https://example.org/a?b=c#d", Token("https://example.org/a?b=c#d")),
        ("std::vector", Token("std::vector")),
        ("localhost:8000", Token("localhost:8000")),
        ("12:30", Token("12:30")),
        ("don't", Token("don't")),
        ("C++", Word("C")),
        ("print(x)", Token("print(x")),
        ("(print(x) OR y)", Or((Token("print(x"), Word("y")))),
        ("--verbose", Word("verbose")),
        ("/usr/bin/python", Token("usr/bin/python")),
        (r"/err(or)?\s\d+/", Regex(r"err(or)?\s\d+")),
        (r"/a\/b c/", Regex(r"a\/b c")),
        ('text:~"0x80 "', Substring("0x80 ")),
        ("text:~%", Substring("%")),
        ("project:support", Filter("project", ("support",))),
        ('tag:"to check",vip', Filter("tag", ("to check", "vip"))),
        ("tag:(vip OR new)", Filter("tag", ("vip", "new"))),
        ("-tag:vip", Not(Filter("tag", ("vip",)))),
        ("Source:Assistants,import", Filter("source", ("assistants", "import"))),
        ("status:gone", Filter("status", ("gone",))),
        ("id:thread_abc", Filter("id", ("thread_abc",))),
        ("role:user", Filter("role", ("user",))),
        ('assistant:"Order desk"', Filter("assistant", ("Order desk",))),
        ("model:gpt-4o*", Filter("model", ("gpt-4o*",))),
        ("tool:lookup_order", Filter("tool", ("lookup_order",))),
        ("user:jane@example.org", Filter("user", ("jane@example.org",))),
        ("in:title,remark", Filter("in", ("title", "remark"))),
        ("has:code", Filter("has", ("code",))),
        ("is:starred", Filter("is", ("starred",))),
        ("meta.order:A-17", Filter("meta", ("A-17",), "order")),
        ('meta."order no":A-17', Filter("meta", ("A-17",), "order no")),
        ("role：user", Filter("role", ("user",))),
        ("messages:>50", NumberRange("messages", low=Decimal(50), low_is_open=True)),
        ("messages:>=50", NumberRange("messages", low=Decimal(50))),
        ("messages:<2k", NumberRange("messages", high=Decimal(2000), high_is_open=True)),
        ("messages:<=50", NumberRange("messages", high=Decimal(50))),
        ("messages:50", NumberRange("messages", Decimal(50), Decimal(50))),
        ("tokens:1000..5000", NumberRange("tokens", Decimal(1000), Decimal(5000))),
        ("tokens:1000..*", NumberRange("tokens", low=Decimal(1000))),
        ("cost:>0.10", NumberRange("cost", low=Decimal("0.10"), low_is_open=True)),
        (
            "thread:{role:user refund}",
            ThreadGroup(And((Filter("role", ("user",)), Word("refund")))),
        ),
        (
            "thread:{role:user refund} thread:{role:tool error}",
            And(
                (
                    ThreadGroup(And((Filter("role", ("user",)), Word("refund")))),
                    ThreadGroup(And((Filter("role", ("tool",)), Word("error")))),
                )
            ),
        ),
        ("-thread:{role:tool}", Not(ThreadGroup(Filter("role", ("tool",))))),
    ],
)
def test_it_reads(text: str, expected: Node | None) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("after:2026-01-31", taipei(2026, 1, 31), None),
        ("after:2026-01", taipei(2026, 1, 1), None),
        ("before:2026-03", None, taipei(2026, 3, 1)),
        ("before:7d", None, taipei(2026, 11, 16, 12)),
        ("after:12h", taipei(2026, 11, 23, 0), None),
        ("after:2w", taipei(2026, 11, 9, 12), None),
        ("after:9mo", taipei(2026, 2, 23, 12), None),
        ("after:1y", taipei(2025, 11, 23, 12), None),
        ("after:900y", taipei(1970, 1, 23, 12), None),
        ("on:today", taipei(2026, 11, 23), taipei(2026, 11, 24)),
        ("on:yesterday", taipei(2026, 11, 22), taipei(2026, 11, 23)),
        ("on:2026-02", taipei(2026, 2, 1), taipei(2026, 3, 1)),
        ("on:2025", taipei(2025, 1, 1), taipei(2026, 1, 1)),
        ("on:2026/12", taipei(2026, 12, 1), taipei(2027, 1, 1)),
        ("on:7d", taipei(2026, 11, 16, 12), None),
        ("created:2026-01..2026-03", taipei(2026, 1, 1), taipei(2026, 4, 1)),
        ("created:2026-01..*", taipei(2026, 1, 1), None),
        ("created:*..2026-01", None, taipei(2026, 2, 1)),
        ("created:>2026-01", taipei(2026, 2, 1), None),
        ("created:>=2026-01", taipei(2026, 1, 1), None),
        ("created:<2026-01", None, taipei(2026, 1, 1)),
        ("created:<=2026-01", None, taipei(2026, 2, 1)),
        (
            "on:2026-01-31T23:30Z",
            datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
            datetime(2026, 1, 31, 23, 31, tzinfo=UTC),
        ),
    ],
)
def test_it_reads_dates_in_the_readers_zone(
    text: str, start: datetime | None, end: datetime | None
) -> None:
    node = tree(text)

    assert isinstance(node, DateRange)
    assert (node.start, node.end) == (start, end)
    assert all(moment.tzinfo == TAIPEI for moment in (node.start, node.end) if moment)


def test_it_counts_hours_across_a_change_of_clocks() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    after_the_change = datetime(2026, 3, 29, 12, 0, tzinfo=berlin)

    query = parse("after:12h", now=after_the_change, zone=berlin)

    assert isinstance(query.expression, DateRange)
    assert query.expression.start == datetime(2026, 3, 28, 23, 0, tzinfo=berlin)


@pytest.mark.parametrize(
    ("text", "order", "grouping"),
    [
        ("refund", "relevance", "thread"),
        ("project:a", "newest", "thread"),
        ("-refund", "newest", "thread"),
        ("refund sort:oldest group:message", "oldest", "message"),
        ("(refund sort:longest)", "longest", "thread"),
    ],
)
def test_it_knows_what_comes_first(text: str, order: str, grouping: str) -> None:
    query = read(text)

    assert (query.order, query.grouping) == (order, grouping)


def test_it_finds_the_terms_that_are_looked_for() -> None:
    query = read('refund -bounced project:a thread:{role:user "late delivery"} OR cha*')

    assert query.terms == (Word("refund"), Phrase("late delivery"), Prefix("cha"))


def test_it_tells_what_needs_a_scan() -> None:
    assert read("a -/b/").needs_scan
    assert not read("a b").needs_scan


def test_it_knows_where_each_part_stands() -> None:
    text = 'project:a  -tag:"b c" (退款 OR x) thread:{y z}'

    spans = [text[slice(*node.span)] for node in walk(read(text).expression) if node.span]

    assert spans == [
        text,
        "project:a",
        '-tag:"b c"',
        'tag:"b c"',
        "(退款 OR x)",
        "退款",
        "x",
        "thread:{y z}",
        "y z",
        "y",
        "z",
    ]


# Text as people and accidents make it: pieces that mean something, in any order.
_pieces = st.sampled_from(
    [*"()[]{}\"'“”-*:~/\\,.<> \n", "OR", "AND", "NOT", " ", "thread:{", "text:~", "meta.a:"]
    + [f"{name}:" for name in FIELDS]
    + ["退款", "a", "foo_bar", "7d", "2026-01", "..", ">=", "user", "/x/", "\x00", "\ud800", "😀"]
)


_texts = st.one_of(
    st.text(max_size=200),
    st.lists(_pieces, max_size=40).map("".join),
    st.lists(_pieces, max_size=40).map(" ".join),
)


@given(_texts)
@example("a OR after:x OR b")
@example("thread:{(a} b")
@example(":OR(0")
@example("[[a]]" * 3)
@example("/[[a]/")
def test_it_reads_any_text_and_writes_it_back(text: str) -> None:
    query = read(text)

    written = read(unparse(query))

    assert written == query
    assert not written.errors
    for notice in query.notices:
        assert notice.position is not None
        assert 0 <= notice.position <= notice.position + notice.length <= len(text)


_words = st.text("abcxyzÄé19退注ก", min_size=1, max_size=6).filter(lambda word: word[0].isalnum())


_values = st.text('ab 1-_.*"\\()退', min_size=1, max_size=8).map(
    lambda text: " ".join(text.split()) or "a"
)


_numbers = st.integers(0, 10**12).map(Decimal)


_leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Word, _words),
    st.builds(Phrase, st.lists(_words, min_size=1, max_size=3).map(" ".join)),
    st.builds(Prefix, _words.filter(lambda word: len(word) > 1)),
    st.builds(lambda a, mark, b: Token(a + mark + b), _words, st.sampled_from("-_@./'+("), _words),
    st.builds(Substring, _values),
    st.just(Regex(r"a\/b (c|d)")),
    st.builds(
        lambda values: Filter("tag", tuple(dict.fromkeys(values))),
        st.lists(_values, min_size=1, max_size=3),
    ),
    st.builds(lambda key, value: Filter("meta", (value,), key), _values, _values),
    st.sampled_from([Filter("role", ("user", "tool")), Filter("has", ("code",))]),
    st.builds(lambda low, more: NumberRange("tokens", low, low + more), _numbers, _numbers),
    st.builds(
        lambda low, is_open: NumberRange("cost", low, low_is_open=is_open),
        _numbers,
        st.booleans(),
    ),
    st.sampled_from(["after:7d", "on:2026-01", "created:2025..*"]).map(tree),
)


def _joined(kind: type[And] | type[Or], children: list[Node]) -> Node:
    flat: list[Node] = []
    for child in children:
        flat.extend(child.children if isinstance(child, kind) else [child])
    return kind(tuple(flat))


def _branches(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(nodes, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda children: _joined(And, children)),
        several.map(lambda children: _joined(Or, children)),
        nodes.map(lambda node: node.child if isinstance(node, Not) else Not(node)),
    )


_flat = st.recursive(_leaves, _branches, max_leaves=6)


_trees = st.recursive(st.one_of(_flat, st.builds(ThreadGroup, _flat)), _branches, max_leaves=6)


@given(
    st.one_of(st.none(), _trees),
    st.sampled_from([None, "newest"]),
    st.sampled_from([None, "message"]),
)
def test_it_writes_every_tree_so_that_it_reads_the_same(
    expression: Node | None, sort: str | None, group: str | None
) -> None:
    query = Query(expression, sort, group)

    written = read(unparse(query))

    assert written == query
    assert written.notices == ()
