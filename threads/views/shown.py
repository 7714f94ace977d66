"""Messages as the thread page shows them: rendered, marked, folded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from threads import content
from threads.attachments import cached_file, is_file_id
from threads.models import Message
from threads.sources import is_embedded
from threads.templatetags.pages import moment

_ASIDES = {
    Message.Kind.TOOL_CALL,
    Message.Kind.TOOL_OUTPUT,
    Message.Kind.REASONING,
    Message.Kind.UNKNOWN,
}
_LINES = {Message.Kind.EVENT, Message.Kind.COMPACTION}
_MAX_PREVIEW = 160  # characters of a folded message that one line can show


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A piece of a message. kind: prose, code, refusal, reasoning, image, file, audio."""

    kind: str
    html: SafeString | str = ""
    name: str = ""
    link: str = ""  # safe to link to; empty where there is none
    detail: str = ""  # type, id or host of a file
    address: str = ""  # where the file itself can be had here; empty where it cannot


@dataclass(frozen=True, slots=True)
class ShownSource:
    """What a message cites."""

    title: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class ShownMessage:
    message: Message
    parts: tuple[ShownPart, ...]
    sources: tuple[ShownSource, ...]
    preview: str
    is_hit: bool
    role: str  # in the reader's language
    icon: str
    colour: str  # the class that colours it: a role
    speaker: str  # the assistant's or author's name
    when: SafeString | str
    has_badges: bool
    previous_hit: str = ""  # where the one before is: an address; empty where there is none
    next_hit: str = ""

    @property
    def is_aside(self) -> bool:
        """Whether it is folded to one line: tool calls, their output, reasoning."""
        return self.message.kind in _ASIDES

    @property
    def is_line(self) -> bool:
        """Whether it is an event between messages rather than a message."""
        return self.message.kind in _LINES


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one branch in a row. Branch 0 is the conversation as it is shown."""

    branch: int
    messages: tuple[ShownMessage, ...]

    @property
    def has_hit(self) -> bool:
        return any(shown.is_hit for shown in self.messages)


def shown(
    messages: Iterable[Message],
    *,
    spans: content.Spans | None = None,
    hits: tuple[int, ...] = (),
    address_of: Callable[[int], str] = "#m-{}".format,
) -> list[ShownMessage]:
    """Render `messages`; `spans` finds the words to mark, `hits` are positions, in order.

    `address_of` makes the link to the message at a position.
    """
    order = {position: index for index, position in enumerate(hits)}
    looks = _looks()
    rendered = []
    for message in messages:
        index = order.get(message.position)
        parts, sources = _parts(message)
        is_last = index is None or index + 1 == len(hits)
        name, icon, colour = (
            looks.get(message.kind) or looks.get(message.role) or looks[Message.Role.UNKNOWN]
        )
        speaker = str(message.assistant) if message.assistant else message.name
        rendered.append(
            ShownMessage(
                message=message,
                parts=tuple(_marked(part, spans) for part in parts) if spans else parts,
                sources=sources,
                preview=_preview(message),
                is_hit=index is not None,
                role=name,
                icon=icon,
                colour=colour or message.role,
                speaker=content.plain(speaker, 60) if speaker else "",
                when=moment(message.created_at, with_time=True) if message.created_at else "",
                has_badges=_has_badges(message),
                previous_hit=address_of(hits[index - 1]) if index else "",
                next_hit="" if index is None or is_last else address_of(hits[index + 1]),
            )
        )
    return rendered


def _looks() -> dict[str, tuple[str, str, str]]:
    """Return (name, icon, colour) by kind and by role; kinds count first, "" is the role's own."""
    return {
        Message.Kind.TOOL_CALL: (_("Tool call"), "wrench", "tool"),
        Message.Kind.TOOL_OUTPUT: (_("Tool output"), "terminal", "tool"),
        Message.Kind.REASONING: (_("Reasoning"), "brain", ""),
        Message.Role.USER: (_("User"), "user-round", "user"),
        Message.Role.ASSISTANT: (_("Assistant"), "bot", "assistant"),
        Message.Role.TOOL: (_("Tool"), "wrench", "tool"),
        Message.Role.SYSTEM: (_("System"), "settings-2", "system"),
        Message.Role.DEVELOPER: (_("Developer"), "braces", "developer"),
        Message.Role.UNKNOWN: (_("Unknown"), "message-square", "unknown"),
    }


def _has_badges(message: Message) -> bool:
    """Whether there is more to say than who and when; most messages need no look at the rest."""
    return bool(
        message.removed_at
        or message.edited_at
        or message.is_hidden
        or not message.is_final
        or message.model
        or message.input_tokens is not None
        or message.output_tokens is not None
        or message.time_source != Message.TimeSource.GIVEN
    )


def stretches(messages: Iterable[ShownMessage]) -> list[Stretch]:
    """Put messages of other branches together, so that they can be folded."""
    grouped = groupby(messages, key=lambda shown: shown.message.branch)
    return [Stretch(branch, tuple(members)) for branch, members in grouped]


def _marked(part: ShownPart, spans: content.Spans) -> ShownPart:
    if not part.html:
        return part
    html, _ = content.highlight(part.html, spans)
    return replace(part, html=html)


def _preview(message: Message) -> str:
    """Return the line that stands for a folded message; a call without the tool's name."""
    if message.kind not in _ASIDES | _LINES:
        return ""
    return content.plain(_body(message)[: 4 * _MAX_PREVIEW], _MAX_PREVIEW)


def _body(message: Message) -> str:
    """Return the text of a message; a tool call's begins with the tool's name, for search."""
    if message.kind == Message.Kind.TOOL_CALL and message.name:
        return message.text.removeprefix(message.name).lstrip("\n")
    return message.text


def _parts(message: Message) -> tuple[tuple[ShownPart, ...], tuple[ShownSource, ...]]:
    kept = getattr(message, "source", None)
    given = kept.parts if kept is not None and isinstance(kept.parts, list) else []
    pieces = [piece for piece in given if isinstance(piece, dict)]
    if not pieces:
        pieces = [{"kind": "text", "text": _body(message)}] if message.text else []
    parts = tuple(_part(message, piece) for piece in pieces)
    cited: dict[ShownSource, None] = {}
    for piece in pieces:
        cited |= dict.fromkeys(_sources(message, piece.get("annotations")))
    return parts, tuple(cited)


def _part(message: Message, piece: Mapping[str, Any]) -> ShownPart:
    kind, text = str(piece.get("kind") or ""), str(piece.get("text") or "")
    if kind in {"image", "file"}:
        return _file(message, kind, text, piece)
    if kind == "audio":
        return ShownPart(
            kind, content.markdown(text) if text else "", detail=str(piece.get("mime"))
        )
    if kind in {"refusal", "reasoning"}:
        return ShownPart(kind, content.markdown(text))
    if kind == "json" or message.kind in {Message.Kind.TOOL_CALL, Message.Kind.TOOL_OUTPUT}:
        pretty = content.pretty_json(_arguments(text) if kind == "json" else text)
        return ShownPart("code", content.preformatted(pretty or text, "json" if pretty else ""))
    if kind == "unknown":
        return ShownPart("code", content.preformatted(text))
    if message.kind == Message.Kind.REASONING:
        return ShownPart("reasoning", content.markdown(text))
    return ShownPart("prose", content.markdown(text))


def _arguments(text: str) -> str:
    """Return what a call in the shape of chat completions passes on, without its wrapping."""
    try:
        call = json.loads(text) if '"function"' in text[:200] else None
        arguments = call["function"]["arguments"] if isinstance(call, dict) else text
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    return arguments if isinstance(arguments, str) and arguments.lstrip()[:1] in "{[" else text


def _file(message: Message, kind: str, text: str, piece: Mapping[str, Any]) -> ShownPart:
    """Name a file or image; it is not loaded from its host, which would tell who reads."""
    link = content.safe_link(str(piece.get("url") or ""))
    host = (urlsplit(link).hostname or "") if link else ""
    identity = str(piece.get("file_id") or "")
    shown_id = "" if is_embedded(identity) else identity
    details = [str(piece.get("mime") or ""), shown_id, host]
    name, _, rest = text.partition("\n")
    return ShownPart(
        kind,
        content.markdown(rest) if rest.strip() else "",
        name=content.plain(name, 120),
        link=link,
        detail=content.plain(" · ".join(filter(None, details)), 160),
        address=_address(message, identity),
    )


def _address(message: Message, file_id: str) -> str:
    """Return where a file is had here; "" for one that is not on this disk and has no source."""
    if not is_file_id(file_id):
        return ""
    thread = message.thread
    is_within_reach = thread.connection_id is not None or is_embedded(file_id)
    if not is_within_reach and cached_file(thread.project, file_id) is None:
        return ""
    return reverse("threads:file", args=[thread.project.slug, file_id])


def _sources(message: Message, annotations: object) -> Iterator[ShownSource]:
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict):
            continue
        kind = str(annotation.get("type") or "")
        inner = annotation.get(kind)
        merged = {**annotation, **inner} if isinstance(inner, dict) else annotation
        link = content.safe_link(str(merged.get("url") or ""))
        link = link or _address(message, str(merged.get("file_id") or ""))
        title = next(
            (str(merged[name]) for name in ("title", "filename", "file_id") if merged.get(name)),
            link,
        )
        if title:
            yield ShownSource(content.plain(title, 200), link)
