"""Saved searches: kept, shared, followed as feeds, and never telling too much."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction

from projects.models import Project
from threads.models import SavedSearch
from threads.tests.factories import make_conversation, make_message, make_project, make_thread
from threads.tests.saved_searches import make_saved, make_user

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(autouse=True)
def _address(settings: Any) -> None:
    settings.THREADHUB_URL = "https://threads.example.org"


# Keeping.


def test_it_is_saved_from_the_results_and_listed(client: Client) -> None:
    client.force_login(make_user())
    make_conversation("A refund")
    assert "Save this search" in client.get("/", {"q": "refund"}).content.decode()

    response = client.post("/saved/", {"name": " My\nrefunds ", "query": "refund after:7d"})

    assert response.status_code == 302
    saved = SavedSearch.objects.get()
    assert (saved.name, saved.query, saved.sharing) == ("My refunds", "refund after:7d", "nobody")
    page = client.get("/saved/").content.decode()
    assert 'href="/?q=refund%20after%3A7d"' in page


def test_visitors_are_sent_to_the_login_and_are_offered_nothing(client: Client) -> None:
    make_conversation("A refund")

    assert client.get("/saved/").status_code == 302
    assert client.post("/saved/", {"name": "x", "query": "y"}).status_code == 302
    assert not SavedSearch.objects.exists()
    assert "Save this search" not in client.get("/", {"q": "refund"}).content.decode()


def test_it_is_changed_and_deleted_by_its_owner_only(client: Client) -> None:
    saved = make_saved(make_user(), sharing="everybody")
    actions = {"": {"name": "Mine", "query": "x"}, "delete/": {}, "feed/": {}}
    client.force_login(make_user("eve", is_superuser=True))

    for path, given in actions.items():
        assert client.post(f"/saved/{saved.pk}/{path}", given).status_code == 404
    saved.refresh_from_db()
    assert (saved.name, saved.feed_token) == ("Refunds", None)

    client.force_login(saved.owner)
    client.post(f"/saved/{saved.pk}/", {"name": "New", "query": "refund", "notify": "daily"})
    saved.refresh_from_db()
    assert (saved.name, saved.notify, saved.sharing) == ("New", "daily", "nobody")
    client.post(f"/saved/{saved.pk}/delete/")
    assert not SavedSearch.objects.exists()


def test_mails_need_an_address(client: Client) -> None:
    client.force_login(User.objects.create_user("nobody"))

    response = client.post("/saved/", {"name": "x", "query": "y", "notify": "daily"})

    assert response.status_code == 400
    assert "no e-mail address" in response.content.decode()


# Sharing.


@pytest.mark.parametrize("backend", ["console", "smtp"])
def test_mails_are_offered_where_the_server_sends_them(
    client: Client, settings: Any, backend: str
) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    olga = make_user()
    make_saved(olga)
    client.force_login(olga)

    results = client.get("/", {"q": "refund"}).content.decode()
    listed = client.get("/saved/").content.decode()

    assert ('name="notify"' in results) == (backend == "smtp")
    assert ("This server sends no mail" in listed) == (backend == "console")


def test_it_is_shared_with_those_it_says_and_with_nobody_else(client: Client) -> None:
    owner, member, other = make_user("olga"), make_user("mia"), make_user("otto")
    team = make_project("Team", visibility=Project.Visibility.MEMBERS)
    team.members.add(owner, member)
    make_saved(owner, name="own")
    make_saved(owner, name="team", sharing="project", project=team)
    make_saved(owner, name="all", sharing="everybody")

    def seen(user: User | AnonymousUser) -> set[str]:
        return {saved.name for saved in SavedSearch.objects.visible_to(user)}

    assert seen(owner) == {"own", "team", "all"}
    assert seen(member) == {"team", "all"}
    assert seen(other) == {"all"}
    assert seen(AnonymousUser()) == set()
    client.force_login(other)
    page = client.get("/saved/").content.decode()
    assert ">all<" in page
    assert ">team<" not in page


def test_it_is_shared_with_a_project_that_its_owner_can_read_only(client: Client) -> None:
    secret = make_project("Secret", visibility=Project.Visibility.PRIVATE)
    client.force_login(make_user())

    given = {"name": "x", "query": "y", "sharing": "project", "project": secret.pk}

    assert client.post("/saved/", given).status_code == 400
    assert "Secret" not in client.get("/saved/").content.decode()
    assert client.post("/saved/", given | {"project": ""}).status_code == 400


def test_the_database_refuses_half_of_a_sharing() -> None:
    owner = make_user()

    for fields in ({"sharing": "project"}, {"project": make_project()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_saved(owner, **fields)


def test_they_are_suggested_to_those_who_see_them(client: Client) -> None:
    owner = make_user()
    make_saved(owner, query="refund after:7d", name="Weekly")

    def offered(text: str) -> list[str]:
        results = client.get("/suggestions/", {"q": text}).json()["results"]
        return [one["text"] for one in results if one["kind"] == "search"]

    assert offered("refu") == offered("") == []
    client.force_login(owner)
    assert offered("week") == offered("refu") == offered("") == ["refund after:7d"]
    assert offered("lamp") == []


# The feed.


def titles(client: Client, path: str) -> list[str | None]:
    response = client.get(path)
    assert response["Content-Type"] == "application/atom+xml"
    root = ElementTree.fromstring(response.content)  # noqa: S314 - we made it ourselves
    return [entry.findtext(f"{ATOM}title") for entry in root.iter(f"{ATOM}entry")]


def test_a_feed_shows_what_its_owner_may_read_now(client: Client) -> None:
    owner = make_user()
    team = make_project("Team", visibility=Project.Visibility.MEMBERS)
    team.members.add(owner)
    make_conversation("A refund", project=team, title="Inside")
    make_conversation("A refund", project=make_project("Hidden", visibility="private"), title="No")
    make_conversation("A \x0b<b>refund</b>", title="Outside & open")
    saved = make_saved(owner, feed_token=SavedSearch.new_token())

    assert sorted(titles(client, f"/feeds/{saved.feed_token}/"), key=str) == [
        "Inside",
        "Outside & open",
    ]
    team.members.clear()
    assert titles(client, f"/feeds/{saved.feed_token}/") == ["Outside & open"]
    User.objects.update(is_active=False)
    assert client.get(f"/feeds/{saved.feed_token}/").status_code == 404


def test_a_feed_is_for_its_owner_whoever_asks(client: Client) -> None:
    root = User.objects.create_superuser("root")
    make_conversation("A refund", project=make_project("Hidden", visibility="private"))
    saved = make_saved(make_user(), feed_token=SavedSearch.new_token())

    client.force_login(root)

    assert titles(client, f"/feeds/{saved.feed_token}/") == []


def test_a_feed_is_made_renewed_and_ended(client: Client) -> None:
    saved = make_saved(make_user())
    client.force_login(saved.owner)
    path = f"/saved/{saved.pk}/feed/"

    client.post(path)
    saved.refresh_from_db()
    first = saved.feed_token
    assert first
    assert len(first) >= 43
    assert f"http://testserver/feeds/{first}/" in client.get("/saved/").content.decode()
    client.post(path)
    assert client.get(f"/feeds/{first}/").status_code == 404
    client.post(path, {"off": "1"})
    saved.refresh_from_db()
    assert saved.feed_token is None
    assert client.get("/feeds/None/").status_code == 404


def test_a_feed_costs_the_same_for_one_hit_and_for_many(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    saved = make_saved(make_user(), feed_token=SavedSearch.new_token())
    project = make_project()
    make_conversation("refund", project=project)
    with django_assert_max_num_queries(20) as for_one:
        client.get(f"/feeds/{saved.feed_token}/")
    make_conversation(*["refund"] * 9, project=project)

    with django_assert_max_num_queries(20) as for_many:
        client.get(f"/feeds/{saved.feed_token}/")

    # One for the saved search with its owner; the others are the search's own.
    assert len(for_one) == len(for_many)


def test_the_console_shows_them_to_administrators_without_their_feeds(client: Client) -> None:
    saved = make_saved(make_user(), feed_token=SavedSearch.new_token())
    client.force_login(User.objects.create_superuser("root"))

    for path in ("", f"{saved.pk}/change/"):
        page = client.get(f"/admin/threads/savedsearch/{path}").content.decode()
        assert "Refunds" in page
        assert str(saved.feed_token) not in page
    client.force_login(make_user("staff", is_staff=True))
    assert client.get("/admin/threads/savedsearch/").status_code == 403


# Further hits of a thread.


def test_further_hits_are_those_that_the_result_does_not_show(client: Client) -> None:
    thread = make_thread()
    for number in range(5):
        make_message(thread, f"refund {number}", role="user")
    make_message(thread, "refund in a tool", role="tool", kind="tool_output")

    page = client.get(f"/threads/{thread.short_id}/hits/", {"q": "refund", "shown": "1-3-²"})

    found = re.findall(r"</mark> (\w+)", page.content.decode())
    assert found == ["1", "3", "4"]


def test_further_hits_are_for_those_who_may_read_the_thread(client: Client) -> None:
    thread = make_conversation("refund", project=make_project(visibility="private"))

    assert client.get(f"/threads/{thread.short_id}/hits/", {"q": "refund"}).status_code == 404
