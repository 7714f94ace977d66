"""An account's language and time zone hold in every browser, and for mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client

from projects.models import Preferences
from threads.tests.factories import make_conversation

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
ADDRESS = "/account/preferences/"


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada")
    client.force_login(user)
    return user


def test_it_shows_pages_in_the_chosen_language_and_zone(client: Client, ada: User) -> None:
    thread = make_conversation("Hello")
    client.cookies["threadhub_timezone"] = "Europe/Berlin"

    client.post(ADDRESS, {"language": "zh-hant", "time_zone": "Asia/Taipei"})
    page = client.get(thread.get_absolute_url(), headers={"accept-language": "en"})

    assert '<html lang="zh-hant"' in page.content.decode()
    assert "2026-03-01 20:00 CST" in page.content.decode()
    assert page["Content-Language"] == "zh-hant"


def test_it_holds_in_another_browser_after_the_login(client: Client, ada: User) -> None:
    client.post(ADDRESS, {"language": "zh-hant", "time_zone": ""})
    other = Client()
    other.force_login(ada)

    assert '<html lang="zh-hant"' in other.get("/").content.decode()
    assert '<html lang="en"' in Client().get("/").content.decode()


def test_it_follows_the_switch_in_the_page(client: Client, ada: User) -> None:
    client.post(ADDRESS, {"language": "en", "time_zone": "Asia/Taipei"})

    client.post("/i18n/setlang/", {"language": "zh-hant", "next": "/"})

    kept = Preferences.of(ada)
    assert (kept.language, kept.time_zone) == ("zh-hant", "Asia/Taipei")
    assert '<html lang="zh-hant"' in client.get("/").content.decode()


def test_it_goes_back_to_what_the_browser_says(client: Client, ada: User) -> None:
    client.post(ADDRESS, {"language": "zh-hant", "time_zone": "Asia/Taipei"})
    client.post(ADDRESS, {"language": "", "time_zone": ""})

    assert '<html lang="en"' in client.get("/").content.decode()


@pytest.mark.parametrize(
    "given",
    [{"language": "tlh"}, {"time_zone": "Mars/Base"}, {"time_zone": "../../etc/passwd"}],
)
def test_it_refuses_what_is_no_choice(client: Client, ada: User, given: dict[str, str]) -> None:
    assert client.post(ADDRESS, given).status_code == 400
    assert not Preferences.objects.exists()


def test_it_costs_no_query_a_page(
    client: Client, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.post(ADDRESS, {"language": "", "time_zone": "Asia/Taipei"})

    # The session and the account: the preferences lie in the session.
    with django_assert_num_queries(2):
        client.get("/help/search/")
