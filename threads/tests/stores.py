"""The stores that sources read, each with a thread in it, and what servers do wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from threads.sources import (
    BadAnswer,
    Denied,
    RemoteMessage,
    Source,
    SourceError,
    Throttled,
    Unavailable,
    Unsupported,
)
from threads.tests.openai_server import OpenAIServer, text_item, thread_message

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """How to put a thread of n messages into the server's store; returns (id, live items)."""

    store: str
    add: Callable[[OpenAIServer, int], tuple[str, Items]]
    items_path: str
    # False: a page is a whole response, and what was read is gone on after without a call.
    # test_sources_responses.py has what that means for cursors.
    is_paged: bool = True


def _add_conversation(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [text_item(f"msg_{n}", "user", f"message {n}") for n in range(count)]
    return "conv_1", server.add_conversation("conv_1", items)


def _add_thread(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [
        thread_message(f"msg_{n}", "user", f"message {n}", created_at=1_763_000_000 + n)
        for n in range(count)
    ]
    return "thread_1", server.add_thread("thread_1", items)


def _add_chatkit_thread(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [
        {
            "id": f"msg_{n}",
            "object": "chatkit.thread_item",
            "type": "chatkit.user_message",
            "created_at": 1_763_000_000 + n,
            "content": [{"type": "input_text", "text": f"message {n}"}],
            "attachments": [],
        }
        for n in range(count)
    ]
    thread = {"id": "cthr_1", "created_at": 1_763_000_000, "status": {"type": "active"}}
    return "cthr_1", server.add_listed("/chatkit/threads", "items", thread, items)


def _add_completion(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [{"id": f"msg_{n}", "role": "user", "content": f"message {n}"} for n in range(count)]
    completion = {"id": "chatcmpl_1", "created": 1_763_000_000, "model": "gpt", "choices": []}
    return "chatcmpl_1", server.add_listed("/chat/completions", "messages", completion, items)


def _add_session(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [
        text_item(f"msg_{n}", "user", f"message {n}", turn_id=f"turn_{n % 7}") for n in range(count)
    ]
    for n in range(7):
        server.objects[f"/agents/sessions/sess_1/turns/turn_{n}"] = {"id": f"turn_{n}"}
    turns = [{"id": f"turn_{n}", "created_at": 1_763_000_000} for n in range(7)]
    server.lists["/agents/sessions/sess_1/turns"] = turns
    session = {"id": "sess_1", "created_at": 1_763_000_000, "last_active_at": 1_763_000_009}
    return "sess_1", server.add_listed("/agents/sessions", "items", session, items)


def _add_response(server: OpenAIServer, count: int) -> tuple[str, Items]:
    items = [text_item(f"msg_{n}", "user", f"message {n}") for n in range(count)]
    response = {"id": "resp_1", "status": "completed", "created_at": 1_763_000_000, "output": []}
    server.objects["/responses/resp_1"] = response
    server.lists["/responses/resp_1/input_items"] = items
    return "resp_1", items


CASES = [
    Case("conversations", _add_conversation, "/conversations/conv_1/items"),
    Case("assistants", _add_thread, "/threads/thread_1/messages"),
    Case("chatkit", _add_chatkit_thread, "/chatkit/threads/cthr_1/items"),
    Case("completions", _add_completion, "/chat/completions/chatcmpl_1/messages"),
    Case("agents", _add_session, "/agents/sessions/sess_1/items"),
    Case("responses", _add_response, "/responses/resp_1/input_items", is_paged=False),
]


FAULTS: list[tuple[str, type[SourceError]]] = [
    ("401", Denied),
    ("402", Throttled),
    ("403", Denied),
    ("405", Unsupported),
    ("408", Unavailable),
    ("418", BadAnswer),
    ("422", BadAnswer),
    ("429", Throttled),
    ("quota", Throttled),
    ("500", Unavailable),
    ("503", Unavailable),
    ("html", BadAnswer),
    ("html404", Unsupported),
    ("truncated", BadAnswer),
    ("dropped", Unavailable),
    ("shape", BadAnswer),
    ("empty", BadAnswer),
    ("redirect", BadAnswer),
    ("endless", BadAnswer),
]


def read(source: Source, thread_id: str, *, limit: int = 100) -> list[RemoteMessage]:
    """Read a thread to its end, as sync does."""
    messages: list[RemoteMessage] = []
    after: str | None = None
    while True:
        page = source.messages(thread_id, after, limit=limit)
        messages += page.items
        if page.next is None:
            return messages
        after = page.next
