"""The JSON API: what it answers, to whom, and how it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from projects.models import Project, Tag
from threads.tests.factories import make_conversation, make_project, make_thread

pytestmark = pytest.mark.django_db


def get(client: Client, path: str, *, status: int = 200, **parameters: Any) -> Any:
    response = client.get(f"/api/v1/{path}", parameters)
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/json")
    return response.json()


def error_of(client: Client, path: str, *, status: int, **parameters: Any) -> dict[str, Any]:
    (answer,) = get(client, path, status=status, **parameters).items()
    assert answer[0] == "error"
    return dict(answer[1])


def test_it_searches(client: Client) -> None:
    thread = make_conversation(
        "My <refund> please", "It is on its way", title="Order 17", project=make_project("Shop")
    )

    page = get(client, "threads", q="refund role:user")

    (result,) = page.pop("results")
    (hit,) = result.pop("hits")
    assert page.pop("took_ms") >= 0
    assert page == {
        "query": "refund role:user",
        "explanation": "Threads: “refund”, role user; best match first.",
        "notices": [],
        "total_threads": 1,
        "total_messages": 1,
        "total_is_exact": True,
        "hidden_tool_hits": 0,
        "ranking": "exact",
        "next_cursor": None,
    }
    assert result.pop("score") is not None
    assert result == {
        "id": thread.short_id,
        "external_id": thread.external_id,
        "title": "Order 17",
        "project": "shop",
        "source": "assistants",
        "created_at": "2026-03-01T12:00:00Z",
        "last_message_timestamp": None,
        "message_count": 0,
        "hit_count": 1,
        "url": f"/threads/{thread.short_id}/",
    }
    assert hit == {
        "message_id": f"msg_{thread.pk}_1",
        "position": 1,
        "role": "user",
        "kind": "message",
        "created_at": "2026-03-01T12:01:00Z",
        "snippet": "My &lt;<mark>refund</mark>&gt; please",
        "url": f"/threads/{thread.short_id}/#m-1",
    }


def test_it_searches_within_the_projects_named(client: Client) -> None:
    shop = make_conversation("A refund", project=make_project("Shop"))
    desk = make_conversation("A refund", project=make_project("Desk"))
    make_conversation("A refund", project=make_project("Lab"))

    page = get(client, "threads", q="refund", project=["shop", "desk"])

    assert {result["id"] for result in page["results"]} == {shop.short_id, desk.short_id}
    assert page["total_threads"] == 2


def test_it_pages_through_results(client: Client) -> None:
    project = make_project()
    made = {make_conversation("A refund", project=project).short_id for _ in range(5)}

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(client, "threads", q="refund", sort="newest", limit=2, cursor=cursor)
        seen += [result["id"] for result in page["results"]]
        cursor = page["next_cursor"]

    assert sorted(seen) == sorted(made)


def test_it_asks_the_database_as_often_for_many_threads_as_for_one(client: Client) -> None:
    project = make_project()
    make_conversation("A refund", project=project)
    with CaptureQueriesContext(connection) as for_one:
        get(client, "threads", q="refund")
    for _ in range(5):
        make_conversation("A refund", "Refund it is", project=project)

    with CaptureQueriesContext(connection) as for_many:
        page = get(client, "threads", q="refund")

    # The same number: nothing is asked again for each result.
    assert len(page["results"]) == 6
    assert len(for_many) == len(for_one)


def test_it_refuses_a_query_that_it_cannot_understand(client: Client) -> None:
    error = error_of(client, "threads", q="refund role:usr", status=400)

    assert error == {
        "code": "unknown_value",
        "message": "role: cannot be “usr”. Did you mean “user”?",
        "field": "q",
        "position": 12,
        "length": 3,
        "suggestion": "user",
    }


def test_it_tells_of_slips_beside_the_results(client: Client) -> None:
    page = get(client, "threads", q='"late delivery')

    assert [(notice["code"], notice["position"]) for notice in page["notices"]] == [
        ("unclosed_quote", 0)
    ]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"sort": "cheapest"}, "sort"),
        ({"group": "day"}, "group"),
        ({"match": "none"}, "match"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "???"}, "cursor"),
    ],
)
def test_it_names_the_parameter_that_is_wrong(
    client: Client, parameters: dict[str, str], field: str
) -> None:
    error = error_of(client, "threads", q="refund", status=400, **parameters)

    assert error["field"] == field


def test_it_says_the_same_of_projects_unseen_and_unknown(client: Client) -> None:
    make_project("Shop")
    make_project("Secret", visibility=Project.Visibility.PRIVATE)

    unseen = error_of(client, "threads", project="secret", status=404)
    unknown = error_of(client, "threads", project="shops", status=404)

    assert unseen["code"] == unknown["code"] == "unknown_project"
    assert "suggestion" not in unseen
    assert unknown["suggestion"] == "shop"


def test_it_describes_a_thread(client: Client) -> None:
    thread = make_thread(
        make_project("Shop"), title="Order 17", metadata={"order": "17"}, total_tokens=12
    )
    thread.tags.add(Tag.objects.create(name="vip"))

    detail = get(client, f"threads/{thread.short_id}")

    assert detail["id"] == thread.short_id
    assert detail["tags"] == ["vip"]
    assert detail["metadata"] == {"order": "17"}
    assert detail["tokens"] == {"input": None, "output": None, "total": 12, "estimated": None}
    assert detail["messages_url"] == f"/api/v1/threads/{thread.short_id}/messages"


@pytest.mark.parametrize("suffix", ["", "/messages"])
def test_it_redirects_from_the_stores_id(client: Client, suffix: str) -> None:
    thread = make_thread(external_id="thread_abc")

    response = client.get(f"/api/v1/threads/thread_abc{suffix}", {"limit": "2"})

    assert response.status_code == 302
    assert response["Location"] == f"/api/v1/threads/{thread.short_id}{suffix}?limit=2"


@pytest.mark.parametrize("suffix", ["", "/messages"])
@pytest.mark.parametrize("by", ["short_id", "external_id"])
def test_it_hides_what_the_reader_may_not_see(client: Client, by: str, suffix: str) -> None:
    hidden = make_project(visibility=Project.Visibility.PRIVATE)
    thread = make_conversation("A refund", project=hidden)
    owner = User.objects.create_user("olga")
    hidden.owners.add(owner)
    path = f"threads/{getattr(thread, by)}{suffix}"

    assert error_of(client, path, status=404)["code"] == "not_found"
    assert get(client, "threads", q="refund")["total_threads"] == 0
    client.force_login(owner)
    assert client.get(f"/api/v1/{path}", follow=True).status_code == 200
    assert get(client, "threads", q="refund")["total_threads"] == 1


def test_it_pages_through_messages(client: Client) -> None:
    thread = make_conversation("One", "Two", "Three", "Four", "Five")

    texts: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(client, f"threads/{thread.short_id}/messages", limit=2, cursor=cursor)
        texts.append([message["text"] for message in page["results"]])
        cursor = page["next_cursor"]

    assert texts == [["One", "Two"], ["Three", "Four"], ["Five"]]


@pytest.mark.parametrize("cursor", ["???", "YWZ0ZXIgLTE", "YWZ0ZXIgOTk5OTk5OTk5OTk", "é"])
def test_it_refuses_a_cursor_that_is_not_its_own(client: Client, cursor: str) -> None:
    thread = make_conversation("One")

    error = error_of(client, f"threads/{thread.short_id}/messages", cursor=cursor, status=400)

    assert (error["code"], error["field"]) == ("bad_cursor", "cursor")


def test_it_lists_the_projects_that_the_reader_sees(client: Client) -> None:
    make_project("Shop")
    desk = make_project("Desk", visibility=Project.Visibility.MEMBERS)
    make_project("Lab", visibility=Project.Visibility.PRIVATE)
    member = User.objects.create_user("mina")
    desk.members.add(member)

    seen_by_visitor = get(client, "projects")["results"]
    client.force_login(member)
    seen_by_member = get(client, "projects")["results"]

    assert [project["slug"] for project in seen_by_visitor] == ["shop"]
    assert [project["slug"] for project in seen_by_member] == ["desk", "shop"]


def test_it_tells_who_asks(client: Client) -> None:
    assert get(client, "me") == {"account": None}

    client.force_login(User.objects.create_user("mina", email="mina@example.org"))

    assert get(client, "me")["account"] == {
        "username": "mina",
        "name": "",
        "email": "mina@example.org",
        "is_administrator": False,
    }


def test_it_refuses_too_many_requests(client: Client, settings: Any) -> None:
    settings.THREADHUB_RATES = settings.THREADHUB_RATES | {"read": "2/m"}
    get(client, "me")
    get(client, "me")

    response = client.get("/api/v1/me")

    assert response.status_code == 429
    assert response.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(response["Retry-After"]) <= 60


def test_it_counts_requests_that_make_no_sense(client: Client, settings: Any) -> None:
    settings.THREADHUB_RATES = settings.THREADHUB_RATES | {"write": "2/m", "search": "2/m"}

    posted = [client.post("/api/v1/threads", "{", "application/json") for _ in range(3)]
    asked = [client.get("/api/v1/threads", {"limit": "many"}) for _ in range(3)]

    assert [response.status_code for response in posted] == [400, 400, 429]
    assert [response.status_code for response in asked] == [400, 400, 429]


def test_it_knows_no_other_address(client: Client) -> None:
    assert error_of(client, "thread", status=404)["code"] == "no_such_address"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("me", 405, "method_not_allowed"), ("nowhere", 404, "no_such_address")],
)
def test_it_refuses_what_cannot_be_done(path: str, status: int, code: str) -> None:
    response = Client(enforce_csrf_checks=True).post(f"/api/v1/{path}", {"name": "mina"})

    assert response.status_code == status
    assert response.json()["error"]["code"] == code


def test_it_describes_itself(client: Client) -> None:
    schema = get(client, "openapi.json")

    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) >= {
        "/api/v1/threads",
        "/api/v1/threads/{thread_id}",
        "/api/v1/threads/{thread_id}/messages",
        "/api/v1/projects",
        "/api/v1/me",
    }
    answer = schema["components"]["schemas"]["PublishedPage"]
    assert set(answer["required"]) == set(get(client, "threads", q="x"))


def test_it_shows_its_description_without_help_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs").content.decode()

    assert "/api/v1/openapi.json" in page
    assert "//" not in page.replace("http://www.w3.org", "")
