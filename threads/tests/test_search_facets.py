"""Facets: how what a query finds is spread, counted within what the reader may see."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, tzinfo

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from projects.models import Project, Tag
from threads.models import Assistant, Message
from threads.search.facets import Facets, facets
from threads.search.query import parse
from threads.tests.factories import make_conversation, make_message, make_project, make_thread

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def count(text: str, *, zone: tzinfo = UTC, cap: int = 100) -> Facets:
    return facets(
        parse(text, now=NOW, zone=zone),
        within=Project.objects.visible_to(AnonymousUser()),
        now=NOW,
        zone=zone,
        cap=cap,
    )


def counts(text: str, field: str) -> dict[str, int]:
    return {value.value: value.count for value in count(text).values[field]}


def test_it_counts_threads_by_what_they_are() -> None:
    shop, desk = make_project("Shop"), make_project("Desk")
    vip = Tag.objects.create(name="vip")
    clerk = Assistant.objects.create(project=shop, external_id="a1", name="Clerk")
    for number in range(2):
        thread = make_conversation("A refund", "Refund sent", project=shop, assistant=clerk)
        thread.tags.add(vip)
        if number:
            thread.remark = "Check the refund"
            thread.save()
    make_conversation("My refund", project=desk, store="import", model="gpt-4o")
    make_conversation("An invoice", project=desk)

    found = count("refund").values

    assert [(value.value, value.label, value.count) for value in found["project"]] == [
        ("shop", "Shop", 2),
        ("desk", "Desk", 1),
    ]
    assert counts("refund", "tag") == {"vip": 2}
    assert counts("refund", "source") == {"assistants": 2, "import": 1}
    assert counts("refund", "assistant") == {"Clerk": 2}
    assert counts("refund", "model") == {"gpt-4o": 1}
    assert counts("refund", "role") == {"user": 3, "assistant": 2}
    assert counts("refund", "has") == {"remark": 1}


def test_it_counts_assistants_without_a_name_by_their_id() -> None:
    shop = make_project("Shop")
    unnamed = Assistant.objects.create(project=shop, external_id="asst_7")
    make_conversation("A refund", "Refund sent", project=shop, assistant=unnamed)

    assert counts("refund", "assistant") == {"asst_7": 1}
    assert counts("refund assistant:asst_7", "project") == {"shop": 1}


def test_it_counts_what_messages_hold() -> None:
    thread = make_thread()
    make_message(thread, "A refund", features=Message.Feature.CODE | Message.Feature.LINK)
    make_message(thread, "A refund", features=Message.Feature.CODE)
    make_message(thread, "Nothing", features=Message.Feature.IMAGE)

    assert counts("refund", "has") == {"code": 1, "link": 1}


def test_it_leaves_the_querys_own_filter_aside_in_its_facet() -> None:
    shop, desk = make_project("Shop"), make_project("Desk")
    make_conversation("A refund", project=shop)
    make_conversation("A refund", project=desk, store="import")

    assert counts("refund project:shop", "project") == {"desk": 1, "shop": 1}
    assert counts("refund project:shop", "source") == {"assistants": 1}


def test_it_counts_what_each_role_and_feature_would_add() -> None:
    thread = make_thread(remark="Look")
    make_message(thread, "A refund", role="user", features=Message.Feature.CODE)
    make_message(
        thread,
        "A refund",
        role="tool",
        kind=Message.Kind.TOOL_OUTPUT,
        features=Message.Feature.TOOL,
    )
    make_conversation("Another refund")

    for text in ("role:user", "refund role:user", "refund role:tool"):
        assert counts(text, "role") == {"user": 2, "tool": 1}
    for text in ("has:code", "refund has:tool"):
        assert counts(text, "has") == {"code": 1, "tool": 1}
    assert counts("refund has:remark", "has") == {"code": 1, "remark": 1}


def test_what_was_chosen_is_counted_in_its_own_hits() -> None:
    for number in range(3):
        thread = make_thread()
        make_message(thread, "A refund", role="user", created_at=NOW.replace(hour=number))
        for minute in (1, 2):
            later = NOW.replace(hour=number, minute=minute)
            make_message(thread, "A refund", role="assistant", created_at=later)

    found = count("refund role:user", cap=4)

    assert {value.value: value.count for value in found.values["role"]}["user"] == 3
    assert found.is_capped


def test_it_counts_hits_by_month_in_the_readers_zone() -> None:
    thread = make_thread()
    make_message(thread, "A refund", created_at=datetime(2026, 1, 31, 20, 0, tzinfo=UTC))
    make_message(thread, "A refund", created_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC))

    assert count("refund").months == (("2026-01", 1), ("2026-03", 1))
    assert count("refund", zone=zoneinfo.ZoneInfo("Asia/Taipei")).months[0] == ("2026-02", 1)


def test_it_counts_threads_without_words() -> None:
    make_conversation("A refund", project=make_project("Shop"))
    make_thread(make_project("Desk"))

    assert counts("source:assistants", "project") == {"desk": 1, "shop": 1}


def test_it_finds_threads_by_their_title() -> None:
    make_thread(make_project("Shop"), title="A refund")

    assert counts("refund", "project") == {"shop": 1}


@pytest.mark.parametrize(
    "text", ["refun", "sent refun", "refund parcel", "parcel refund source:assistants"]
)
def test_it_counts_what_is_shown_where_not_all_words_are_found(text: str) -> None:
    make_conversation("The refund was sent", project=make_project("Shop"))
    make_conversation("A lamp", project=make_project("Desk"))

    assert counts(text, "project") == {"shop": 1}


def test_it_says_where_it_stopped_counting() -> None:
    project = make_project()
    for _ in range(3):
        make_conversation("A refund", project=project)

    assert not count("refund", cap=3).is_capped
    capped = count("refund", cap=2)
    assert capped.is_capped
    assert [value.count for value in capped.values["project"]] == [2]


def test_it_counts_nothing_where_texts_must_be_looked_through() -> None:
    make_conversation("A refund")

    found = count('refund text:~"fun"')

    assert found.is_capped
    assert not any(found.values.values())


@pytest.mark.parametrize("text", ["refund", "source:assistants", "project:secret", "tag:secret"])
def test_it_counts_nothing_that_the_reader_may_not_see(text: str) -> None:
    hidden = make_project("Secret", visibility=Project.Visibility.PRIVATE)
    thread = make_conversation("A refund", project=hidden, title="Refund")
    thread.tags.add(Tag.objects.create(name="secret"))

    found = count(text)

    assert found.months == ()
    assert not any(found.values.values())


def test_it_costs_the_same_for_many_threads() -> None:
    project = make_project()
    make_conversation("A refund", project=project)
    with CaptureQueriesContext(connection) as for_one:
        count("refund")
    for _ in range(5):
        make_conversation("A refund", project=project)

    with CaptureQueriesContext(connection) as for_many:
        count("refund")

    # Two for projects, two for hits (PostgreSQL opens a cursor for each), three for messages,
    # threads and tags.
    assert len(for_one) == len(for_many) <= 9


def test_it_is_answered_by_the_api(client: Client) -> None:
    make_conversation("A refund", project=make_project("Shop"))

    answer = client.get("/api/v1/facets", {"q": "refund"}).json()

    assert answer["facets"]["project"] == [{"value": "shop", "label": "Shop", "count": 1}]
    assert answer["months"] == [{"month": "2026-03", "hit_count": 1}]
    assert answer["is_capped"] is False


def test_the_api_refuses_facets_of_a_query_that_it_cannot_understand(client: Client) -> None:
    response = client.get("/api/v1/facets", {"q": "role:usr"})

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "unknown_value"
