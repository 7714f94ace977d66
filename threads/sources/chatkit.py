"""The ChatKit store: threads that can be listed, also by user, and items with times."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from threads.sources.addresses import segment
from threads.sources.base import Capability, Page, Part, RemoteMessage, RemoteThread, Usage
from threads.sources.client import Client
from threads.sources.conversations import metadata_of
from threads.sources.items import argument_part, assembled, output_parts, role_of, word
from threads.sources.paging import Found, Pager
from threads.sources.parts import part_of, parts_of, strings
from threads.sources.reading import Json
from threads.sources.times import moment

_HEADERS = {"OpenAI-Beta": "chatkit_beta=v1"}
# Where a widget keeps what people read; the rest of its JSON is layout.
_READABLE = {"value", "text", "label", "title", "caption", "description", "alt"}


def _widget_words(node: Any) -> list[str]:
    """Return what a person reads in a widget, from top to bottom."""
    if isinstance(node, list):
        return [words for child in node for words in _widget_words(child)]
    if not isinstance(node, dict):
        return []
    words: list[str] = []
    for name, child in node.items():
        if isinstance(child, str):
            words += [strings(child)] if name in _READABLE and child.strip() else []
        else:
            words += _widget_words(child)
    return words


def _widget_parts(item: Json) -> tuple[Part, ...]:
    """Read a widget, which comes as JSON in a string; the thread's raw JSON keeps all of it."""
    widget = item.get("widget")
    if isinstance(widget, str):
        try:
            widget = json.loads(widget)
        except (ValueError, RecursionError):
            return (Part("text", text=strings(widget)),)
    return (Part("text", text="\n".join(_widget_words(widget))),)


def _attachments(item: Json) -> list[Part]:
    attached = item.get("attachments")
    return [
        Part(
            "image" if each.get("type") == "image" else "file",
            text=word(each.get("name")),
            url=word(each.get("preview_url"), longest=2_000),
            file_id=word(each.get("id")),
            mime=word(each.get("mime_type")),
        )
        for each in (attached if isinstance(attached, list) else [])
        if isinstance(each, dict)
    ]


def _task_text(task: Any) -> str:
    if not isinstance(task, dict):
        return ""
    return "\n".join(filter(None, [strings(task.get("heading")), strings(task.get("summary"))]))


def _read(item: Json, kind: str) -> tuple[str, str, tuple[Part, ...]]:
    """Return (kind, role, parts) of an item whose type is `kind`, without its prefix."""
    match kind:
        case "user_message":
            parts = (*parts_of(item.get("content")), *_attachments(item))
            return "message", "user", parts
        case "assistant_message":
            return "message", "assistant", parts_of(item.get("content"))
        case "widget":
            return "event", "assistant", _widget_parts(item)
        case "client_tool_call":
            asked = argument_part(item.get("arguments"))
            return (
                "tool_call",
                "tool",
                (*([asked] if asked else []), *output_parts(item.get("output"))),
            )
        case "task":
            is_thought = item.get("task_type") == "thought"
            found = "reasoning" if is_thought else "event"
            return found, "assistant", (Part("text", text=_task_text(item)),)
        case "task_group":
            tasks = item.get("tasks")
            lines = [_task_text(task) for task in (tasks if isinstance(tasks, list) else [])]
            return "event", "assistant", (Part("text", text="\n\n".join(filter(None, lines))),)
        case _:
            body = item.get("content", item.get("text"))
            known = parts_of(body) if body is not None else ()
            return "unknown", role_of(item.get("role")), known or _whole(item)


def _whole(item: Json) -> tuple[Part, ...]:
    part = part_of({name: value for name, value in item.items() if name not in {"id", "object"}})
    return (part,) if part else ()


class ChatKit:
    """Reads `/chatkit/threads`."""

    store: ClassVar[str] = "chatkit"
    capabilities: ClassVar[Capability] = (
        Capability.LIST_THREADS
        | Capability.FILTER_USER
        | Capability.MESSAGE_TIMES
        | Capability.RESUME_AFTER
    )

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client, headers=_HEADERS)

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for one thread."""
        self._pager.page("/chatkit/threads", None, limit=1)

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        """List in order of creation: the store does not say when a thread was last used."""
        found, after = self._pager.threads(
            "/chatkit/threads", cursor, limit=limit, params={"user": user or None}
        )
        return Page(tuple(self._thread(each.item, each.id) for each in found), after)

    def thread(self, remote_id: str) -> RemoteThread:
        return self._thread(self._pager.object(f"/chatkit/threads/{segment(remote_id)}"), remote_id)

    @staticmethod
    def _thread(item: Json, remote_id: str) -> RemoteThread:
        status = item.get("status")
        state = status if isinstance(status, dict) else {"type": status}
        is_closed = word(state.get("type")) in {"locked", "closed"}
        said = {f"chatkit_{name}": word(state.get(name)) for name in ("type", "reason")}
        noted = {name: value for name, value in said.items() if value} if is_closed else {}
        return RemoteThread(
            remote_id=remote_id,
            title=word(item.get("title"), longest=300),
            end_user=word(item.get("user")),
            upstream_state="closed" if is_closed else "active",
            created_at=moment(item.get("created_at")),
            metadata=metadata_of(item) | noted,
        )

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        owner = f"/chatkit/threads/{segment(remote_id)}"
        found, following = self._pager.page(f"{owner}/items", after, limit=limit, owner=owner)
        return Page(tuple(self._message(each) for each in found), following)

    @staticmethod
    def _message(found: Found) -> RemoteMessage:
        item = found.item
        type_ = word(item.get("type"))
        kind, role, parts = _read(item, type_.removeprefix("chatkit."))
        options = item.get("inference_options")
        return assembled(
            found,
            role=role,
            kind=kind,
            type_=type_,
            parts=parts,
            name=word(item.get("name")),
            model=word(options.get("model"), longest=120) if isinstance(options, dict) else "",
            created_at=moment(item.get("created_at")),
        )

    def usage(self, remote_id: str) -> Usage | None:
        """Return None: ChatKit does not tell its tokens."""
        return None

    def close(self) -> None:
        self._client.close()
