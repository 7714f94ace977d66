"""Questions in plain words: what is found with some of them, and by what stands beside."""

from __future__ import annotations

from datetime import UTC

import pytest
from django.db import connection

from projects.models import Project
from threads.models import Message
from threads.search import find
from threads.search.prepared import prepare
from threads.search.query import Node, Phrase, Token, Word, parse
from threads.search.questions import is_question, loosened, telling
from threads.search.ranking import with_neighbours
from threads.tests.factories import NOW, make_conversation, make_project

pytestmark = pytest.mark.django_db


def test_the_answer_beside_the_words_of_a_question_is_found_with_any_of_them() -> None:
    project = make_project()
    make_conversation(
        "Which town do you live in these days?", "Lyon.", "Nice!", project=project,
        external_id="answered",
    )  # fmt: skip
    for number in range(30):
        make_conversation(
            "Nobody lives here.", "A town, a town.", project=project, external_id=f"x{number}"
        )

    page = find(
        parse("which town do you live in?", now=NOW, zone=UTC),
        within=Project.objects.all(),
        group="message",
        match="any",
        now=NOW,
    )

    assert page.ranking == "any_word"
    assert "Lyon." in [result.hits[0].snippet for result in page.results[:3]]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Which town do you live in?", True),
        ("which town do you live in", True),
        ("Anna's town, is it far?", True),
        ('who said "late delivery"', True),
        ("project:shop where is my refund", True),
        ("退款 多久 到账？", True),
        ("refund invoice?", False),  # two words
        ("the refund of an invoice", False),
        ("what OR where OR when?", False),
        ("where is -anna now?", False),
        ("what refun* is there?", False),
        ("", False),
    ],
)
def test_it_knows_a_question_when_it_sees_one(text: str, is_one: bool) -> None:
    assert is_question(parse(text, now=NOW, zone=UTC)) is is_one


def test_terms_fall_into_what_a_message_may_have_of_them() -> None:
    terms = parse('Anna\'s error-401 "late delivery" 退款多久 ok', now=NOW, zone=UTC).terms

    assert loosened(terms) == [
        Word("anna"),
        Token("error-401"), Word("error"), Word("401"),
        Phrase("late delivery"), Word("late"), Word("delivery"),
        Word("退款"), Word("款多"), Word("多久"),
        Word("ok"),
    ]  # fmt: skip


def test_a_question_is_asked_by_any_of_its_words() -> None:
    project = make_project()
    make_conversation("town live in", project=project, external_id="words")
    make_conversation(
        "Where is your town?", "I live by the sea.", project=project, external_id="answered"
    )

    page = find(
        parse("which town do you live in?", now=NOW, zone=UTC),
        within=Project.objects.all(),
        now=NOW,
    )
    words = find(parse("town live", now=NOW, zone=UTC), within=Project.objects.all(), now=NOW)

    assert page.ranking == "question"
    assert {result.thread.external_id for result in page.results} == {"words", "answered"}
    assert (page.total_threads, page.total_messages, page.total_is_exact) == (2, 3, True)
    assert [result.thread.external_id for result in words.results] == ["words"]


def test_a_question_keeps_its_order_over_the_pages() -> None:
    project = make_project()
    make_conversation("where is my refund", project=project)
    for number in range(6):
        make_conversation(f"a refund {number}", project=project)
    query = parse("where is my refund?", now=NOW, zone=UTC)
    seen = []
    cursor = None

    for _page in range(5):
        page = find(query, within=Project.objects.all(), limit=2, cursor=cursor, now=NOW)
        assert page.ranking == "question"
        seen += [result.thread.pk for result in page.results]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 7


def test_chinese_without_spaces_is_found_by_its_pairs() -> None:
    make_conversation("退款一般三天内到账。", external_id="answer")
    make_conversation("天气很好", external_id="other")

    page = find(parse("退款多久到账？", now=NOW, zone=UTC), within=Project.objects.all(), now=NOW)

    assert [result.thread.external_id for result in page.results] == ["answer"]
    assert "<mark>退款</mark>" in page.results[0].hits[0].snippet


def test_filters_hold_for_what_stands_beside_as_well() -> None:
    thread = make_conversation("which town?", "A town by the sea.", "Lyon.")

    page = find(
        parse("role:user which town is it?", now=NOW, zone=UTC),
        within=Project.objects.all(),
        group="message",
        match="any",
        now=NOW,
    )

    roles = dict(thread.messages.values_list("pk", "role"))
    assert page.results
    assert {roles[result.hits[0].pk] for result in page.results} == {"user"}


def test_a_word_is_rare_or_not_where_it_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.search.questions._RARE_HITS", 4)
    monkeypatch.setattr("threads.search.questions._ENOUGH_HITS", 2)
    elsewhere = make_project(slug="elsewhere")
    for _number in range(9):
        make_conversation("harbour", "lighthouse lighthouse", project=elsewhere)
    here = make_project(slug="here")
    make_conversation("the harbour", project=here, external_id="wanted")
    make_conversation("a lighthouse", project=here, external_id="too")

    page = find(
        parse("harbour lighthouse", now=NOW, zone=UTC),
        within=Project.objects.filter(pk=here.pk),
        match="any",
        now=NOW,
    )

    assert {result.thread.external_id for result in page.results} == {"wanted", "too"}


@pytest.mark.parametrize("cap", [12, 36])
def test_how_rare_a_frequent_word_is_may_be_told_from_its_newest_hits(
    cap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threads.search.lookup_postgres._SAMPLE", 6)
    monkeypatch.setattr("threads.search.lookup_postgres.PostgresLookup._is_frequent", lambda _: 1)
    make_conversation(*["the harbour", "a lighthouse", "a ship"] * 10)
    prepared = prepare(parse("harbour", now=NOW, zone=UTC), within=Project.objects.all(), now=NOW)
    lookup = prepared.lookup()

    (told, reached), (count, key) = lookup.about(cap - 3), lookup.newest(cap - 3)

    assert told == pytest.approx(count, abs=2)
    assert (reached is None) == (key is None)
    if reached is not None and key is not None:
        oldest, newest = _first_and_last_key()
        assert reached == pytest.approx(key, abs=(newest - oldest) / 5)


def _first_and_last_key() -> tuple[int, int]:
    keys = sorted(Message.objects.values_list("search_key", flat=True))
    return keys[0], keys[-1]


def test_any_word_mixes_in_what_stands_beside() -> None:
    thread = make_conversation("zebra", "between", "further", "away")
    keys = list(thread.messages.order_by("position").values_list("search_key", flat=True))

    mixed = with_neighbours(connection, [(keys[0], thread.pk, 8.0)])

    # The hit itself, half of it beside it, a quarter two turns on; a fifth of the thread's best.
    assert mixed == [
        (keys[0], thread.pk, 8.0 + 1.6),
        (keys[1], thread.pk, 4.0 + 1.6),
        (keys[2], thread.pk, 2.0 + 1.6),
    ]


def test_words_that_are_everywhere_do_not_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.search.questions._RARE_HITS", 3)
    monkeypatch.setattr("threads.search.questions._EVERYWHERE", 0.5)
    first, second = (Word(text) for text in ("everywhere", "somewhere"))
    thread = make_conversation(*["everywhere"] * 12)
    newest = list(thread.messages.order_by("-search_key").values_list("search_key", flat=True))

    def reach(term: Node, cap: int) -> tuple[int, int | None]:
        return (cap, newest[cap]) if term is first else (cap, newest[-1])

    assert telling([first, second], reach, connection) == [second]


def test_of_very_many_messages_with_some_of_the_words_the_newest_are_ranked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("threads.search.orders.RANK_ASKED", 3)
    made = [make_conversation("where is the harbour", external_id=f"t{n}") for n in range(5)]

    page = find(
        parse("harbour lighthouse", now=NOW, zone=UTC),
        within=Project.objects.all(),
        match="any",
        now=NOW,
    )

    newest = sorted(made, key=lambda thread: thread.messages.get().search_key)[-3:]
    assert {result.thread.pk for result in page.results} == {thread.pk for thread in newest}
    assert (page.total_messages, page.total_is_exact) == (3, False)
