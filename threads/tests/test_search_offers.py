"""What is offered where nothing was found: better words, fewer conditions, nothing unseen."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Project, SiteSettings
from threads.search.offers import Offer, offers
from threads.search.query import parse
from threads.tests.factories import make_conversation, make_project, make_thread

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def offered(text: str, user: User | None = None) -> list[Offer]:
    return offers(
        parse(text, now=NOW, zone=UTC),
        within=Project.objects.visible_to(user or AnonymousUser()),
        now=NOW,
        zone=UTC,
    )


def queries(text: str, user: User | None = None) -> list[tuple[str, str, int]]:
    """Return what is offered, with the number of messages that it would show."""
    return [(offer.kind, offer.query, offer.page.total_messages) for offer in offered(text, user)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("refnud", "refund"),  # two letters exchanged
        ("refunnd", "refund"),  # one too many
        ("rfund", "refund"),  # one too few
        ("rexund", "refund"),  # another one
        ("Refnud", "refund"),
        ("delivary", "delivery"),  # the index has only its stem
        ("accomodattion", "accommodation"),  # two slips
        ("refnud  delivary", "refund  delivery"),
    ],
)
def test_it_offers_the_word_that_was_meant(typed: str, meant: str) -> None:
    make_conversation("A refund for the delivery of my accommodation", "refund refunded")

    assert ("spelling", meant, 1) in [(kind, text, 1) for kind, text, _ in queries(typed)]


@pytest.mark.parametrize(
    "typed", ["refunds", "refund", "xyzzy", "rfd", "退歀", "refnud*", "e-mial"]
)
def test_it_corrects_no_word_that_is_there_short_or_far_from_all(typed: str) -> None:
    make_conversation("A refund 退款 e-mail")

    assert [offer for offer in offered(typed) if offer.kind == "spelling"] == []


def test_it_corrects_no_word_of_a_title() -> None:
    make_thread(title="Refnud")
    make_conversation("A refund")

    assert queries("refnud") == []


def test_it_never_offers_a_word_that_only_others_may_read() -> None:
    hidden = make_project("Hidden", visibility=Project.Visibility.PRIVATE)
    owner = User.objects.create_user("olga")
    hidden.owners.add(owner)
    make_conversation("The merger papers", project=hidden, title="Merger")

    for text in ("mergre", "merger papres", "zebra merger", "merger after:1d", "merger project:x"):
        assert queries(text) == []
    assert queries("mergre", owner) == [("spelling", "merger", 1)]


def test_it_keeps_the_rest_of_the_query_with_the_better_word() -> None:
    make_conversation("A refund", project=make_project("Shop"))

    assert queries("refnud  Project:shop (a OR refund)")[0][:2] == (
        "spelling",
        "refund  Project:shop (a OR refund)",
    )


def test_a_better_word_is_offered_although_another_one_is_nowhere() -> None:
    make_conversation("A refund")

    assert queries("refnud zebra") == [("spelling", "refund zebra", 1)]
    assert queries("refnud zebra project:nowhere") == []


def test_it_leaves_out_the_rarest_word() -> None:
    make_conversation("A refund")
    make_conversation("A refund for a lamp")

    assert queries("refund zebra") == [("word", "refund", 2)]
    assert queries('refund "green zebra" lamp') == [("word", "refund lamp", 1)]


def test_it_offers_other_times_and_other_projects() -> None:
    make_conversation("A refund", project=make_project("Shop"))
    make_project("Desk")

    assert queries("refund after:1d") == [("dates", "refund", 1)]
    assert queries("refund project:desk") == [("project", "refund", 1)]
    assert queries("refund project:desk after:1d") == []  # neither alone is enough


def test_it_offers_nothing_where_texts_must_be_looked_through() -> None:
    make_conversation("A refund")

    assert queries('refnud text:~"x"') == []


@pytest.mark.parametrize(
    "text",
    [
        "refnud",  # spelling: messages and a title
        "refnud zebra",  # spelling: what has some of the words
        "refund zebra",  # without the rarest word
        "refund zebra sort:newest",
        "refund zebra sort:longest",
        "refund zebra group:message",
        "parcel after:2030-01-01",  # a title, and no message
        "refund after:2030-01-01",
        "refund project:desk sort:oldest",
        "model:gpt-5 project:desk",  # threads, and no word to look for
        "what is a refund for? project:desk",
    ],
)
@pytest.mark.parametrize("is_counted_whole", [True, False])
def test_it_says_what_the_page_that_opens_says(
    client: Client, text: str, is_counted_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where hits are not counted to their end."""
    shop = make_project("Shop")
    make_project("Desk")
    for number in range(25):
        words = ["A refund", "No refund"][: number % 3]
        make_conversation("Hello", *words, project=shop, title=f"Refund {number}", model="gpt-5")
    make_conversation("What is a refund for", project=shop, title="Parcel")
    if not is_counted_whole:
        SiteSettings(counted_hits=10).save()
        for cap in ("RANK_ALL", "RANK_NEWEST", "RANK_ASKED", "LISTED_CAP", "DEEPEST"):
            monkeypatch.setattr(f"threads.search.orders.{cap}", 10)

    asked = client.get("/", {"q": text})
    told = offers_on(asked)

    assert told
    for query, total in told.items():
        assert heading_of(client.get("/", {"q": query})) == total


def offers_on(response: Any) -> dict[str, str]:
    """Return what is said of each offered query, by the query."""
    page = html.unescape(response.content.decode())
    found = re.findall(
        r'<a href="/\?q=([^"]*)">[^\n]*</a>\s*<span class="quiet">(.*?)</span>', page, re.DOTALL
    )
    return {unquote(query): " ".join(total.split()) for query, total in found}


def heading_of(response: Any) -> str:
    (found,) = re.findall(r'<h1 id="found">(.*?)</h1>', response.content.decode(), re.DOTALL)
    return " ".join(found.split())


def test_it_costs_the_same_in_a_large_archive() -> None:
    project = make_project()
    make_conversation("A refund", project=project)
    with CaptureQueriesContext(connection) as for_one:
        offered("refnud zebra after:2026-01-01 project:support")
    for _ in range(5):
        make_conversation("refund refunds", "A refund of a lamp", project=project)

    with CaptureQueriesContext(connection) as for_many:
        offered("refnud zebra after:2026-01-01 project:support")

    # Per word one for whether it is there, two for the nearest; up to four for whether all the
    # words are somewhere, then a search, of up to fifteen where it takes some of the words.
    assert len(for_one) == len(for_many) <= 45


def test_the_page_offers_them_where_nothing_was_found(client: Client) -> None:
    make_conversation("A refund", "A lamp")

    page = html.unescape(client.get("/", {"q": "refnud"}).content.decode())
    partly = html.unescape(client.get("/", {"q": "refund zebra"}).content.decode())
    whole = html.unescape(client.get("/", {"q": "refund"}).content.decode())

    assert re.search(r'href="/\?q=refund">Did you mean <strong>refund</strong>\?</a>', page)
    assert re.search(r'href="/\?q=refund">Without <strong>zebra</strong></a>', partly)
    assert "Without <strong>" not in whole
