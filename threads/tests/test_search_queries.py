"""What each kind of query finds: one table, run against whichever database the suite is on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from projects.models import Project, Tag
from threads.models import Assistant, Message
from threads.models.thread import Store, Thread
from threads.search import find
from threads.search.query import parse
from threads.tests.factories import NOW, make_message, make_project, make_thread

pytestmark = pytest.mark.django_db
LATER = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def _archive() -> None:
    """Threads whose ids are letters, so that the table below stays readable."""
    support = make_project("Support desk", slug="support")
    sales = make_project("Sales", slug="sales")
    order_desk = Assistant.objects.create(project=support, external_id="asst_42", name="Order desk")

    a = make_thread(support, external_id="a", title="Refund for order 17", model="gpt-4o")
    a.tags.add(Tag.objects.create(name="vip"))
    make_message(a, "Where is the refund of my invoice?")
    make_message(a, "The late delivery was refunded yesterday.", role="assistant", features=4)
    make_message(
        a,
        '{"status": "lookup failed", "order": 17}',
        role="tool",
        kind="tool_output",
        name="lookup_order",
        features=8 | 32,
    )
    make_message(a, "You are a helpful desk. Never promise a chargeback.", role="system")

    b = make_thread(
        sales,
        external_id="b",
        store=Store.CONVERSATIONS,
        end_user="customer-17",
        metadata={"order": "A-17"},
        remark="Check the pricing again",
    )
    make_message(b, "Late deliveries make a chargeback likely, my e-mail bounced.", name="Ingrid")
    make_message(b, "Mail jane@example.org, see https://example.org/docs/v3.11?x=1", features=16)

    c = make_thread(support, external_id="c", title="退款申请", assistant=order_desk)
    make_message(c, "我想申请退款，请告诉我订单号。注文番号は１２３ＡＢＣです")
    make_message(c, "Ｆｕｌｌｗｉｄｔｈ and café, naïve Zoë Müller", role="assistant")

    d = make_thread(
        support, external_id="thread_abc123XYZ", upstream_state="gone", total_tokens=4_000
    )
    make_message(d, "error-401 in parseHttpResponse with err_conn_reset, foo_bar and C++ or C#")
    make_message(d, "id 3f2b8c1e-77aa-4d0e-9c1b-5a6b7c8d9e0f, path C:\\temp\\log.txt", role="user")
    make_message(d, "한국어 문장입니다", created_at=NOW + timedelta(days=20))
    d.is_held = True
    d.message_count = 60
    d.last_message_timestamp = NOW + timedelta(days=20)
    d.save()


def _found(text: str, **options: object) -> set[str]:
    query = parse(text, now=LATER, zone=UTC)
    page = find(query, within=Project.objects.all(), now=LATER, **options)  # type: ignore[arg-type]
    return {result.thread.external_id[-1] for result in page.results}


@pytest.mark.usefixtures("_archive")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Words, in one message or in one title.
        ("refund invoice", "a"),
        ("REFUNDS", "a"),
        ("refund deliveries", "a"),
        ('"late delivery"', "a"),
        ('"late deliveries"', "b"),
        ('"delivery late"', ""),
        ("refun*", "a"),
        ("charge* likely", "b"),
        ("refund OR chargeback", "ab"),
        ("late -bounced", "a"),
        ("late NOT refunded", "b"),
        ("late (refunded OR likely) -bounced", "a"),
        ("(refunded OR likely) late", "ab"),
        ("or", "d"),
        # CJK, from one character on.
        ("退", "c"),
        ("退款", "c"),
        ("申请退款", "c"),
        ("款退", ""),
        ("注文番号", "c"),
        ('"请告诉我"', "c"),
        ("한국", "d"),
        ("123abc", "c"),
        ("１２３", "c"),
        ("fullwidth", "c"),
        # Accents and case.
        ("cafe", "c"),
        ("CAFÉ", "c"),
        ("zoe muller", "c"),
        ("ZOË", "c"),
        ("naive", "c"),
        # Punctuation inside.
        ("error-401", "d"),
        ("error-40", "d"),
        ("jane@example.org", "b"),
        ("example.org", "b"),
        ("https://example.org/docs/v3.11?x=1", "b"),
        ("v3.11", "b"),
        ("3.11", "b"),
        ("3f2b8c1e-77aa-4d0e-9c1b-5a6b7c8d9e0f", "d"),
        ("3f2b8c1e", "d"),
        ("foo_bar", "d"),
        ("err_conn_reset", "d"),
        ("conn", "d"),
        ("C:\\temp", "d"),
        ("HttpResponse", "d"),
        ("response", "d"),
        ("C++", "cd"),  # a thread has the id "c"
        ("thread_abc123XYZ", "d"),
        ("thread_abc", "d"),
        # Who said it.
        ("ingrid", "b"),
        ("ingrid chargeback", "b"),
        # The last word as a beginning, when nothing else is found.
        ("parseHt", "d"),
        # Scans.
        ('text:~"bc123"', ""),
        ('text:~"HttpResp"', "d"),
        ("/err_[a-z]+_reset/", "d"),
        ("late /deliver(y|ed)/", "a"),
        ('late -text:~"bounce"', "a"),
        # Titles, remarks and ids are a message of their own.
        ("order 17 refund", "a"),
        ("in:title refund", "a"),
        ("in:title late", ""),
        ("in:remark pricing", "b"),
        ("in:message refund", "a"),
        ("in:message pricing", ""),
        ("pricing", "b"),
        ("customer-17", "b"),
        ('"order desk"', "c"),
        ("vip", "a"),
        # What is left out unless asked for.
        ("lookup failed", ""),
        ("in:tool lookup", "a"),
        ("role:tool lookup", "a"),
        ("promise", ""),
        ("role:system promise", "a"),
        # Filters, with words and alone.
        ("project:support late", "a"),
        ("project:sales late", "b"),
        ('project:"Support desk" late', "a"),
        ("project:support,sales late", "ab"),
        ("-project:support late", "b"),
        ("project:nothing late", ""),
        ("project:sup*", "acd"),
        ("tag:vip", "a"),
        ("-tag:vip late", "b"),
        ("source:conversations", "b"),
        ("source:assistants late", "a"),
        ("status:gone", "d"),
        ("status:gone error", "d"),
        ("status:active", "d" * 0),
        ("id:thread_abc", "d"),
        ("id:thread_abc error", "d"),
        ("role:assistant late", "a"),
        ("role:user late", "b"),
        ("-role:assistant late", "b"),
        ("role:assistant", "ac"),
        ("-role:user", "ac"),
        ('assistant:"order desk"', "c"),
        ("assistant:asst_4*", "c"),
        ("model:gpt-4o late", "a"),
        ("model:gpt*", "a"),
        ("tool:lookup_order", "a"),
        ("tool:lookup_order failed", "a"),
        ("user:customer-17", "b"),
        ("has:code", "a"),
        ("has:link mail", "b"),
        ("has:link,code", "ab"),
        ("-has:code late", "b"),
        ("has:tool has:error", "a"),
        ("has:remark", "b"),
        ("has:remark late", "b"),
        ("is:gone", "d"),
        ("is:held", "d"),
        ("is:public late", "ab"),
        ("messages:>50", "d"),
        ("messages:10..100 error", "d"),
        ("tokens:1000..5000", "d"),
        ("meta.order:A-17", "b"),
        ("meta.order:a-*", "b"),
        ("after:2026-03-10", "d"),
        ("after:2026-03-10 error", ""),
        ("before:2026-03-10 error", "d"),
        ("on:2026-03-01 late", "ab"),
        ("on:2026-03-02 late", ""),
        ("created:2026-03 late", "ab"),
        ("created:2025 late", ""),
        ("tag:vip OR source:conversations", "ab"),
        ("late (tag:vip OR is:gone)", "a"),
        ("late OR tag:vip", "ab"),
        ("-late project:sales", "b"),
        # Several messages of one thread.
        ("thread:{role:user refund} thread:{role:tool failed}", "a"),
        ("thread:{role:user refund} thread:{role:tool nothing}", ""),
        ("thread:{role:assistant late} invoice", "a"),
        ("thread:{late} -thread:{role:assistant}", "b"),
        ("", "abcd"),
    ],
)
def test_it_finds(text: str, expected: str) -> None:
    found = {("d" if name == "Z" else name) for name in _found(text)}

    assert "".join(sorted(found)) == expected


@pytest.mark.usefixtures("_archive")
@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest", "longest", "tokens"])
@pytest.mark.parametrize("group", ["thread", "message"])
@pytest.mark.parametrize("text", ["late", "", "role:user", "退 OR late", "project:support 17"])
def test_it_finds_the_same_in_every_order(text: str, sort: str, group: str) -> None:
    assert _found(text, sort=sort, group=group) <= _found(text)
    if group == "thread":
        assert _found(text, sort=sort) == _found(text)


@pytest.mark.usefixtures("_archive")
def test_it_offers_messages_with_some_of_the_words() -> None:
    query = parse("invoice chargeback xyzzy", now=LATER, zone=UTC)

    page = find(query, within=Project.objects.all(), now=LATER)

    assert page.ranking == "any_word"
    assert {result.thread.external_id for result in page.results} == {"a", "b"}


@pytest.mark.usefixtures("_archive")
def test_it_brings_what_stands_beside_the_words() -> None:
    query = parse("Where is the refund?", now=LATER, zone=UTC)

    page = find(query, within=Project.objects.all(), match="any", group="message", now=LATER)

    assert [hit.position for result in page.results for hit in result.hits][:2] == [1, 2]


@pytest.mark.usefixtures("_archive")
def test_it_leaves_out_the_trash() -> None:
    Thread.objects.filter(external_id="a").update(trashed_at=NOW)

    assert _found("late") == {"b"}
    assert "a" not in _found("")
    assert _found("role:assistant") == {"c"}
    assert _found("in:title refund") == set()
    assert _found("thread:{role:user refund}") == set()


@pytest.mark.usefixtures("_archive")
@pytest.mark.parametrize(
    "text",
    ['"', "'", "((((", "a AND OR", "NEAR(a b)", "body:late", "{aside}:late", "late*", "^late",
     "late NOT", "😀", "\x00late", "'; DROP TABLE x", "a:b:c", "&|!<->", "late & !x",
     "%s %d %(a)s", "-late", "-late -refund", "text:~%", "/(a+)+$/", "*", "::", "\\",
     "meta.a.b'c:1", 'meta."x%":1', "cost:>1", "is:starred", "has:bookmark late",
     "is:unread OR late"],
)  # fmt: skip
def test_no_input_is_an_error(text: str) -> None:
    for options in ({}, {"match": "any"}, {"group": "message"}, {"sort": "newest"}):
        _found(text, **options)


@pytest.mark.usefixtures("_archive")
def test_it_tells_what_it_cannot_answer() -> None:
    query = parse("is:starred late", now=LATER, zone=UTC)

    page = find(query, within=Project.objects.all(), now=LATER)

    assert [notice.code for notice in page.notices] == ["not_kept"]


def test_it_counts_hits_in_tools_apart() -> None:
    thread = make_thread()
    make_message(thread, "a timeout")
    make_message(thread, "timeout!", role="tool", kind=Message.Kind.TOOL_OUTPUT)
    make_message(thread, "a timeout?", role="system")

    page = find(parse("timeout", now=LATER, zone=UTC), within=Project.objects.all(), now=LATER)

    assert (page.total_messages, page.hidden_tool_hits) == (1, 2)
