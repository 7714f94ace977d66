"""Mails about saved searches: what is new, once, to whoever may see it, until it is ended."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone, translation

from projects.models import Preferences, Project
from threads import alerts
from threads.models import SavedSearch, Thread
from threads.tests.factories import make_conversation, make_message, make_project
from threads.tests.saved_searches import LONG_AGO, make_saved, make_user

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _address(settings: Any) -> None:
    settings.THREADHUB_URL = "https://threads.example.org"


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


def test_it_mails_in_the_owner_s_language_and_zone() -> None:
    owner = make_user()
    Preferences.objects.create(user=owner, language="zh-hant", time_zone="Asia/Taipei")
    make_saved(owner, notify="at_once")
    make_conversation("a new refund", title="Order 17")

    alerts.tell_of_new_hits()

    (sent,) = mail.outbox
    assert "new hit" not in sent.subject
    assert translation.get_language() == "en"
