"""Pages of other origins read the API where that was allowed, with a token, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

pytestmark = pytest.mark.django_db
THEIRS = "https://app.example.org"


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.THREADHUB_CORS_ORIGINS = [THEIRS]


def ask(path: str = "/api/v1/me", *, origin: str = THEIRS, **headers: str) -> HttpResponse:
    return Client().get(path, headers={"Origin": origin} | headers)  # type: ignore[return-value]


def ask_first(origin: str = THEIRS) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return Client().options("/api/v1/fresh-searches", headers=headers)


def test_it_allows_nobody_by_default() -> None:
    answers = [ask(), ask_first()]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert answers[1].status_code == 405


@pytest.mark.usefixtures("allowed")
def test_it_lets_a_page_that_is_named_read_the_answer() -> None:
    answer = ask()

    assert answer["Access-Control-Allow-Origin"] == THEIRS
    assert "Retry-After" in answer["Access-Control-Expose-Headers"]
    assert "Origin" in answer["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.usefixtures("allowed")
def test_it_tells_browsers_beforehand_what_may_be_sent() -> None:
    answer = ask_first()

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Authorization" in answer["Access-Control-Allow-Headers"]
    assert "DELETE" in answer["Access-Control-Allow-Methods"]


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "origin", ["https://app.example.org.evil.example", "http://app.example.org", "null", "*", ""]
)
def test_it_allows_no_other_origin(origin: str) -> None:
    for answer in (ask(origin=origin), ask_first(origin)):
        assert "Access-Control-Allow-Origin" not in answer
    assert "Origin" in ask(origin=origin)["Vary"]  # or a cache would mix them up


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("path", ["/", "/api/docs", "/admin/login/"])
def test_it_opens_nothing_but_the_api(path: str) -> None:
    assert "Access-Control-Allow-Origin" not in ask(path)


@pytest.mark.usefixtures("allowed")
def test_a_refusal_can_be_read_too() -> None:
    answer = ask(Authorization="Bearer th_nothing")

    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == THEIRS
