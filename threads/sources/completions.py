"""The store of chat completions: each is a thread of its own that never changes again.

The store keeps the messages that were sent apart from the reply, which is in the completion.
"""

from __future__ import annotations

import json
from typing import ClassVar

from threads.sources.addresses import segment
from threads.sources.base import Capability, Page, Part, RemoteMessage, RemoteThread, Usage
from threads.sources.client import Client
from threads.sources.conversations import first_of, metadata_of
from threads.sources.items import argument_part, assembled, role_of, word
from threads.sources.paging import Found, Pager
from threads.sources.parts import part_of, parts_of, strings
from threads.sources.reading import Json
from threads.sources.recent import Recent
from threads.sources.times import moment
from threads.sources.tokens import usage_of

_REPLY = ":reply:"


def _call_parts(message: Json) -> tuple[list[str], list[Part]]:
    """Return the names of the tools that a message calls, and what it asks of them."""
    calls = message.get("tool_calls")
    listed = list(calls) if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):  # before tools there were functions
        listed.append({"function": message["function_call"]})
    names, parts = [], []
    for call in listed:
        if not isinstance(call, dict):
            continue
        inner = call.get("function") or call.get("custom")
        asked = inner if isinstance(inner, dict) else {}
        names.append(word(asked.get("name")))
        part = argument_part(asked.get("arguments", asked.get("input")))
        parts += [part] if part else []
    return [name for name in names if name], parts


def _said(message: Json) -> list[Part]:
    """Read what a message says: its text, its pieces, its refusal, its voice."""
    pieces = message.get("content_parts") or message.get("content")
    parts = list(parts_of(pieces))
    annotations = message.get("annotations")
    if len(parts) == 1 and isinstance(annotations, list):
        kept = tuple(each for each in annotations if isinstance(each, dict))
        parts = [Part(parts[0].kind, parts[0].text, annotations=kept)]
    if message.get("refusal"):
        parts.append(Part("refusal", text=strings(message["refusal"])))
    audio = message.get("audio")
    spoken = part_of({"type": "audio", **audio}) if isinstance(audio, dict) else None
    return [*parts, spoken] if spoken else parts


class Completions:
    """Reads `/chat/completions` that were made with store=true."""

    store: ClassVar[str] = "completions"
    capabilities: ClassVar[Capability] = (
        Capability.LIST_THREADS
        | Capability.MESSAGE_TIMES
        | Capability.USAGE
        | Capability.RESUME_AFTER
    )

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client)
        # What thread() read serves messages() and usage() as well.
        self._recent: Recent[Json] = Recent()

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for one completion."""
        self._pager.page("/chat/completions", None, limit=1)

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        """List in order of creation; `user` is looked for in the metadata."""
        params = {"metadata": {"user": user}} if user else None
        found, after = self._pager.threads("/chat/completions", cursor, limit=limit, params=params)
        return Page(tuple(self._thread(each.item, each.id) for each in found), after)

    def _completion(self, remote_id: str) -> Json:
        path = f"/chat/completions/{segment(remote_id)}"
        return self._recent.get_or_begin(remote_id, lambda: self._pager.object(path))

    def thread(self, remote_id: str) -> RemoteThread:
        self._recent.forget(remote_id)
        return self._thread(self._completion(remote_id), remote_id)

    @staticmethod
    def _thread(item: Json, remote_id: str) -> RemoteThread:
        metadata = metadata_of(item)
        created_at = moment(item.get("created"))
        given = first_of(item, "input_user", "user", "safety_identifier", longest=200)
        return RemoteThread(
            remote_id=remote_id,
            title=first_of(metadata, "title", "topic", "name", "subject", longest=300),
            end_user=given or first_of(metadata, "user", "user_id", "end_user", longest=200),
            upstream_state="closed",
            created_at=created_at,
            last_active_at=created_at,
            metadata=metadata,
            model=word(item.get("model"), longest=120),
            usage=usage_of(item.get("usage"), source="completion"),
        )

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        """Return what was sent, page by page, and on the last one the replies."""
        if after is not None and after.startswith(remote_id + _REPLY):
            return Page((), None)  # a completion does not change: no call is needed to know
        owner = f"/chat/completions/{segment(remote_id)}"
        found, following = self._pager.page(f"{owner}/messages", after, limit=limit, owner=owner)
        completion = self._completion(remote_id)
        messages = [self._message(each, completion) for each in found]
        if following is None:
            messages += self._replies(completion, remote_id, messages)
        return Page(tuple(messages), following)

    def _replies(
        self, completion: Json, remote_id: str, sent: list[RemoteMessage]
    ) -> list[RemoteMessage]:
        choices = completion.get("choices")
        replies: list[RemoteMessage] = []
        for index, choice in enumerate(choices if isinstance(choices, list) else []):
            body = choice.get("message") if isinstance(choice, dict) else None
            if not isinstance(body, dict):
                continue
            raw = json.dumps(choice, ensure_ascii=False)
            found = Found(f"{remote_id}{_REPLY}{index}", {"role": "assistant", **body}, raw)
            reply = self._message(found, completion)
            # Some servers list the reply as the last message as well.
            if not (sent and sent[-1].role == "assistant" and sent[-1].text == reply.text):
                replies.append(reply)
        return replies

    @staticmethod
    def _message(found: Found, completion: Json) -> RemoteMessage:
        item = found.item
        role = role_of(item.get("role"))
        parts = _said(item)
        names, calls = _call_parts(item)
        kind = "message"
        if word(item.get("role")) in {"tool", "function"}:
            kind, role = "tool_output", "tool"
        elif names and not any(part.text for part in parts):
            kind, role = "tool_call", "tool"
        name = word(item.get("name"))
        return assembled(
            found,
            role=role,
            kind=kind,
            type_="message",
            parts=(*parts, *calls),
            name=", ".join(names)[:200] if kind == "tool_call" else name,
            model=word(completion.get("model"), longest=120) if role == "assistant" else "",
            group_id=word(item.get("tool_call_id")),
            created_at=moment(completion.get("created")),
        )

    def usage(self, remote_id: str) -> Usage | None:
        """Return the completion's tokens; None when it does not tell."""
        return usage_of(self._completion(remote_id).get("usage"), source="completion")

    def close(self) -> None:
        self._client.close()
