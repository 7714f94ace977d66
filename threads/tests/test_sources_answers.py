"""What is made of a server's answers: what they mean, and how much of them is believed."""

from __future__ import annotations

import gzip
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from threads.sources import (
    BadAnswer,
    Credentials,
    Gone,
    Retired,
    SourceError,
    Throttled,
    Unavailable,
    Unsupported,
    open_source,
)
from threads.tests.made_up_server import ODD_KEY, answer_with, ask
from threads.tests.openai_server import text_item


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "7"}, 1.5),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "999999999"}, 86_400.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
    ],
)
def test_it_tells_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(Throttled) as raised:
        ask(answer_with(429, {"error": {"code": "rate_limit_exceeded"}}, **headers))

    assert raised.value.retry_after_seconds == seconds
    assert not raised.value.is_permanent


def test_it_reads_a_date_to_wait_for() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)

    with pytest.raises(Throttled) as raised:
        ask(answer_with(429, retry_after=format_datetime(soon, usegmt=True)))

    assert raised.value.retry_after_seconds == pytest.approx(90, abs=10)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "insufficient_quota", "message": "x"},
        {"type": "credit_balance_exhausted"},
        {"message": "You exceeded your current quota, please check your plan."},
    ],
)
def test_it_knows_when_waiting_does_not_help(error: dict[str, str]) -> None:
    with pytest.raises(Throttled) as raised:
        ask(answer_with(429, {"error": error}, retry_after="1"))

    assert raised.value.is_permanent


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"error": {"message": "Conversation with id 'conv_1' not found."}}, Gone),
        (404, {"detail": "Conversation not found"}, Gone),
        (404, {"errors": [{"message": "No such thread conv_1"}]}, Gone),
        (410, {"error": "deleted"}, Gone),
        (404, {"error": {"message": "Invalid URL (GET /v1/x)"}}, Unsupported),
        (404, {"error": {"code": "404", "message": "Resource not found"}}, Unsupported),
        (404, {"detail": "Not Found"}, Unsupported),
        (404, {}, Unsupported),
        (404, None, Unsupported),
        (410, {"error": {"message": "The Assistants API has been retired."}}, Retired),
        (400, {"error": {"message": "This API was sunset and shut down."}}, Retired),
        (501, {"detail": "no"}, Unsupported),
        (304, None, BadAnswer),
    ],
)
def test_it_tells_a_missing_thread_from_a_missing_store(
    status: int, body: object, error: type[SourceError]
) -> None:
    with pytest.raises(error):
        ask(answer_with(status, body))


def test_it_takes_a_bare_not_found_for_the_thread_once_the_store_has_answered() -> None:
    answers = iter(
        [
            httpx2.Response(404, json={"detail": "Not Found"}),
            httpx2.Response(200, json={"id": "conv_1"}),
            httpx2.Response(404, json={"detail": "Not Found"}),
        ]
    )
    transport = httpx2.MockTransport(lambda _: next(answers))
    credentials = Credentials(ODD_KEY, "https://server.test/v1")

    with closing(open_source("conversations", credentials, transport=transport)) as source:
        with pytest.raises(Unsupported):
            source.thread("conv_1")
        source.thread("conv_1")
        with pytest.raises(Gone):
            source.thread("conv_1")


def test_it_takes_only_what_is_new_from_a_server_that_ignores_the_cursor() -> None:
    items = [text_item(f"msg_{n}", "user", "hello") for n in range(5)]
    answer = answer_with(200, {"object": "list", "data": items, "has_more": False})
    transport = httpx2.MockTransport(answer)
    credentials = Credentials(ODD_KEY, "https://server.test/v1")

    with closing(open_source("conversations", credentials, transport=transport)) as source:
        page = source.messages("conv_1", "msg_2")

    assert [message.remote_id for message in page.items] == ["msg_3", "msg_4"]


def test_it_ends_where_pages_go_round_in_a_circle() -> None:
    items = [text_item(f"msg_{n}", "user", "hello") for n in range(4)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        page = items[2:] if request.url.params.get("after") == "msg_1" else items[:2]
        return httpx2.Response(200, json={"data": page, "has_more": True})

    credentials = Credentials(ODD_KEY, "https://server.test/v1")
    transport = httpx2.MockTransport(answer)

    with closing(open_source("conversations", credentials, transport=transport)) as source:
        second = source.messages("conv_1", source.messages("conv_1").next)
        with pytest.raises(BadAnswer, match="no end"):
            source.messages("conv_1", second.next)


def test_it_knows_that_openai_switched_the_assistants_api_off() -> None:
    answer = answer_with(404, {"error": {"message": "No thread found with id 'conv_1'."}})

    with pytest.raises(Retired, match="archive keeps"):
        ask(answer, store="assistants", url="https://eu.api.openai.com/v1")
    with pytest.raises(Gone):
        ask(answer, store="assistants", url="https://mine.openai.azure.com/openai/v1")


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (httpx2.ReadTimeout("x"), Unavailable, "in time"),
        (httpx2.ConnectTimeout("x"), Unavailable, "cannot be reached"),
        (httpx2.ConnectError("x"), Unavailable, "cannot be reached"),
        (httpx2.RemoteProtocolError("x"), Unavailable, "broke off"),
        (OSError("disk"), Unavailable, "broke off"),
    ],
)
def test_it_says_why_there_was_no_answer(
    raised: Exception, error: type[SourceError], words: str
) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise raised

    with pytest.raises(error, match=words) as told:
        ask(fail)

    assert told.value.__cause__ is None
    assert told.value.__context__ is None


def test_it_reads_no_more_of_an_answer_than_it_can_hold() -> None:
    bomb = gzip.compress(b" " * (80 * 2**20))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    with pytest.raises(BadAnswer, match="64 MiB"):
        ask(lambda _: httpx2.Response(200, content=bomb, headers=headers))


def test_it_reads_packed_answers_and_says_when_they_are_broken() -> None:
    packed = gzip.compress(b'{"id": "conv_1"}')
    headers = {"Content-Encoding": "gzip"}

    ask(lambda _: httpx2.Response(200, content=packed, headers=headers))
    with pytest.raises(BadAnswer, match="compression"):
        ask(
            lambda _: httpx2.Response(200, stream=httpx2.ByteStream(b"not packed"), headers=headers)
        )


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"id": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": "x"} trailing',
        b'{"id": "x",}',
        b'{"id": "x"',
        b'{"id" "x"}',
        b"{",
        b"{}",
        b"null",
        b"<html>",
        b"\xff\xfe",
        b'{"id": 5, "n": ' + b"9" * 5_000 + b"}",
    ],
)
def test_it_refuses_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        ask(lambda _: httpx2.Response(200, content=body))
