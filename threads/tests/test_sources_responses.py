"""Chains of responses: walked backwards, told forwards, and no further than something is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from threads.sources import (
    BadAnswer,
    Credentials,
    CursorLost,
    Denied,
    Gone,
    RemoteMessage,
    Source,
    Unsupported,
    Usage,
    open_source,
)
from threads.tests.openai_server import KEY, OpenAIServer, text_item
from threads.tests.test_sources_specification import complaints, specification

AT = 1_763_000_000


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def source(server: OpenAIServer) -> Iterator[Source]:
    with closing(open_source("responses", Credentials(KEY, server.url))) as opened:
        yield opened


def add_response(server: OpenAIServer, number: int, **more: Any) -> dict[str, Any]:
    """Add the n-th response of a chain: one question and one answer."""
    path = f"/responses/resp_{number}"
    response: dict[str, Any] = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": AT + 10.5 * number,
        "completed_at": AT + 10 * number + 5,
        "status": "completed",
        "model": "gpt-x",
        "metadata": {},
        "previous_response_id": f"resp_{number - 1}" if number else None,
        "output": [text_item(f"msg_a{number}", "assistant", f"answer {number}")],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    }
    server.objects[path] = response | more
    server.lists[f"{path}/input_items"] = [
        text_item(f"msg_q{number}", "user", f"question {number}")
    ]
    return server.objects[path]


def read(source: Source, head: str, after: str | None = None) -> list[RemoteMessage]:
    messages: list[RemoteMessage] = []
    while True:
        page = source.messages(head, after)
        messages += page.items
        if page.next is None:
            return messages
        after = page.next


def test_it_tells_a_chain_from_its_beginning(server: OpenAIServer, source: Source) -> None:
    for number in range(5):
        add_response(server, number)

    messages = read(source, "resp_4")

    said = [f"{word} {number}" for number in range(5) for word in ("question", "answer")]
    assert [message.text for message in messages] == said
    assert [message.group_id for message in messages[:3]] == ["resp_0", "resp_0", "resp_1"]
    assert [message.model for message in messages[:2]] == ["", "gpt-x"]
    assert messages[1].created_at is not None
    assert messages[1].created_at.timestamp() == AT + 5
    assert messages[1].raw == server.encode(server.objects["/responses/resp_0"]["output"][0])
    assert len(server.calls) == 10  # each response once, and what was put into it


def test_it_asks_once_about_a_chain_that_was_read(server: OpenAIServer, source: Source) -> None:
    for number in range(3):
        add_response(server, number)

    page = source.messages("resp_2", "msg_a2")

    assert (page.items, page.next) == ((), None)
    assert len(server.calls) == 1


def test_it_reads_only_what_was_added_to_a_chain(server: OpenAIServer, source: Source) -> None:
    for number in range(6):
        add_response(server, number)

    messages = read(source, "resp_5", "msg_a3")

    assert [message.text for message in messages][::2] == ["question 4", "question 5"]
    assert len(server.calls) == 5  # three back to the one that is known, two inputs


def test_it_takes_an_item_that_later_responses_repeat_only_once(
    server: OpenAIServer, source: Source
) -> None:
    for number in range(3):
        add_response(server, number)
    inputs = [server.lists[f"/responses/resp_{number}/input_items"] for number in range(3)]
    inputs[2][:0] = [*inputs[0], *server.objects["/responses/resp_0"]["output"], *inputs[1]]

    messages = read(source, "resp_2")

    assert len(messages) == 6
    assert len({message.remote_id for message in messages}) == 6


def test_it_begins_where_the_store_has_forgotten_the_rest(
    server: OpenAIServer, source: Source
) -> None:
    for number in range(2, 4):
        add_response(server, number)

    messages = read(source, "resp_3")

    assert [message.text for message in messages][::2] == ["question 2", "question 3"]
    with pytest.raises(CursorLost):
        source.messages("resp_3", "msg_a1")
    with pytest.raises(Gone):
        source.messages("resp_1")


def test_it_reads_a_response_again_that_was_being_written(
    server: OpenAIServer, source: Source
) -> None:
    add_response(server, 0)
    response = add_response(server, 1, status="in_progress", output=[])
    before = read(source, "resp_1")

    response |= {"status": "completed", "output": [text_item("msg_a1", "assistant", "answer 1")]}
    after = read(source, "resp_1", before[1].remote_id)

    assert [message.text for message in before][-1] == "question 1"
    assert [message.text for message in after] == ["question 1", "answer 1"]


def test_it_does_not_walk_in_circles(server: OpenAIServer, source: Source) -> None:
    add_response(server, 0, previous_response_id="resp_1")
    add_response(server, 1)

    with pytest.raises(BadAnswer, match="without end"):
        source.messages("resp_1")


def test_it_adds_up_the_tokens_of_a_chain(server: OpenAIServer, source: Source) -> None:
    add_response(server, 0)
    add_response(server, 1)
    add_response(server, 2, usage=None)
    read(source, "resp_2")
    server.forget_calls()

    usage = source.usage("resp_2")

    assert usage == Usage(14, 6, 20, source="response", is_exact=False)
    assert server.calls == []


def test_it_says_what_the_newest_response_says(server: OpenAIServer, source: Source) -> None:
    add_response(server, 0, safety_identifier="u-17", conversation={"id": "conv_1"})
    add_response(server, 1, status="queued", metadata={"topic": "Delivery"})

    first, second = source.thread("resp_0"), source.thread("resp_1")

    assert (first.end_user, first.upstream_state) == ("u-17", "closed")
    assert first.metadata == {"conversation_id": "conv_1"}
    assert (second.title, second.upstream_state) == ("Delivery", "active")


def test_it_checks_the_key_and_has_no_list(server: OpenAIServer, source: Source) -> None:
    source.check()
    with pytest.raises(Unsupported):
        source.threads()
    server.fail("401")
    with pytest.raises(Denied):
        source.check()


def test_it_sends_what_openai_specifies(server: OpenAIServer, source: Source) -> None:
    for number in range(3):
        add_response(server, number)

    source.check()
    source.thread("resp_2")
    read(source, "resp_2")

    spec = specification("official")
    assert [each for call in server.calls for each in complaints(call, spec)] == []
