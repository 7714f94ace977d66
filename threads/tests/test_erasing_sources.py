"""Deleting at a store: apart from reading, complete, and never believed without proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from threads.sources import (
    BadAnswer,
    Credentials,
    Denied,
    Erased,
    Eraser,
    Throttled,
    Unavailable,
    Unsupported,
    calls_for,
    open_eraser,
    open_source,
)
from threads.sources.client import Client, ErasingClient
from threads.tests.openai_server import KEY, OpenAIServer, text_item


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def eraser(server: OpenAIServer, store: str = "conversations", key: str = KEY) -> Eraser:
    return open_eraser(store, Credentials(key, base_url=server.url))


def conversation(server: OpenAIServer, count: int = 3) -> None:
    items = [text_item(f"msg_{number}", "user", "Hello") for number in range(count)]
    server.add_conversation("conv_1", items)


def test_it_deletes_a_conversation_after_its_items(server: OpenAIServer) -> None:
    conversation(server, 120)

    with closing(eraser(server)) as open_one:
        ended = open_one.erase("conv_1")

    assert ended == Erased.DELETED
    assert server.lists["/conversations/conv_1/items"] == []
    assert "/conversations/conv_1" not in server.objects
    sent = [call.method for call in server.calls]
    assert sent.count("DELETE") == 121  # 120 items, then the conversation
    assert calls_for("conversations", items=120) >= 121


@pytest.mark.parametrize(
    ("store", "path", "beta"),
    [
        ("assistants", "/threads", "assistants=v2"),
        ("chatkit", "/chatkit/threads", "chatkit_beta=v1"),
        ("completions", "/chat/completions", ""),
        ("agents", "/agents/sessions", "agents=v1"),
    ],
)
def test_it_deletes_in_every_store(server: OpenAIServer, store: str, path: str, beta: str) -> None:
    server.add_listed(path, "items", {"id": "one"})

    with closing(eraser(server, store)) as open_one:
        ended = open_one.erase("one")

    assert ended == Erased.DELETED
    assert f"{path}/one" not in server.objects
    (call,) = server.calls
    assert (call.method, call.headers.get("openai-beta", "")) == ("DELETE", beta)


def test_it_deletes_every_response_of_a_chain(server: OpenAIServer) -> None:
    for name in ("resp_1", "resp_2", "resp_3"):
        server.objects[f"/responses/{name}"] = {"id": name}

    with closing(eraser(server, "responses")) as open_one:
        ended = open_one.erase("resp_1", response_ids=["resp_1", "resp_2", "resp_3"])

    assert ended == Erased.DELETED
    assert not any("resp_" in path for path in server.objects)
    assert [call.path[-1] for call in server.calls] == ["3", "2", "1"]  # the newest first


def test_it_counts_not_found_as_gone(server: OpenAIServer) -> None:
    with closing(eraser(server)) as open_one:
        assert open_one.erase("conv_1") == Erased.WAS_GONE


def test_it_deletes_twice_without_harm(server: OpenAIServer) -> None:
    conversation(server)

    with closing(eraser(server)) as open_one:
        first, second = open_one.erase("conv_1"), open_one.erase("conv_1")

    assert (first, second) == (Erased.DELETED, Erased.WAS_GONE)


def test_it_believes_no_404_about_what_can_be_read(server: OpenAIServer) -> None:
    server.add_listed("/chatkit/threads", "items", {"id": "cthr_1"})
    server.fail("404", path="/chatkit/threads/cthr_1", times=1)

    with closing(eraser(server, "chatkit")) as open_one, pytest.raises(Unsupported, match="still"):
        open_one.erase("cthr_1")


def test_it_asks_again_where_a_404_may_mean_the_address(server: OpenAIServer) -> None:
    server.fail("html404", path="/chatkit/threads/cthr_1", times=1)

    with closing(eraser(server, "chatkit")) as open_one:
        assert open_one.erase("cthr_1") == Erased.WAS_GONE


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", Denied),
        ("403", Denied),
        ("429", Throttled),
        ("500", Unavailable),
        ("405", Unsupported),
        ("html", BadAnswer),
        ("shape", BadAnswer),
    ],
)
def test_it_fails_with_a_sentence(server: OpenAIServer, fault: str, error: type[Exception]) -> None:
    server.add_listed("/chatkit/threads", "items", {"id": "cthr_1"})
    server.fail(fault, path="/chatkit")

    with closing(eraser(server, "chatkit")) as open_one, pytest.raises(error) as raised:
        open_one.erase("cthr_1")

    assert KEY not in str(raised.value)
    assert "/chatkit/threads/cthr_1" in server.objects


def test_it_sends_nothing_but_get_from_a_source(server: OpenAIServer) -> None:
    conversation(server)
    reading = Client(Credentials(KEY, base_url=server.url), store="conversations", noun="x")

    with pytest.raises(BadAnswer, match="refuses to send DELETE"):
        reading._answer(reading._sdk.delete, "/conversations/conv_1", None, None)

    assert not hasattr(open_source("conversations", Credentials(KEY)), "erase")
    assert not hasattr(reading, "delete")
    assert ErasingClient.methods == {"GET", "DELETE"}
    assert server.calls == []


def test_it_makes_no_call_for_an_id_that_no_store_has(server: OpenAIServer) -> None:
    with closing(eraser(server, "chatkit")) as open_one:
        assert open_one.erase("a/../b") == Erased.WAS_GONE

    assert server.calls == []
