"""Suggestions while typing: what exists, in the order it is wanted, and nothing unseen."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from projects.models import Project, Tag
from threads.models import Assistant, Message, Thread
from threads.search.suggestions import suggest
from threads.tests.factories import make_message, make_project, make_thread

pytestmark = pytest.mark.django_db


def offered(text: str, user: User | None = None) -> list[str]:
    reader = user or AnonymousUser()
    found = suggest(text, projects=Project.objects.visible_to(reader))
    return [suggestion.text for suggestion in found]


def fill(project: Project, mark: str) -> None:
    """Give `project` one of everything that is suggested, each named with `mark`."""
    assistant = Assistant.objects.create(project=project, external_id=mark, name=f"{mark} desk")
    thread = make_thread(
        project,
        assistant=assistant,
        model=f"{mark}-4o",
        end_user=f"{mark}@example.org",
        metadata={f"{mark}_order": "17"},
    )
    thread.tags.add(Tag.objects.create(name=f"{mark} tag"))
    make_message(thread, kind=Message.Kind.TOOL_CALL, name=f"{mark}_lookup")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("refund pro", ["refund project:"]),
        ("-ro", ["-role:"]),
        ("(me", ["(messages:", "(meta."]),
        ("thread:{ro", ["thread:{role:"]),
        ("thr", ["thread:{"]),
        ("refund role:u", ["refund role:user"]),
        ("role:user,to", ["role:user,tool"]),
        (
            "Role:",
            [f"Role:{role}" for role in ("user", "assistant", "tool", "system", "developer")],
        ),
        ("sort:new", ["sort:newest"]),
        ("", []),
        ("refund ", []),
        ("zzz", []),
        ('"quoted ro', []),
        ("messages:5", []),
        ("foo:bar", []),
    ],
)
def test_it_offers_filters_and_their_fixed_values(text: str, expected: list[str]) -> None:
    assert offered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("project:sh", ["project:shop"]),
        ("tag:sh", ['tag:"shop tag"']),
        ('tag:vip,"shop t', ['tag:vip,"shop tag"']),
        ("assistant:de", ['assistant:"shop desk"']),
        ("model:4o", ["model:shop-4o"]),
        ("user:sh", ["user:shop@example.org"]),
        ("tool:look", ["tool:shop_lookup"]),
        ("meta.sh", ["meta.shop_order:"]),
    ],
)
def test_it_offers_values_that_exist(text: str, expected: list[str]) -> None:
    fill(make_project("Shop"), "shop")

    assert offered(text) == expected


def test_it_offers_assistants_without_a_name_by_their_id() -> None:
    shop = make_project("Shop")
    make_thread(shop, assistant=Assistant.objects.create(project=shop, external_id="asst_7"))

    assert offered("assistant:as") == ["assistant:asst_7"]


@pytest.mark.parametrize(
    "text",
    [
        "project:",
        "tag:",
        "assistant:",
        "model:",
        "user:",
        "tool:",
        "meta.",
        "project:sec",
        "tag:sec",
    ],
)
def test_it_offers_nothing_that_the_reader_may_not_see(text: str) -> None:
    hidden = make_project("Secret", visibility=Project.Visibility.PRIVATE)
    fill(hidden, "secret")
    hidden.tags.add(Tag.objects.create(name="secret project tag"))
    owner = User.objects.create_user("olga")
    hidden.owners.add(owner)

    assert offered(text) == []
    assert offered(text, owner) != []


def test_it_forgets_what_is_in_the_trash() -> None:
    fill(make_project("Shop"), "shop")
    Thread.objects.update(trashed_at="2026-01-01T00:00Z")

    for field in ("tag", "assistant", "model", "user", "tool"):
        assert offered(f"{field}:") == []


def test_it_offers_frequent_values_first() -> None:
    project = make_project()
    for model in ("gpt-b", "gpt-a", "gpt-b", "old-gpt", "old-gpt", "old-gpt"):
        make_thread(project, model=model)

    assert offered("model:gpt") == ["model:gpt-b", "model:gpt-a", "model:old-gpt"]


@pytest.mark.parametrize("text", ["tag:a", "user:a", "meta.a", "project:a"])
def test_it_costs_one_query(text: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    fill(make_project("Shop"), "shop")

    # One: what the reader may see is part of the same query.
    with django_assert_num_queries(1):
        offered(text)


@pytest.mark.parametrize(
    ("position", "expected"), [(2, ["role: refund"]), (3, []), (99, []), (0, [])]
)
def test_it_goes_on_where_the_reader_types(position: int, expected: list[str]) -> None:
    found = suggest("ro refund", projects=Project.objects.all(), position=position)

    assert [suggestion.text for suggestion in found] == expected


def test_it_is_answered_by_the_api(client: Client) -> None:
    answer = client.get("/api/v1/suggestions", {"q": "refund role:u"}).json()

    assert answer == {"results": [{"label": "user", "description": "", "text": "refund role:user"}]}
