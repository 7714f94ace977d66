"""Limits hold exactly, whichever processes count, and also before a password is looked at."""

from __future__ import annotations

import multiprocessing

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.test import Client, RequestFactory

from projects.models import SiteSettings
from threadhub.lib.ratelimit import seconds_to_wait


def _ask(times: int, results: multiprocessing.Queue[int]) -> None:
    # Connections to Redis are not to be shared with the process that this one was made from.
    cache.close()
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    results.put(sum(seconds_to_wait(request, "search") is None for _ in range(times)))


@pytest.mark.processes
def test_it_lets_exactly_as_many_through_as_are_allowed() -> None:
    SiteSettings(rate_search="100/h").remember()
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_ask, args=(50, results)) for _ in range(8)]

    for process in processes:
        process.start()
    passed = sum(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()

    assert passed == 100


NOBODY = "00000000-0000-0000-0000-000000000000"
PAGES = {
    "search": ("GET", "/?q=refund"),
    "read": ("GET", "/threads/none/"),
    "suggest": ("GET", "/suggestions/?q=a"),
    "poll": ("GET", f"/fresh-searches/{NOBODY}/"),
    "export": ("GET", "/exports/new/"),
    "change": ("POST", f"/fresh-searches/{NOBODY}/cancel/"),
    "fresh_search": ("POST", "/fresh-searches/"),
    "captcha": ("POST", "/fresh-searches/"),
    "file": ("GET", "/files/none/file-1/"),
    "write": ("POST", "/api/v1/threads"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_every_limit_says_in_words_how_long_to_wait(client: Client, name: str) -> None:
    SiteSettings(**{f"rate_{name}": "1/h"}).save()
    method, path = PAGES[name]

    body = '{"project": "none", "ids": ["a"]}' if path.startswith("/api/") else ""

    statuses = [
        client.generic(method, path, body, content_type="application/json").status_code
        for _ in range(2)
    ]
    refused = client.generic(method, path, body, content_type="application/json")

    assert statuses[0] != 429
    assert statuses[1] == refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert "ry again" in refused.content.decode()


def log_in(client: Client, name: str = "ada", password: str = "wrong", **meta: str) -> int:
    form = {"username": name, "password": password}
    return client.post("/admin/login/?next=/", form, **meta).status_code  # type: ignore[arg-type]


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", password="right")


def test_an_address_waits_after_too_many_wrong_passwords(client: Client, ada: User) -> None:
    SiteSettings(rate_login="3/h").save()

    wrong = [log_in(client, f"name {number}") for number in range(3)]
    right = log_in(client, password="right")
    elsewhere = log_in(Client(), password="right", REMOTE_ADDR="192.0.2.7")

    assert wrong == [200, 200, 200]
    assert (right, elsewhere) == (429, 302)


def test_an_account_waits_wherever_the_guesses_come_from(ada: User) -> None:
    SiteSettings(rate_login_account="3/h").save()

    for number in range(3):
        log_in(Client(), "Ada " if number else "ADA", REMOTE_ADDR=f"192.0.2.{number}")

    assert log_in(Client(), password="right", REMOTE_ADDR="192.0.2.99") == 429
    assert log_in(Client(), "bob", REMOTE_ADDR="192.0.2.99") == 200


def test_right_passwords_are_not_counted(client: Client, ada: User) -> None:
    SiteSettings(rate_login="2/h", rate_login_account="2/h").save()

    assert [log_in(Client(), password="right") for _ in range(5)] == [302] * 5


def test_it_says_how_long_to_wait(client: Client, ada: User) -> None:
    SiteSettings(rate_login_account="1/h").save()
    log_in(client)

    response = client.post("/admin/login/", {"username": "ada", "password": "right"})

    assert int(response["Retry-After"]) > 0
    assert "try again" in response.content.decode()
