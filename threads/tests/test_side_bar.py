"""The side bar of the results: lists with counts, dates, and a drawing of the months."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User

from projects.models import Tag
from threads.models import Message
from threads.tests.factories import make_conversation, make_message, make_project, make_thread

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def counted(client: Client, query: str) -> str:
    return client.get("/facets/", {"q": query}).content.decode()


def lines(page: str) -> dict[str, tuple[str, str]]:
    """Return (query it leads to, count) by label of each link that has a count."""
    found = re.findall(
        r'<a href="([^"]+)"[^>]*><span[^>]*>([^<]*)</span><span class="count">([\d,]+)<', page
    )
    return {
        html.unescape(label): (
            parse_qs(urlsplit(html.unescape(link)).query, keep_blank_values=True)["q"][0],
            count,
        )
        for link, label, count in found
    }


def test_it_keeps_the_text_as_it_was_typed(client: Client) -> None:
    make_conversation("a lamp")

    found = lines(counted(client, "a  LAMP Role:user,tool   after:2026-01-01"))

    assert found["Assistant"][0] == "a  LAMP role:user,tool,assistant after:2026-01-01"


def test_values_of_one_list_are_alternatives(client: Client) -> None:
    shop, desk = make_project("Shop"), make_project("Desk")
    make_conversation("lamp", project=shop)
    make_conversation("lamp", project=desk)

    one = lines(counted(client, "lamp project:shop"))
    both = lines(counted(client, "lamp project:shop,desk"))

    assert one["Desk"] == ("lamp project:shop,desk", "1")
    assert one["Shop"] == ("lamp", "1")
    assert both["Shop"] == ("lamp project:desk", "1")


def test_a_project_is_chosen_by_its_name_as_well(client: Client) -> None:
    make_conversation("lamp", project=make_project("The Shop"))
    make_project("Desk")

    found = lines(counted(client, 'lamp project:"the shop"'))

    assert found["The Shop"][0] == "lamp"


def test_what_has_no_hit_is_greyed_and_what_was_typed_is_offered_to_go(client: Client) -> None:
    make_conversation("lamp")

    page = counted(client, "lamp tag:nobody")

    assert lines(page)["nobody"] == ("lamp", "0")
    page = counted(client, "lamp")
    assert re.search(r'class="zero"[^>]*><span dir="auto">Tool<', page)


def test_a_search_inside_texts_shows_no_counts_rather_than_wrong_ones(client: Client) -> None:
    make_conversation("a lamp", project=make_project("Shop"))
    make_project("Desk")
    client.force_login(User.objects.create_user("olga"))

    page = client.get("/", {"q": 'text:~"lam"'}).content.decode()
    answer = counted(client, 'text:~"lam"')

    for text in (page, answer):
        assert "Searches inside texts are not counted" in text
        assert ">Shop<" in text
        assert 'class="count"' not in text
    assert "hx-get" not in page.split('class="facets"')[1]


def test_a_long_list_is_folded_but_never_what_was_chosen(client: Client) -> None:
    project = make_project()
    thread = make_conversation("lamp", project=project)
    names = [f"tag{number:02}" for number in range(12)]
    for name in names:
        thread.tags.add(Tag.objects.create(name=name))

    page = counted(client, "lamp tag:tag09")
    open_part, folded = page.split("<h3>Tag</h3>")[1].split("</section>")[0].split("<details")

    assert "tag09" in open_part
    assert "tag10" in folded
    assert "2 more" in folded


def test_a_query_for_threads_alone_says_nothing_of_their_messages(client: Client) -> None:
    make_conversation("lamp", store="import")

    found = lines(counted(client, "source:import"))

    assert found["Imported file"][1] == "1"
    assert "User" not in found


def test_it_draws_the_months_and_leads_to_each(client: Client) -> None:
    thread = make_thread()
    for month in (1, 1, 4):
        make_message(thread, "lamp", created_at=datetime(2026, month, 5, tzinfo=UTC))

    page = counted(client, "lamp after:2026-01-01")

    assert 'aria-label="3 hits from January 2026 to April 2026; most in January 2026"' in page
    assert page.count("<rect") == 2
    assert "style=" not in page
    assert lines(page)["January 2026"] == ("lamp on:2026-01", "2")


def test_it_draws_years_where_the_months_are_too_many(client: Client) -> None:
    thread = make_thread()
    for year in (2020, 2026, 2026):
        make_message(thread, "lamp", created_at=datetime(year, 3, 5, tzinfo=UTC))

    found = lines(counted(client, "lamp"))

    assert (found["2020"], found["2026"]) == (("lamp on:2020", "1"), ("lamp on:2026", "2"))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"since": "2026-01-01", "until": "2026-01-31"}, "lamp after:2026-01-01 before:2026-02-01"),
        ({"since": "2026-01-01", "until": ""}, "lamp after:2026-01-01"),
        ({"since": "never", "until": "9999-12-31"}, "lamp"),
    ],
)
def test_the_form_for_dates_becomes_a_query(
    client: Client, days: dict[str, str], expected: str
) -> None:
    make_conversation("lamp")

    response = client.get("/", {"q": "lamp on:2020"} | days)

    assert response.status_code == 302
    assert parse_qs(urlsplit(response["Location"]).query)["q"] == [expected]


def test_the_form_shows_the_days_that_hold(client: Client) -> None:
    make_conversation("lamp")

    page = client.get("/", {"q": "lamp after:2026-01-01 before:2026-02-01"}).content.decode()

    assert 'name="since" value="2026-01-01"' in page
    assert 'name="until" value="2026-01-31"' in page


def test_a_period_takes_the_place_of_other_dates(client: Client) -> None:
    make_conversation("lamp")

    page = client.get("/", {"q": "lamp on:2026-01"}).content.decode()

    assert 'href="/?q=lamp%20after%3A7d"' in page


def test_it_costs_the_same_for_many_values(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project = make_project()
    thread = make_conversation("lamp", project=project)
    with django_assert_max_num_queries(30) as for_one:
        counted(client, "lamp")
    for number in range(8):
        thread.tags.add(Tag.objects.create(name=f"tag{number}"))
        make_conversation("lamp", project=make_project(f"P{number}"), model=f"m{number}")
    make_message(thread, "lamp", role=Message.Role.SYSTEM)

    with django_assert_max_num_queries(30) as for_many:
        counted(client, "lamp")

    # One list of names and one of counts for each kind, however many values there are.
    assert len(for_one) == len(for_many)
