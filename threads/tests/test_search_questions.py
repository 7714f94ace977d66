"""Questions in plain words: what is found with some of them, and by what stands beside."""

from __future__ import annotations

from datetime import UTC

import pytest
from django.db import connection

from projects.models import Project
from threads.search import find
from threads.search.query import Node, Word, parse
from threads.search.ranking import telling, with_neighbours
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
    monkeypatch.setattr("threads.search.ranking._RARE_HITS", 3)
    monkeypatch.setattr("threads.search.ranking._EVERYWHERE", 0.5)
    first, second = (Word(text) for text in ("everywhere", "somewhere"))
    thread = make_conversation(*["everywhere"] * 12)
    newest = list(thread.messages.order_by("-search_key").values_list("search_key", flat=True))

    def nth(term: Node, number: int) -> int | None:
        return newest[number] if term is first else newest[-1]

    assert telling([first, second], nth, connection) == [second]
