"""What is particular to ChatKit threads, stored chat completions and agent sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from threads.sources import Capability, Credentials, RemoteMessage, Source, Usage, open_source
from threads.tests.openai_server import KEY, OpenAIServer, text_item

AT = 1_763_000_000
WHEN = datetime.fromtimestamp(AT, tz=UTC)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def opened(server: OpenAIServer, store: str) -> Source:
    return open_source(store, Credentials(KEY, server.url))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {
                "type": "chatkit.user_message",
                "content": [
                    {"type": "quoted_text", "text": "two days"},
                    {"type": "input_text", "text": "Why?"},
                ],
                "inference_options": {"model": "gpt-x"},
            },
            ("message", "user", "two days\n\nWhy?"),
        ),
        (
            {"type": "user_message", "content": [{"type": "input_text", "text": "no prefix"}]},
            ("message", "user", "no prefix"),
        ),
        (
            {
                "type": "chatkit.assistant_message",
                "content": [{"type": "output_text", "text": "Snow.", "annotations": []}],
            },
            ("message", "assistant", "Snow."),
        ),
        (
            {
                "type": "chatkit.widget",
                "widget": '{"type": "Card", "children": [{"type": "Title", "value": "Order 17"},'
                ' {"type": "Button", "label": "Track", "onClickAction": {"type": "go"}}]}',
            },
            ("event", "assistant", "Order 17\nTrack"),
        ),
        ({"type": "chatkit.widget", "widget": "no json"}, ("event", "assistant", "no json")),
        (
            {
                "type": "chatkit.client_tool_call",
                "name": "cart",
                "arguments": '{"id": 1}',
                "output": '{"ok": true}',
                "status": "completed",
            },
            ("tool_call", "tool", 'cart\n{"id": 1}\n\n{"ok": true}'),
        ),
        (
            {"type": "chatkit.task", "task_type": "thought", "heading": "Plan", "summary": None},
            ("reasoning", "assistant", "Plan"),
        ),
        (
            {"type": "chatkit.task_group", "tasks": [{"heading": "a"}, {"summary": "b"}, None]},
            ("event", "assistant", "a\n\nb"),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_it_reads_every_kind_of_chatkit_item(
    server: OpenAIServer, item: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    thread = {"id": "cthr_1", "created_at": AT, "status": {"type": "active"}}
    items = [{"id": "cthi_1", "created_at": AT, **item}]
    server.add_listed("/chatkit/threads", "items", thread, items)

    with closing(opened(server, "chatkit")) as source:
        message = source.messages("cthr_1").items[0]

    assert (message.kind, message.role, message.text) == expected
    assert message.created_at == WHEN


def test_it_keeps_the_attachments_of_chatkit_messages(server: OpenAIServer) -> None:
    attached = {"type": "image", "id": "att_1", "name": "cat.png", "mime_type": "image/png"}
    item = {
        "id": "cthi_1",
        "type": "chatkit.user_message",
        "content": [],
        "attachments": [attached],
    }
    server.add_listed("/chatkit/threads", "items", {"id": "cthr_1"}, [item])

    with closing(opened(server, "chatkit")) as source:
        part = source.messages("cthr_1").items[0].parts[0]

    assert (part.kind, part.text, part.file_id, part.mime) == (
        "image",
        "cat.png",
        "att_1",
        "image/png",
    )


def test_it_lists_chatkit_threads_of_a_user_and_tells_closed_ones(server: OpenAIServer) -> None:
    for number, status in enumerate([{"type": "active"}, {"type": "locked", "reason": "spam"}]):
        thread = {"id": f"cthr_{number}", "created_at": AT, "title": None, "status": status}
        server.add_listed("/chatkit/threads", "items", thread | {"user": "u-17"})

    with closing(opened(server, "chatkit")) as source:
        active, locked = source.threads(user="u-17").items

    assert server.calls[0].query["user"] == "u-17"
    assert server.calls[0].headers["openai-beta"] == "chatkit_beta=v1"
    assert (active.upstream_state, active.end_user, active.title) == ("active", "u-17", "")
    assert locked.upstream_state == "closed"
    assert locked.metadata == {"chatkit_type": "locked", "chatkit_reason": "spam"}


def completion(**more: Any) -> dict[str, Any]:
    reply = {"role": "assistant", "content": "Two days.", "refusal": None}
    body: dict[str, Any] = {"id": "chatcmpl_1", "created": AT, "model": "gpt-x", "metadata": {}}
    body["choices"] = [{"index": 0, "message": reply, "finish_reason": "stop"}]
    return body | more


def read_completion(
    server: OpenAIServer, item: dict[str, Any], sent: list[dict[str, Any]]
) -> list[RemoteMessage]:
    server.add_listed("/chat/completions", "messages", item, sent)
    with closing(opened(server, "completions")) as source:
        return list(source.messages("chatcmpl_1").items)


def test_it_joins_what_was_sent_with_the_reply(server: OpenAIServer) -> None:
    sent = [
        {"id": "chatcmpl_1-0", "role": "developer", "content": "Be brief."},
        {"id": "chatcmpl_1-1", "role": "user", "content": "How long?"},
    ]

    messages = read_completion(server, completion(), sent)

    assert [(message.role, message.text) for message in messages] == [
        ("developer", "Be brief."),
        ("user", "How long?"),
        ("assistant", "Two days."),
    ]
    assert [message.model for message in messages] == ["", "", "gpt-x"]
    assert messages[-1].remote_id == "chatcmpl_1:reply:0"
    assert {message.created_at for message in messages} == {WHEN}


def test_it_takes_a_reply_that_is_listed_as_well_only_once(server: OpenAIServer) -> None:
    sent = [
        {"id": "m_0", "role": "user", "content": "How long?"},
        {"id": "m_1", "role": "assistant", "content": "Two days."},
    ]

    messages = read_completion(server, completion(), sent)

    assert [message.remote_id for message in messages] == ["m_0", "m_1"]


def test_it_reads_tools_refusals_and_pieces_of_completions(server: OpenAIServer) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    picture = {"type": "image_url", "image_url": {"url": "https://a.test/cat.png"}}
    sent: list[dict[str, Any]] = [
        {"id": "m_0", "role": "user", "content": "x", "content_parts": [picture]},
        {"id": "m_1", "role": "assistant", "content": None, "tool_calls": [call]},
        {"id": "m_2", "role": "tool", "content": "rain", "tool_call_id": "call_1"},
    ]
    reply = {"role": "assistant", "content": None, "refusal": "No."}

    messages = read_completion(server, completion(choices=[{"message": reply}]), sent)

    assert [(message.kind, message.role, message.text) for message in messages] == [
        ("message", "user", ""),
        ("tool_call", "tool", 'f\n{"a": 1}'),
        ("tool_output", "tool", "rain"),
        ("message", "assistant", "No."),
    ]
    assert messages[0].parts[0].url == "https://a.test/cat.png"
    assert messages[3].parts[0].kind == "refusal"


def test_it_asks_nothing_about_a_completion_that_was_read(server: OpenAIServer) -> None:
    last = read_completion(server, completion(), [{"id": "m", "role": "user", "content": "x"}])[-1]
    server.forget_calls()

    with closing(opened(server, "completions")) as source:
        page = source.messages("chatcmpl_1", last.remote_id)

    assert (page.items, page.next) == ((), None)
    assert server.calls == []


def test_it_tells_what_a_completion_cost_and_who_asked(server: OpenAIServer) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": None}
    item = completion(usage=usage | details, metadata={"title": "Delivery", "user": "u-17"})
    server.add_listed("/chat/completions", "messages", item)

    with closing(opened(server, "completions")) as source:
        (thread,) = source.threads(user="u-17").items

    assert thread.usage == Usage(7, 0, 7, cached=4, source="completion")
    assert (thread.title, thread.end_user, thread.model) == ("Delivery", "u-17", "gpt-x")
    assert (thread.upstream_state, thread.last_active_at) == ("closed", WHEN)
    assert server.calls[0].query["metadata[user]"] == "u-17"


def add_session(server: OpenAIServer, items: list[dict[str, Any]], turns: int, **more: Any) -> None:
    session: dict[str, Any] = {"id": "sess_1", "created_at": AT, "last_active_at": AT + 99}
    server.add_listed("/agents/sessions", "items", session | more, items)
    path = "/agents/sessions/sess_1/turns"
    server.lists[path] = [
        {"id": f"turn_{n}", "created_at": AT + 10 * n, "completed_at": AT + 10 * n + 5}
        for n in range(turns)
    ]
    server.objects |= {f"{path}/{turn['id']}": turn for turn in server.lists[path]}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "function_call", "name": "f", "arguments": {"a": 1}},
            ("tool_call", "tool", 'f\n{"a": 1}'),
        ),
        (
            {"type": "command_execution", "command": "ls", "output": "a.txt", "exit_code": 0},
            ("tool_call", "tool", "ls\n\na.txt"),
        ),
        (
            {
                "type": "create_subagent_call",
                "agent_id": "agent_2",
                "content": [{"type": "output_text", "text": "Look it up."}],
            },
            ("tool_call", "tool", "Look it up."),
        ),
        (
            {"type": "agent_message", "content": [{"type": "encrypted_content", "x": "gAAA"}]},
            ("message", "assistant", ""),
        ),
        (
            {
                "type": "computer_use_approval_request",
                "request": {"type": "browser_origin_access", "origin": "https://a.test"},
            },
            ("event", "tool", "browser_origin_access\nhttps://a.test"),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_it_reads_what_only_agents_do(
    server: OpenAIServer, item: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    add_session(server, [{"id": "item_1", "turn_id": "turn_0", **item}], turns=1)

    with closing(opened(server, "agents")) as source:
        message = source.messages("sess_1").items[0]

    assert (message.kind, message.role, message.text) == expected
    assert message.group_id == "turn_0"


def test_it_takes_the_times_of_agents_items_from_their_turns(server: OpenAIServer) -> None:
    items = [
        text_item(f"msg_{n}_{role}", role, "hello", turn_id=f"turn_{n}")
        for n in range(150)
        for role in ("user", "assistant")
    ]
    add_session(server, items, turns=150)

    with closing(opened(server, "agents")) as source:
        messages: list[RemoteMessage] = []
        after: str | None = None
        while True:
            page = source.messages("sess_1", after)
            messages += page.items
            after = page.next
            if after is None:
                break
        newest = source.messages("sess_1", "msg_148_assistant").items

    assert [message.created_at.timestamp() for message in messages if message.created_at] == [
        AT + 10 * n + seconds for n in range(150) for seconds in (0, 5)
    ]
    assert server.count("/turns") == 2  # pages of the list; the newest turn is known by then
    assert newest[0].created_at == datetime.fromtimestamp(AT + 1_490, tz=UTC)


def test_it_asks_for_one_new_turn_and_does_without_where_there_is_none(
    server: OpenAIServer,
) -> None:
    items = [text_item(f"msg_{n}", "user", "hello", turn_id=f"turn_{n}") for n in range(9)]
    add_session(server, items, turns=8)

    with closing(opened(server, "agents")) as source:
        new = source.messages("sess_1", "msg_6").items

    asked = [call.path for call in server.calls[1:]]
    assert asked == [f"/agents/sessions/sess_1/turns/turn_{n}" for n in (7, 8)]
    assert new[0].created_at == datetime.fromtimestamp(AT + 70, tz=UTC)
    assert (new[1].created_at, new[1].time_source) == (None, "unknown")


def test_it_reads_what_a_session_says_about_itself(server: OpenAIServer) -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    agent = {"id": "agent_1", "name": "Helper", "model": "gpt-x"}
    add_session(server, [], turns=0, usage=usage, agent=agent, metadata={"title": "Parcel"})

    with closing(opened(server, "agents")) as source:
        (listed,) = source.threads().items
        thread, told = source.thread("sess_1"), source.usage("sess_1")

    assert listed == thread
    assert (thread.title, thread.model, thread.assistant_name) == ("Parcel", "gpt-x", "Helper")
    assert thread.last_active_at == datetime.fromtimestamp(AT + 99, tz=UTC)
    assert told == Usage(7, 3, 10, source="session", is_exact=False)
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("store", "url", "can_list"),
    [
        ("conversations", "", False),
        ("conversations", "https://mine.services.ai.azure.com/openai/v1", True),
        ("assistants", "https://us.api.openai.com/v1", False),
        ("assistants", "http://127.0.0.1:9/v1", True),
        ("chatkit", "", True),
        ("completions", "", True),
        ("responses", "", False),
        ("agents", "", True),
    ],
)
def test_it_knows_which_stores_are_worth_asking_for_a_list(
    store: str, url: str, *, can_list: bool
) -> None:
    with closing(open_source(store, Credentials(KEY, url))) as source:
        assert (Capability.LIST_THREADS in source.capabilities) is can_list
        assert source.store == store
