"""What every source promises, checked over each store against a server that speaks HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from threads.sources import (
    CursorLost,
    Denied,
    Gone,
    Source,
    SourceError,
    Unavailable,
    Unsupported,
    open_source,
)
from threads.sources.base import Credentials
from threads.tests.openai_server import KEY, OpenAIServer
from threads.tests.stores import CASES, FAULTS, Case, read


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(params=CASES, ids=lambda case: case.store)
def case(request: pytest.FixtureRequest) -> Case:
    found = request.param
    assert isinstance(found, Case)
    return found


@pytest.fixture
def paged(case: Case) -> Case:
    if not case.is_paged:
        pytest.skip("a page is a whole response")
    return case


@pytest.fixture
def source(server: OpenAIServer, case: Case) -> Iterator[Source]:
    with closing(open_source(case.store, Credentials(KEY, server.url))) as opened:
        yield opened


def test_it_reads_every_message_once_oldest_first(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, _ = case.add(server, 250)

    messages = read(source, thread_id)

    assert [message.text for message in messages] == [f"message {n}" for n in range(250)]
    assert len({message.remote_id for message in messages}) == 250
    assert server.count(case.items_path) == 3


@pytest.mark.parametrize("count", [99, 100, 101])
def test_it_neither_loses_nor_doubles_messages_at_the_edge_of_a_page(
    server: OpenAIServer, case: Case, source: Source, count: int
) -> None:
    thread_id, _ = case.add(server, count)

    messages = read(source, thread_id)

    assert [message.remote_id for message in messages] == [f"msg_{n}" for n in range(count)]


def test_it_reads_on_where_a_full_page_says_that_there_is_no_more(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, _ = case.add(server, 45)
    server.has_more = "never"

    messages = read(source, thread_id, limit=20)

    assert len(messages) == 45


def test_it_reads_on_where_nothing_is_said_about_more(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, _ = case.add(server, 45)
    server.has_more, server.largest_page = "unsaid", 20

    messages = read(source, thread_id)

    assert len(messages) == 45


def test_it_asks_once_when_nothing_is_new(
    server: OpenAIServer, paged: Case, source: Source
) -> None:
    thread_id, items = paged.add(server, 130)
    last = read(source, thread_id)[-1].remote_id
    server.forget_calls()

    page = source.messages(thread_id, last)
    items.append({**items[0], "id": "msg_new"})
    later = source.messages(thread_id, last)

    assert (page.items, page.next) == ((), None)
    assert server.calls[0].path == paged.items_path
    assert [message.remote_id for message in later.items] == ["msg_new"]
    assert server.count(paged.items_path) == 2


def test_it_counts_its_calls(server: OpenAIServer, case: Case, source: Source) -> None:
    thread_id, _ = case.add(server, 250)

    source.check()
    source.thread(thread_id)
    read(source, thread_id)

    assert source.calls == len(server.calls) >= 5


def test_it_tells_a_lost_cursor_from_a_lost_thread(
    server: OpenAIServer, paged: Case, source: Source
) -> None:
    thread_id, _ = paged.add(server, 3)

    with pytest.raises(CursorLost):
        source.messages(thread_id, "msg_deleted")
    server.remove(paged.items_path.rpartition("/")[0])
    with pytest.raises(Gone):
        source.messages(thread_id, "msg_deleted")
    with pytest.raises(Gone):
        source.thread(thread_id)


def test_it_takes_a_refused_cursor_for_a_lost_one(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, _ = case.add(server, 3)
    server.fail("400", path=case.items_path)

    with pytest.raises(CursorLost):
        source.messages(thread_id, "msg_deleted")


def test_it_keeps_the_json_of_every_item_as_received(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, items = case.add(server, 2)
    items[0]["odd"] = {"float": 1.50, "text": "z\u00fc\u0000\u200f\u5b57 \ud83d", "none": None}
    sent = server.encode(items[0])

    message = source.messages(thread_id).items[0]

    assert message.raw == sent


def test_it_keeps_items_without_id_apart_and_the_same_at_every_reading(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, items = case.add(server, 50)
    for position in (3, 4, 9, 19, 20, 49):
        items[position]["id"] = None
    items[4] = dict(items[3])

    first = [message.remote_id for message in read(source, thread_id, limit=10)]
    again = [message.remote_id for message in read(source, thread_id, limit=100)]

    assert first == again
    assert len(set(first)) == 50
    with pytest.raises(CursorLost):
        source.messages(thread_id, first[-1])


def test_it_keeps_items_of_kinds_that_nobody_knows_yet(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, items = case.add(server, 1)
    items[0] |= {"type": "hologram", "role": "critic", "content": [{"type": "smell", "x": 1}]}

    message = source.messages(thread_id).items[0]

    assert message.role == "unknown"
    assert message.raw == server.encode(items[0])
    assert message.parts[0].kind == "unknown"


STRANGE: list[Any] = [
    None,
    7,
    -1.5,
    True,
    "",
    "../\u202e",
    [],
    ["x", None],
    {},
    {"type": []},
    10**30,
]


def test_it_keeps_items_whose_values_are_of_another_kind(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, items = case.add(server, 1)
    (plain,) = items
    names = [*(plain.keys() - {"id"}), "role", "name", "turn_id", "run_id", "tool_calls", "status"]
    items.clear()
    for name in sorted(set(names)):
        items += [
            plain | {"id": f"{name}_{number}", name: value} for number, value in enumerate(STRANGE)
        ]

    messages = read(source, thread_id)

    assert [json.loads(message.raw)["id"] for message in messages] == [item["id"] for item in items]


def test_it_does_not_call_an_item_final_that_is_being_written(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    thread_id, items = case.add(server, 4)
    for item, status in zip(items, ["completed", "in_progress", "incomplete", None], strict=True):
        item["status"] = status

    messages = source.messages(thread_id).items

    assert [message.is_final for message in messages] == [True, False, True, True]


@pytest.mark.parametrize(
    ("fault", "error"),
    FAULTS,
)
def test_it_says_what_went_wrong_in_a_sentence_without_the_key(
    server: OpenAIServer, case: Case, source: Source, fault: str, error: type[SourceError]
) -> None:
    thread_id, _ = case.add(server, 250)
    server.fail(fault)

    with pytest.raises(error) as raised:
        read(source, thread_id)

    told = str(raised.value)
    assert told[-1] in ".…"
    assert len(told) < 500
    assert KEY not in told
    assert not server.count("stolen")


def test_it_reads_what_is_left_after_a_failure(
    server: OpenAIServer, paged: Case, source: Source
) -> None:
    thread_id, _ = paged.add(server, 250)
    first = source.messages(thread_id)
    server.fail("dropped", times=1)
    with pytest.raises(Unavailable):
        source.messages(thread_id, first.next)

    second = source.messages(thread_id, first.next)

    assert [message.remote_id for message in second.items] == [f"msg_{n}" for n in range(100, 200)]


@pytest.mark.parametrize("thread_id", ["", ".", "..", "a/b", "a?b", "a b", "x" * 201, "\u5b57"])
def test_it_asks_nothing_about_an_id_that_no_store_has(
    server: OpenAIServer, source: Source, thread_id: str
) -> None:
    for ask in (source.thread, source.messages):
        with pytest.raises(Gone):
            ask(thread_id)

    assert server.calls == []


def test_it_finds_that_key_and_address_work(
    server: OpenAIServer, case: Case, source: Source
) -> None:
    case.add(server, 1)

    source.check()

    assert len(server.calls) == 1


def test_it_finds_that_a_key_or_an_address_does_not_work(server: OpenAIServer, case: Case) -> None:
    case.add(server, 1)
    wrong_key = open_source(case.store, Credentials("sk-wrong-key-of-somebody", server.url))
    wrong_path = open_source(case.store, Credentials(KEY, f"{server.url}/nowhere"))

    with closing(wrong_key), pytest.raises(Denied):
        wrong_key.check()
    with closing(wrong_path), pytest.raises(Unsupported, match="base URL"):
        wrong_path.check()


def test_it_reads_many_threads_at_once(server: OpenAIServer, case: Case, source: Source) -> None:
    thread_id, items = case.add(server, 330)
    path = case.items_path.replace(thread_id, "{}")
    for number in range(12):
        owner = path.format(f"x{number}").rpartition("/")[0]
        server.objects[owner] = {"id": f"x{number}", "created": 1, "choices": []}
        server.lists[path.format(f"x{number}")] = [
            {**item, "id": f"x{number}_{item['id']}"} for item in items
        ]

    with ThreadPoolExecutor(max_workers=12) as pool:
        found = list(pool.map(lambda n: read(source, f"x{n}"), range(12)))

    assert [[message.remote_id for message in messages] for messages in found] == [
        [f"x{number}_msg_{n}" for n in range(330)] for number in range(12)
    ]
    assert source.calls == len(server.calls)


def test_it_only_ever_reads(server: OpenAIServer, case: Case, source: Source) -> None:
    thread_id, _ = case.add(server, 120)

    source.check()
    source.thread(thread_id)
    read(source, thread_id)
    source.usage(thread_id)

    assert {call.method for call in server.calls} == {"GET"}
