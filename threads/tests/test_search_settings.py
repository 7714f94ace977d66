"""What administrators decide about searching and refreshing holds at once, and costs no query."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from projects.models import SiteSettings
from threads import tasks
from threads.tests.factories import NOW, make_message, make_project, make_thread

pytestmark = pytest.mark.django_db


def fill(count: int) -> None:
    project = make_project()
    for number in range(count):
        moment = NOW + timedelta(minutes=number)
        thread = make_thread(project, external_id=f"n{number:03d}", created_at=moment)
        make_message(thread, "a common word", created_at=moment)


def results(client: Client, **parameters: str) -> Any:
    return client.get("/", {"q": "common", **parameters}).context["page"]


def test_it_shows_as_many_threads_as_the_settings_say(client: Client) -> None:
    fill(60)

    usual = len(results(client).results)
    SiteSettings(search_page_size=50).save()

    assert usual == 20
    assert len(results(client).results) == 50


def test_it_leaves_the_readers_own_number_alone(client: Client) -> None:
    fill(60)
    SiteSettings(search_page_size=50).save()

    assert len(results(client, per="20").results) == 20
    assert len(results(client).results) == 20  # kept in a cookie


def test_it_counts_hits_as_far_as_the_settings_say(client: Client) -> None:
    fill(25)

    exact = results(client, q="common sort:newest")
    SiteSettings(counted_hits=22).save()
    capped = results(client, q="common sort:newest")

    assert (exact.total_messages, exact.total_is_exact) == (25, True)
    assert (capped.total_messages, capped.total_is_exact) == (22, False)


def test_it_counts_hits_for_programs_alike(client: Client) -> None:
    fill(25)
    SiteSettings(counted_hits=22).save()

    answer = client.get("/api/v1/threads", {"q": "common", "sort": "newest"}).json()

    assert (answer["total_messages"], answer["total_is_exact"]) == (22, False)


@pytest.mark.parametrize("address", ["/facets/", "/api/v1/facets"])
def test_it_spreads_as_many_hits_as_the_settings_say(client: Client, address: str) -> None:
    fill(25)
    SiteSettings(facet_hits=7).save()

    answer = client.get(address, {"q": "common"})

    assert ("7" in answer.content.decode(), "25" in answer.content.decode()) == (True, False)


def test_it_suggests_nothing_when_that_is_switched_off(client: Client) -> None:
    asked = {"q": "rol"}

    on = [client.get(address, asked).json()["results"] for address in SUGGESTIONS]
    SiteSettings(suggests=False).save()
    off = [client.get(address, asked).json()["results"] for address in SUGGESTIONS]

    assert all(on)
    assert off == [[], []]


SUGGESTIONS = ("/suggestions/", "/api/v1/suggestions")


def test_it_asks_the_database_nothing_for_the_settings(client: Client) -> None:
    fill(25)
    client.force_login(User.objects.create_user("ann"))
    results(client)  # accounts' preferences and counts of the archive are kept from now on

    with CaptureQueriesContext(connection) as queries:
        results(client)

    assert not [query for query in queries if "sitesettings" in query["sql"]]


def begins_at(minutes: int) -> bool:
    with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
        return "not due" not in tasks.refresh_due_threads()


def test_it_begins_rounds_as_often_as_the_settings_say() -> None:
    SiteSettings(refresh_minutes=10).save()

    begun = [minutes for minutes in (0, 1, 9, 10, 11) if begins_at(minutes)]

    assert begun == [0, 10]


def test_it_begins_rounds_sooner_when_the_settings_change() -> None:
    SiteSettings(refresh_minutes=60).save()
    first = begins_at(0)
    SiteSettings(refresh_minutes=2).save()

    assert first
    assert begins_at(2)
