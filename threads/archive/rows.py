"""A message as it came, turned into the rows that keep it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from threads.archive import clean
from threads.models import Message, Thread
from threads.sources import Part, RemoteMessage

_LINK = re.compile(r"https?://", re.IGNORECASE)
_FAILED = frozenset({"failed", "incomplete", "error", "cancelled", "expired"})
_CODE_TYPES = ("code_interpreter", "shell", "apply_patch", "command_execution", "computer")
_ROLES = frozenset(Message.Role.values)
_KINDS = frozenset(Message.Kind.values)
_TIME_SOURCES = frozenset(Message.TimeSource.values)
# Plain values: to ask an enumeration for its member costs more than all that is done with it.
_TOOL_KINDS = frozenset({Message.Kind.TOOL_CALL.value, Message.Kind.TOOL_OUTPUT.value})
_TIME_GIVEN, _TIME_SEEN = Message.TimeSource.GIVEN.value, Message.TimeSource.SEEN.value
_TIME_UNKNOWN = Message.TimeSource.UNKNOWN.value
_UNKNOWN_ROLE, _UNKNOWN_KIND = Message.Role.UNKNOWN.value, Message.Kind.UNKNOWN.value


@dataclass(slots=True)
class Content:
    """The columns of a message that an edit upstream may change.

    Position, search key and time of archiving are given once. A model instance would cost four
    times as much to make, and imports make millions.
    """

    branch: int
    role: str
    kind: str
    type: str
    text: str
    name: str
    model: str
    assistant_id: int | None
    status: str
    is_final: bool
    is_hidden: bool
    group_id: str
    features: int
    created_at: datetime | None
    time_source: str
    input_tokens: int | None
    output_tokens: int | None
    content_hash: str


CHANGEABLE = [column.name for column in fields(Content)]


def fingerprint(message: RemoteMessage, *, of_raw: bool) -> str:
    """Return 32 hex digits that change when the message does.

    Over the raw JSON for what a store sent. Over the fields for what a file brought: there the
    same message may be written with other spaces or in another order of keys.
    """
    if of_raw and message.raw:
        content = message.raw
    else:
        moment = None if message.created_at is None else message.created_at.timestamp()
        parts = ""
        if message.parts:
            parts = json.dumps([_part(part) for part in message.parts], sort_keys=True, default=str)
        who = (message.role, message.name, message.model, message.assistant_id)
        what = (message.kind, message.type, message.text, parts, message.group_id, message.status)
        state = (message.is_final, message.is_hidden, message.branch, moment)
        content = repr((who, what, state, message.input_tokens, message.output_tokens))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def features(message: RemoteMessage) -> int:
    """Return the bits of `Message.Feature` that `has:` searches by."""
    bits = _features_of_parts(message.parts) if message.parts else 0
    if "```" in message.text or message.type.startswith(_CODE_TYPES):
        bits |= Message.Feature.CODE
    if message.kind in _TOOL_KINDS:
        bits |= Message.Feature.TOOL
    if "://" in message.text and _LINK.search(message.text):
        bits |= Message.Feature.LINK
    if message.status in _FAILED:
        bits |= Message.Feature.ERROR
    return bits


def _features_of_parts(parts: Iterable[Part]) -> int:
    bits = 0
    kinds = {part.kind for part in parts}
    annotations = {str(note.get("type", "")) for part in parts for note in part.annotations}
    if "image" in kinds:
        bits |= Message.Feature.IMAGE
    if "file" in kinds or any("file" in name for name in annotations):
        bits |= Message.Feature.FILE
    if "url_citation" in annotations:
        bits |= Message.Feature.LINK
    if "refusal" in kinds:
        bits |= Message.Feature.REFUSAL
    return bits


def _part(part: Part) -> dict[str, Any]:
    filled = {
        "kind": part.kind,
        "text": part.text,
        "url": part.url,
        "file_id": part.file_id,
        "mime": part.mime,
        "annotations": [dict(note) for note in part.annotations],
    }
    return {name: value for name, value in filled.items() if value}


def _parts(message: RemoteMessage) -> list[dict[str, Any]]:
    """The parts as they are kept; empty when the text already says it all."""
    if not message.parts:
        return []
    if len(message.parts) == 1:
        (only,) = message.parts
        if _part(only) == {"kind": "text", "text": message.text}:
            return []
    cleaned: list[dict[str, Any]] = clean.value([_part(part) for part in message.parts])
    return cleaned


def content_of(
    message: RemoteMessage, *, assistant_id: int | None, of_raw: bool, seen_at: datetime | None
) -> Content:
    """Return the columns that `message` fills.

    :param seen_at: the time of a message that has none of its own; None when nothing tells when
        it was written, as on a first read.
    """
    moment, time_source = message.created_at, message.time_source
    if moment is None:
        moment = seen_at
        time_source = _TIME_UNKNOWN if seen_at is None else _TIME_SEEN
    elif time_source not in _TIME_SOURCES or time_source == _TIME_UNKNOWN:
        time_source = _TIME_GIVEN
    return Content(
        branch=message.branch,
        role=message.role if message.role in _ROLES else _UNKNOWN_ROLE,
        kind=message.kind if message.kind in _KINDS else _UNKNOWN_KIND,
        type=clean.text(message.type)[:60],
        text=clean.text(message.text),
        name=clean.line(message.name, 200) if message.name else "",
        model=clean.line(message.model, 120) if message.model else "",
        assistant_id=assistant_id,
        status=clean.text(message.status)[:20] if message.status else "",
        is_final=message.is_final,
        is_hidden=message.is_hidden,
        group_id=clean.identity(message.group_id) if message.group_id else "",
        features=features(message),
        created_at=moment,
        time_source=time_source,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        content_hash=fingerprint(message, of_raw=of_raw),
    )


def write_onto(row: Message, content: Content) -> bool:
    """Put `content` into an existing message; True when it says something else now.

    A time that is known stays when the new content has none.
    """
    says_else = (row.role, row.text) != (content.role, content.text)
    if content.time_source in {_TIME_UNKNOWN, _TIME_SEEN}:
        content.created_at, content.time_source = row.created_at, row.time_source
    for name in CHANGEABLE:
        setattr(row, name, getattr(content, name))
    return says_else


def source_columns(message: RemoteMessage) -> tuple[str, list[dict[str, Any]]]:
    """Return the raw JSON and the parts, as `MessageSource` keeps them."""
    return clean.raw(message.raw), _parts(message)


def title_from(text: str) -> str:
    """Return a title made of the first words of a message; "" when it says nothing."""
    words = clean.line(text[:2_000], 10_000)
    if len(words) <= 80:
        return words
    cut = words[:80].rsplit(" ", 1)[0] if " " in words[40:80] else words[:80]
    return cut + "…"


def title_of(thread: Thread, message: RemoteMessage) -> str:
    """Return the title that `message` gives a thread which has none."""
    if thread.title or message.branch or message.role != "user" or message.kind != "message":
        return thread.title
    return title_from(message.text)
