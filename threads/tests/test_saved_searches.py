"""Saved searches: kept, shared, followed as feeds and by mail, and never telling too much."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from projects.models import Preferences, Project
from threads import alerts
from threads.models import SavedSearch, Thread
from threads.tests.factories import make_conversation, make_message, make_project, make_thread

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(autouse=True)
def _address(settings: Any) -> None:
    settings.THREADHUB_URL = "https://threads.example.org"


def make_user(name: str = "olga", **fields: Any) -> User:
    return User.objects.create_user(name, email=f"{name}@example.org", **fields)


def make_saved(owner: User, query: str = "refund", **fields: Any) -> SavedSearch:
    fields.setdefault("name", "Refunds")
    if fields.get("notify", "never") != "never":
        fields.setdefault("checked_at", LONG_AGO)
    return SavedSearch.objects.create(owner=owner, query=query, **fields)


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


# Mails.


def test_it_mails_what_is_new_once() -> None:
    make_conversation("an old refund")
    saved = make_saved(make_user(), notify="at_once", checked_message=alerts.newest_message())
    thread = make_conversation("a new refund", "fine", title="Order 17")
    # Written long before, archived now: it is as new as the other one.
    late = make_message(thread, "a late refund", created_at=datetime(2021, 5, 1, tzinfo=UTC))

    alerts.tell_of_new_hits()

    (sent,) = mail.outbox
    assert sent.to == ["olga@example.org"]
    assert sent.subject == "2 new hits: Refunds"
    assert "Order 17" in sent.body
    assert "a new refund" in sent.body
    assert "an old refund" not in sent.body
    assert f"https://threads.example.org{thread.get_absolute_url()}#m-{late.position}" in sent.body
    SavedSearch.objects.update(checked_at=LONG_AGO)
    alerts.tell_of_new_hits()
    assert len(mail.outbox) == 1
    saved.refresh_from_db()
    assert saved.checked_message == alerts.newest_message()


def test_it_mails_nothing_that_the_owner_may_not_see() -> None:
    owner = make_user()
    team = make_project("Team", visibility=Project.Visibility.MEMBERS)
    team.members.add(owner)
    make_saved(owner, notify="at_once", sharing="project", project=team)
    make_conversation("A refund", project=make_project("Hidden", visibility="private"))
    make_conversation("A refund", project=team)
    team.members.clear()

    alerts.tell_of_new_hits()

    assert mail.outbox == []


def test_it_mails_nobody_who_left_or_has_no_address() -> None:
    for name, fields in {"gone": {"is_active": False}, "mute": {}}.items():
        make_saved(make_user(name, **fields), notify="at_once")
    User.objects.filter(username="mute").update(email="")
    make_conversation("A refund")

    alerts.tell_of_new_hits()

    assert mail.outbox == []


def test_it_forgets_threads_in_the_trash_and_words_that_only_begin_so() -> None:
    make_saved(make_user(), query="refund parcel", notify="at_once")
    make_conversation("A refund for a parcel")
    Thread.objects.update(trashed_at=timezone.now())
    make_conversation("A refund")  # some of the words are enough for the page, not for a mail

    alerts.tell_of_new_hits()

    assert mail.outbox == []


def test_daily_is_once_a_day() -> None:
    now = timezone.now()
    make_saved(make_user(), notify="daily", checked_at=now - timedelta(hours=20))
    make_conversation("A refund")

    alerts.tell_of_new_hits()
    assert mail.outbox == []
    SavedSearch.objects.update(checked_at=now - timedelta(hours=24))
    alerts.tell_of_new_hits()
    assert len(mail.outbox) == 1


def test_one_that_fails_keeps_no_other_from_being_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        make_saved(make_user("a"), notify="at_once"),
        make_saved(make_user("b"), notify="at_once"),
    )
    make_conversation("A refund")
    User.objects.filter(pk=first.owner_id).update(email="broken\n@example.org")

    alerts.tell_of_new_hits()

    assert [sent.to for sent in mail.outbox] == [[second.owner.email]]
    first.refresh_from_db()
    assert first.checked_message == 0  # told again once the address is repaired


def test_who_asks_for_mails_is_told_from_then_on(client: Client) -> None:
    make_conversation("an old refund")
    client.force_login(make_user())
    client.post("/saved/", {"name": "x", "query": "refund", "notify": "at_once"})
    SavedSearch.objects.update(checked_at=LONG_AGO)

    alerts.tell_of_new_hits()

    assert mail.outbox == []


def test_the_link_in_the_mail_ends_the_mails_and_nothing_else(client: Client) -> None:
    saved = make_saved(make_user(), notify="at_once")
    make_conversation("A refund")
    alerts.tell_of_new_hits()
    link = re.search(
        r"https://threads\.example\.org(/saved/unsubscribe/\S+)", str(mail.outbox[0].body)
    )
    assert link
    assert (
        f"<https://threads.example.org{link[1]}>"
        == (mail.outbox[0].extra_headers["List-Unsubscribe"])
    )

    assert "End the mails" in client.get(link[1]).content.decode()
    saved.refresh_from_db()
    assert saved.notify == "at_once"  # a mail program that looks at links ends nothing
    assert client.post(link[1]).status_code == 200
    saved.refresh_from_db()
    assert saved.notify == "never"
    assert client.get("/saved/unsubscribe/forged/").status_code == 404


def test_a_round_costs_the_same_for_one_hit_and_for_many(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make_saved(make_user(), notify="at_once")
    project = make_project()
    make_conversation("refund", project=project)
    with django_assert_max_num_queries(25) as for_one:
        alerts.tell_of_new_hits()
    for _ in range(5):
        make_conversation("refund", project=project)
    SavedSearch.objects.update(checked_at=LONG_AGO)

    with django_assert_max_num_queries(25) as for_many:
        alerts.tell_of_new_hits()

    # Three for what is due and what is new, two to claim and note it; the rest is the search.
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


def test_it_mails_in_the_owner_s_language_and_zone() -> None:
    owner = make_user()
    Preferences.objects.create(user=owner, language="zh-hant", time_zone="Asia/Taipei")
    make_saved(owner, notify="at_once")
    make_conversation("a new refund", title="Order 17")

    alerts.tell_of_new_hits()

    (sent,) = mail.outbox
    assert "new hit" not in sent.subject
    assert translation.get_language() == "en"
