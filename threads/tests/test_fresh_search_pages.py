"""From the results to the source and back: who may, what it costs, the question, the progress."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from projects.models import Connection, Project, SiteSettings
from threads import captcha
from threads.models import FreshSearch, Job
from threads.tests.factories import make_connection, make_conversation, make_project, make_thread

pytestmark = pytest.mark.django_db
ANSWER = "42"


@pytest.fixture(autouse=True)
def _known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every question be the same one; how questions are made is another test's business."""

    def make(mode: captcha.Mode, rng: random.Random) -> captcha.problems.Problem:
        line = "1234" if mode is captcha.Mode.SOUND else "6 × 7 = ?"
        return captcha.problems.Problem(mode, (line,), ANSWER)

    monkeypatch.setattr("threads.captcha.problems.make", make)


def make_source(name: str = "Support", *, threads: int = 3, **fields: Any) -> Project:
    fields.setdefault("allows_visitor_fresh_search", True)
    project = make_project(name, **fields)
    connection = make_connection(project)
    for _ in range(threads):
        make_thread(project, connection=connection, next_refresh_at=timezone.now())
    return project


def signed_in(client: Client, name: str = "ada", **fields: Any) -> User:
    user = User.objects.create_user(name, **fields)
    client.force_login(user)
    return user


def token_on(client: Client, address: str = "/fresh-searches/new/?q=refund") -> str:
    found = re.search(r'captcha_token" value="([^"]+)"', client.get(address).content.decode())
    assert found is not None
    return found[1]


def post(client: Client, *, answer: str = ANSWER, token: str | None = None, **form: Any) -> Any:
    form = {"q": "refund", "project": ["support"]} | form
    form |= {"captcha_token": token or token_on(client), "captcha_answer": answer}
    return client.post("/fresh-searches/", form)


def test_it_is_offered_with_the_results_where_it_is_possible(client: Client) -> None:
    make_conversation("A refund")
    without = client.get("/?q=refund").content.decode()
    make_source()
    cache.clear()  # the counts of the start page may be a minute old

    assert "fresh-searches/new" not in without
    assert "/fresh-searches/new/?q=refund" in client.get("/?q=refund").content.decode()


def test_it_tells_the_cost_of_each_project(client: Client) -> None:
    make_source(threads=3)
    make_source("Chats", threads=0)
    make_source("Shop", threads=0)
    Connection.objects.filter(project__slug="chats").update(store="chatkit")

    page = " ".join(client.get("/fresh-searches/new/?q=refund").content.decode().split())

    assert "3 threads may have changed · about 6 calls" in page
    assert "looks for new threads · about 1 call" in page
    assert "nothing can have changed" in page
    assert "This takes about 7 calls, 2 seconds." in page


def test_it_chooses_the_projects_that_the_query_names(client: Client) -> None:
    make_source()
    make_source("Shop")

    page = client.get("/fresh-searches/new/?q=refund+project:shop").content.decode()

    assert re.search(r'value="shop" checked', page)
    assert not re.search(r'value="support" checked', page)


def test_it_tells_visitors_where_they_may_not(client: Client) -> None:
    make_source(allows_visitor_fresh_search=False)

    page = client.get("/fresh-searches/new/?q=refund").content.decode()

    assert "Visitors may not ask the sources here." in page


def test_a_visitor_answers_and_waits(client: Client) -> None:
    make_source()

    response = post(client)

    search = FreshSearch.objects.get()
    assert response["Location"] == f"/fresh-searches/{search.pk}/"
    assert (search.query, search.requested_by) == ("refund", None)
    page = client.get(response["Location"]).content.decode()
    assert "Waiting" in page
    assert '<noscript><p class="tail"><a href="?follow=1">' in page
    assert '<noscript><meta http-equiv="refresh" content="3; url=?follow=1"></noscript>' in page
    assert "refund" in client.get("/fresh-searches/").content.decode()


@pytest.mark.parametrize("answer", ["41", "", "forty-two"])
def test_a_wrong_answer_starts_nothing_and_keeps_what_was_typed(
    client: Client, answer: str
) -> None:
    make_source()
    make_source("Shop")

    response = post(client, answer=answer, q="a late refund")

    page = response.content.decode()
    assert response.status_code == 400
    assert 'role="alert"' in page
    assert 'value="a late refund"' in page
    assert re.search(r'value="support" checked', page)
    assert not re.search(r'value="shop" checked', page)
    assert not FreshSearch.objects.exists()


def test_a_question_is_good_for_one_search(client: Client) -> None:
    make_source()
    token = token_on(client)

    first = post(client, token=token)
    second = post(client, token=token, q="lamp")

    assert (first.status_code, second.status_code) == (302, 400)
    assert FreshSearch.objects.count() == 1


def test_another_visitor_cannot_use_the_answer(client: Client) -> None:
    make_source()
    token = token_on(client)

    assert post(Client(), token=token).status_code == 400


def test_a_visitor_may_listen_instead(client: Client) -> None:
    make_source()
    address = "/fresh-searches/new/?q=refund&captcha=sound"

    page = client.get(address).content.decode()
    response = post(client, token=token_on(client, address))

    assert '<audio controls preload="auto" src="data:audio/wav;base64,' in page
    assert response.status_code == 302


def test_another_question_keeps_what_was_typed(client: Client) -> None:
    make_source()

    page = post(client, q="a late refund", captcha="sound").content.decode()

    assert "<audio" in page
    assert 'value="a late refund"' in page
    assert 'role="alert"' not in page
    assert not FreshSearch.objects.exists()


@pytest.mark.parametrize("mode", list(SiteSettings.CaptchaMode))
def test_the_page_does_not_hold_the_question_as_text(client: Client, mode: str) -> None:
    make_source()
    SiteSettings(captcha_mode=mode).save()

    page = client.get("/fresh-searches/new/?q=refund").content.decode()

    assert "6 × 7" not in page
    assert f">{ANSWER}<" not in page
    assert f'"{ANSWER}"' not in page


def test_members_are_asked_after_some_searches(client: Client) -> None:
    SiteSettings(free_fresh_searches=1).save()
    make_source()
    signed_in(client)

    first = client.post("/fresh-searches/", {"q": "refund", "project": "support"})
    second = client.post("/fresh-searches/", {"q": "lamp", "project": "support"})

    assert (first.status_code, second.status_code) == (302, 400)
    assert "captcha_token" in second.content.decode()


def test_nobody_asks_the_source_of_a_project_that_they_do_not_see(client: Client) -> None:
    make_source("Secret", visibility="private")
    signed_in(client)

    response = client.post("/fresh-searches/", {"q": "refund", "project": "secret"})

    assert response.status_code == 400
    assert not Job.objects.exists()


def test_the_search_of_another_member_does_not_exist(client: Client) -> None:
    make_source()
    signed_in(client)
    client.post("/fresh-searches/", {"q": "refund", "project": "support"})
    search = FreshSearch.objects.get()
    signed_in(client, "bob")

    pages = [
        client.get(f"/fresh-searches/{search.pk}/"),
        client.post(f"/fresh-searches/{search.pk}/cancel/"),
        client.post(f"/fresh-searches/{search.pk}/retry/"),
    ]

    assert [page.status_code for page in pages] == [404, 404, 404]
    assert "refund" not in client.get("/fresh-searches/").content.decode()


def test_the_results_are_of_the_projects_that_were_chosen(client: Client) -> None:
    make_source()
    make_source("Shop")
    signed_in(client)

    client.post("/fresh-searches/", {"q": "late refund", "project": "shop"})

    assert FreshSearch.objects.get().query == "late refund project:shop"


def running(client: Client, **changes: Any) -> FreshSearch:
    """Start a search and bring its job into a state."""
    make_source()
    signed_in(client)
    client.post("/fresh-searches/", {"q": "refund", "project": "support"})
    Job.objects.update(**{"state": Job.State.RUNNING} | changes)
    return FreshSearch.objects.get()


def test_it_shows_how_far_it_is(client: Client) -> None:
    ago = timezone.now() - timedelta(seconds=10)
    result = {"plan": {"1": [1]}, "calls": 21, "messages_new": 4, "began_at": ago.isoformat()}
    search = running(
        client, done_count=10, total_count=40, phase="Reading from the source", result=result
    )

    page = client.get(f"/fresh-searches/{search.pk}/").content.decode()

    assert "Reading from the source" in page
    assert "10 of 40" in page
    assert re.search(r"Calls</dt>\s*<dd>21</dd>", page)
    assert re.search(r"New messages</dt>\s*<dd>4</dd>", page)
    assert "Still takes about" in page
    assert 'value="25"' in page


def test_who_waits_is_led_to_the_results(client: Client) -> None:
    result = {"messages_new": 1, "notes": ["Shop: paused."], "message": "Read."}
    search = running(client, state=Job.State.DONE, result=result)

    fragment = client.get(f"/fresh-searches/{search.pk}/", headers={"HX-Request": "true"})
    plain = client.get(f"/fresh-searches/{search.pk}/?follow=1")
    results = client.get(plain["Location"]).content.decode()

    assert unquote(fragment["HX-Redirect"]) == plain["Location"] == "/?q=refund"
    assert "The source has been asked: 1 new message." in results
    assert "Shop: paused." in results


def test_who_comes_back_later_sees_how_it_ended(client: Client) -> None:
    search = running(client, state=Job.State.DONE, result={"message": "3 threads read."})

    page = client.get(f"/fresh-searches/{search.pk}/").content.decode()

    assert "3 threads read." in page
    assert 'href="/?q=refund"' in page


def test_it_is_stopped_and_goes_on(client: Client) -> None:
    search = running(client)

    client.post(f"/fresh-searches/{search.pk}/cancel/")
    stopped = client.get(f"/fresh-searches/{search.pk}/").content.decode()
    client.post(f"/fresh-searches/{search.pk}/retry/")

    assert "Cancelled" in stopped
    assert Job.objects.get().state == Job.State.QUEUED


def test_too_many_are_refused_in_words(client: Client) -> None:
    SiteSettings(rate_fresh_search="1/h").save()
    make_source()
    signed_in(client)

    answers = [client.post("/fresh-searches/", {"q": "a", "project": "support"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 429]
    assert int(answers[1]["Retry-After"]) > 60
    assert "try again" in answers[1].content.decode()
