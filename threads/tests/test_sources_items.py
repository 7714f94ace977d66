"""What becomes of the items and parts that stores send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from threads.sources import Credentials, RemoteMessage, Source, TellsRuns, open_source
from threads.tests.openai_server import KEY, OpenAIServer, text_item, thread_message

PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 1_000


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def opened(server: OpenAIServer, store: str = "conversations") -> Source:
    return open_source(store, Credentials(KEY, server.url))


def received(server: OpenAIServer, item: dict[str, Any]) -> RemoteMessage:
    """Return what the source makes of one conversation item."""
    server.add_conversation("conv_1", [{"id": "item_1", **item}])
    with closing(opened(server)) as source:
        return source.messages("conv_1").items[0]


# Each row: the item, then kind, role, name and text of the message.
ITEMS: list[tuple[dict[str, Any], tuple[str, str, str, str]]] = [
    (
        {"type": "message", "role": "user", "content": "plain text"},
        ("message", "user", "", "plain text"),
    ),
    (
        {"role": "assistant", "content": [{"text": "no types at all"}]},
        ("message", "assistant", "", "no types at all"),
    ),
    (
        {"type": "message", "role": "developer", "content": None},
        ("message", "developer", "", ""),
    ),
    (
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "I cannot help with that."}],
        },
        ("message", "assistant", "", "I cannot help with that."),
    ),
    (
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "first"},
                {"type": "input_text", "text": "second"},
            ],
        },
        ("message", "user", "", "first\n\nsecond"),
    ),
    (
        {"type": "function_call", "name": "weather", "arguments": '{"city": "Genève"}'},
        ("tool_call", "tool", "weather", 'weather\n{"city": "Genève"}'),
    ),
    (
        {"type": "function_call", "name": "weather", "arguments": {"city": "Genève"}},
        ("tool_call", "tool", "weather", 'weather\n{"city": "Genève"}'),
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "rain"},
        ("tool_output", "tool", "", "rain"),
    ),
    (
        {
            "type": "function_call_output",
            "output": [{"type": "input_text", "text": "rain"}, {"type": "input_text", "text": "0"}],
        },
        ("tool_output", "tool", "", "rain\n\n0"),
    ),
    (
        {"type": "custom_tool_call", "name": "sql", "input": "select 1"},
        ("tool_call", "tool", "sql", "sql\nselect 1"),
    ),
    (
        {
            "type": "mcp_call",
            "name": "find",
            "server_label": "books",
            "arguments": "{}",
            "output": "two books",
            "error": None,
        },
        ("tool_call", "tool", "find", "find\n{}\n\ntwo books"),
    ),
    (
        {"type": "mcp_call", "name": "find", "arguments": "{}", "error": {"message": "offline"}},
        ("tool_call", "tool", "find", "find\n{}\n\noffline"),
    ),
    (
        {
            "type": "mcp_list_tools",
            "server_label": "books",
            "tools": [{"name": "a"}, {"name": "b"}],
        },
        ("event", "tool", "books", "a, b"),
    ),
    (
        {"type": "mcp_approval_request", "name": "buy", "arguments": "{}", "server_label": "shop"},
        ("event", "tool", "buy", "buy\n{}"),
    ),
    (
        {"type": "mcp_approval_response", "approve": False, "reason": "too dear"},
        ("event", "tool", "", "refused: too dear"),
    ),
    (
        {
            "type": "file_search_call",
            "queries": ["delivery times"],
            "results": [{"filename": "faq.md", "file_id": "file_1", "text": "Two days."}],
        },
        ("tool_call", "tool", "", "delivery times\n\nfaq.md\nTwo days."),
    ),
    (
        {"type": "web_search_call", "action": {"type": "search", "query": "parcel strike"}},
        ("tool_call", "tool", "", "parcel strike"),
    ),
    (
        {
            "type": "code_interpreter_call",
            "code": "print(1)",
            "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": PICTURE}],
        },
        ("tool_call", "tool", "", "print(1)\n\n1"),
    ),
    (
        {"type": "image_generation_call", "result": "iVBOR" * 900, "revised_prompt": "a cat"},
        ("tool_call", "tool", "", "a cat"),
    ),
    (
        {
            "type": "shell_call_output",
            "output": [{"stdout": "done", "stderr": "", "outcome": {"type": "exit"}}],
        },
        ("tool_output", "tool", "", "done"),
    ),
    (
        {
            "type": "computer_call_output",
            "output": {"type": "computer_screenshot", "image_url": PICTURE},
        },
        ("tool_output", "tool", "", ""),
    ),
    (
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "thinking"}],
            "content": [{"type": "reasoning_text", "text": "deeply"}],
            "encrypted_content": "gAAAA",
        },
        ("reasoning", "assistant", "", "thinking\n\ndeeply"),
    ),
    (
        {"type": "compaction", "encrypted_content": "gAAAA"},
        ("compaction", "system", "", ""),
    ),
    (
        {"type": "hologram", "text": "readable", "beam": 7},
        ("unknown", "unknown", "", "readable"),
    ),
    (
        {"type": 7, "content": 7, "role": [], "name": {}, "status": 7, "summary": {"a": None}},
        ("unknown", "unknown", "", '7\n\n{"a": null}'),
    ),
]


@pytest.mark.parametrize(("item", "expected"), ITEMS, ids=lambda value: str(value)[:30])
def test_it_reads_every_kind_of_item(
    server: OpenAIServer, item: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    message = received(server, item)

    assert (message.kind, message.role, message.name, message.text) == expected
    assert json.loads(message.raw) == {"id": "item_1", **item}


def test_it_keeps_text_as_it_is(server: OpenAIServer) -> None:
    text = (
        "  \tZeile\r\n\n```py\nx = 1\n```\u200f\ue200cite\ue201 字 👩‍👩‍👧 e\u0301 " + "x" * 40_000
    )

    message = received(server, text_item("msg_1", "user", text))

    assert message.text == text
    assert message.parts == ()


def test_it_replaces_only_what_no_database_can_hold(server: OpenAIServer) -> None:
    message = received(server, text_item("msg_1", "user", "a\x00b \ud83d \U0001f600"))

    assert message.text == "a\ufffdb \ufffd \U0001f600"
    assert "\\u0000" in message.raw


def test_it_keeps_embedded_files_out_of_the_text(server: OpenAIServer) -> None:
    content = [
        {"type": "input_text", "text": f"look: {PICTURE} there"},
        {"type": "input_image", "image_url": PICTURE},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JVBE",
        },
    ]

    message = received(server, {"type": "message", "role": "user", "content": content})

    assert message.text == "look: [image/png] there\n\na.pdf"
    assert [(part.kind, part.mime, part.url) for part in message.parts[1:]] == [
        ("image", "image/png", ""),
        ("file", "application/pdf", ""),
    ]
    assert len(str(message.parts)) < 1_000
    assert message.raw.count(PICTURE) == 2


def test_it_keeps_addresses_files_and_annotations(server: OpenAIServer) -> None:
    citation = {"type": "url_citation", "url": "https://a.test", "start_index": 0, "end_index": 3}
    content = [
        {"type": "output_text", "text": "See", "annotations": [citation]},
        {"type": "input_image", "image_url": "https://a.test/cat.png", "file_id": None},
        {"type": "image_url", "image_url": {"url": "https://a.test/dog.png"}},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "file_id": "file_2", "filename": "a.txt"},
    ]

    parts = received(server, {"type": "message", "role": "user", "content": content}).parts

    assert parts[0].annotations == (citation,)
    assert [(part.kind, part.url, part.file_id) for part in parts[1:]] == [
        ("image", "https://a.test/cat.png", ""),
        ("image", "https://a.test/dog.png", ""),
        ("image", "", "file_1"),
        ("file", "", "file_2"),
    ]


def test_it_asks_for_what_items_leave_out_and_does_without_where_that_is_refused(
    server: OpenAIServer,
) -> None:
    items = [text_item(f"msg_{n}", "user", "hello") for n in range(150)]
    server.add_conversation("conv_1", items)
    server.fail("400", times=1)

    with closing(opened(server)) as source:
        page = source.messages("conv_1")
        source.messages("conv_1", page.next)

    included = ["include[]" in call.query for call in server.calls]
    assert included == [True, False, False]
    assert len(page.items) == 100


def test_it_reads_messages_of_assistants_threads(server: OpenAIServer) -> None:
    citation = {"type": "file_citation", "text": "[1]", "file_citation": {"file_id": "file_1"}}
    message = thread_message(
        "msg_1",
        "assistant",
        "",
        created_at=1_763_000_000_500,
        assistant_id="asst_1",
        run_id="run_1",
        content=[
            {"type": "text", "text": {"value": "See [1]", "annotations": [citation]}},
            {"type": "image_file", "image_file": {"file_id": "file_2", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a.test/cat.png"}},
        ],
        attachments=[{"file_id": "file_3", "tools": []}],
    )
    no_time = thread_message("msg_2", "user", "when?", created_at=None)
    server.add_thread("thread_1", [message, no_time])

    with closing(opened(server, "assistants")) as source:
        first, second = source.messages("thread_1").items

    assert (first.text, first.assistant_id, first.group_id) == ("See [1]", "asst_1", "run_1")
    assert [part.kind for part in first.parts] == ["text", "image", "image", "file"]
    assert [part.file_id for part in first.parts] == ["", "file_2", "", "file_3"]
    assert first.parts[0].annotations == (citation,)
    assert first.created_at == datetime(2025, 11, 13, 2, 13, 20, 500_000, tzinfo=UTC)
    assert first.time_source == "given"
    assert (second.created_at, second.time_source) == (None, "unknown")


def run(run_id: str, prompt: int | None, completion: int | None) -> dict[str, Any]:
    usage = None
    if prompt is not None and completion is not None:
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        usage["total_tokens"] = prompt + completion
    return {"id": run_id, "object": "thread.run", "usage": usage}


def test_it_keeps_a_message_whose_run_has_an_id_that_is_none(server: OpenAIServer) -> None:
    odd = thread_message("msg_1", "assistant", "hi", created_at=1_763_000_000, run_id="../é")
    server.add_thread("thread_1", [odd])

    with closing(opened(server, "assistants")) as source:
        assert isinstance(source, TellsRuns)
        runs = source.runs("thread_1", source.messages("thread_1").items)

    assert (len(runs.messages), runs.error) == (1, None)


def test_it_adds_up_the_runs_of_a_thread(server: OpenAIServer) -> None:
    server.add_thread("thread_1", runs=[run(f"run_{n}", 10, 3) for n in range(130)])
    server.add_thread("thread_2", runs=[run("run_1", 10, 3), run("run_2", None, None)])
    server.add_thread("thread_3", runs=[run("run_1", None, None)])

    with closing(opened(server, "assistants")) as source:
        whole = source.usage("thread_1")
        partial = source.usage("thread_2")
        unknown = source.usage("thread_3")

    assert whole is not None
    assert partial is not None
    assert (whole.input, whole.output, whole.total, whole.is_exact) == (1300, 390, 1690, True)
    assert (partial.total, partial.is_exact) == (13, False)
    assert unknown is None


def test_it_reads_what_a_conversation_says_about_itself(server: OpenAIServer) -> None:
    server.add_conversation("conv_1", metadata={"topic": "A lost parcel", "user_id": "u-17"})
    server.add_conversation("conv_2")
    server.objects["/conversations/conv_2"] |= {"metadata": None, "created_at": "yesterday"}

    with closing(opened(server)) as source:
        thread, bare = source.thread("conv_1"), source.thread("conv_2")

    assert (thread.title, thread.end_user) == ("A lost parcel", "u-17")
    assert thread.created_at == datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)
    assert thread.metadata == {"topic": "A lost parcel", "user_id": "u-17"}
    assert (bare.title, bare.metadata, bare.created_at) == ("", {}, None)


def test_it_lists_threads_where_the_server_can(server: OpenAIServer) -> None:
    server.lists["/conversations"] = [{"id": f"conv_{n}", "metadata": {}} for n in range(120)]

    with closing(opened(server)) as source:
        first = source.threads()
        second = source.threads(first.next)

    found = [thread.remote_id for thread in (*first.items, *second.items)]
    assert found == [f"conv_{n}" for n in range(120)]
    assert second.next is None
