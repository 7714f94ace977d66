"""What a message holds, for the thread page: its parts, what it cites, the line it folds to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.db.models import QuerySet

from threads import content
from threads.exports.covering import Cover
from threads.models import Message
from threads.sources import is_embedded

ASIDES = frozenset(
    {
        Message.Kind.TOOL_CALL,
        Message.Kind.TOOL_OUTPUT,
        Message.Kind.REASONING,
        Message.Kind.UNKNOWN,
    }
)
LINES = frozenset({Message.Kind.EVENT, Message.Kind.COMPACTION})
_MAX_PREVIEW = 160  # characters of a folded message that one line can show


class Row(NamedTuple):
    """The columns that a page shows of a message; as rows they cost a fifth of instances."""

    position: int
    branch: int
    role: str
    kind: str
    type: str
    text: str
    name: str
    model: str
    assistant_id: int | None
    is_final: bool
    is_hidden: bool
    created_at: datetime | None
    time_source: str
    removed_at: datetime | None
    edited_at: datetime | None
    input_tokens: int | None
    output_tokens: int | None
    source__parts: list[object] | None

    @property
    def is_aside(self) -> bool:
        """Whether it is folded to one line: tool calls, their output, reasoning."""
        return self.kind in ASIDES

    @property
    def is_line(self) -> bool:
        """Whether it is an event between messages rather than a message."""
        return self.kind in LINES


def rows_of(messages: QuerySet[Message], *, cover: Cover, project_id: int) -> list[Row]:
    """Read messages of one thread in its order, masked for the reader; one query."""
    values = messages.order_by("position").values_list(*Row._fields)
    rows = [Row._make(each) for each in values]
    if not cover.hides(project_id):
        return rows
    return [
        row._replace(
            text=cover.text(project_id, row.text),
            name=cover.text(project_id, row.name),
            source__parts=cover.value(project_id, row.source__parts),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message. kind: prose, code, refusal, reasoning, image, file, audio."""

    kind: str
    piece: content.Piece | None = None  # what is to be rendered
    name: str = ""
    link: str = ""  # safe to link to; empty where there is none
    file_id: str = ""
    detail: str = ""  # type, id or host of a file


@dataclass(frozen=True, slots=True)
class Source:
    """What a message cites."""

    title: str
    link: str = ""
    file_id: str = ""


def parts_of(row: Row) -> tuple[list[Part], list[Source]]:
    """Return a message's parts, and what they cite in the order of its numbers."""
    given = row.source__parts if isinstance(row.source__parts, list) else []
    pieces = [piece for piece in given if isinstance(piece, dict)]
    if not pieces:
        pieces = [{"kind": "text", "text": _body(row)}] if row.text else []
    cited: dict[Source, int] = {}
    parts = []
    for piece in pieces:
        numbers = {}
        for mark, source in _sources(piece.get("annotations")):
            numbers[mark] = cited.setdefault(source, len(cited) + 1)
        parts.append(_part(row, piece, numbers))
    return parts, list(cited)


def preview(row: Row) -> str:
    """Return the line that stands for a folded message; a call without the tool's name."""
    return content.plain(_body(row)[: 4 * _MAX_PREVIEW], _MAX_PREVIEW)


def _body(row: Row) -> str:
    """Return the text of a message; a tool call's begins with the tool's name, for search."""
    if row.kind == Message.Kind.TOOL_CALL and row.name:
        return row.text.removeprefix(row.name).lstrip("\n")
    return row.text


def _part(row: Row, piece: Mapping[str, Any], numbers: Mapping[str, int]) -> Part:
    kind, text = str(piece.get("kind") or ""), str(piece.get("text") or "")
    if kind in {"image", "file"}:
        return _file(kind, text, piece)
    if kind == "audio":
        return Part(kind, _prose(text), detail=str(piece.get("mime") or ""))
    if kind in {"refusal", "reasoning"}:
        return Part(kind, _prose(text))
    if kind == "json" or row.kind in {Message.Kind.TOOL_CALL, Message.Kind.TOOL_OUTPUT}:
        pretty = content.pretty_json(_arguments(text) if kind == "json" else text)
        return Part("code", ("code:json", pretty) if pretty else ("code:", text))
    if kind == "unknown":
        return Part("code", ("code:", text))
    if row.kind == Message.Kind.REASONING:
        return Part("reasoning", _prose(text))
    return Part("prose", _prose(_numbered(text, numbers)))


def _prose(text: str) -> content.Piece | None:
    return ("markdown", text) if text.strip() else None


def _numbered(text: str, numbers: Mapping[str, int]) -> str:
    """Put the number of its source in the place of each mark: 【4:0†source】 becomes 1."""
    for mark, number in numbers.items():
        if mark:
            text = text.replace(mark, f"{content.CITE}{number}{content.CITE_END}")
    return text


def _arguments(text: str) -> str:
    """Return what a call in the shape of chat completions passes on, without its wrapping."""
    try:
        call = json.loads(text) if '"function"' in text[:200] else None
        arguments = call["function"]["arguments"] if isinstance(call, dict) else text
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    return arguments if isinstance(arguments, str) and arguments.lstrip()[:1] in "{[" else text


def _file(kind: str, text: str, piece: Mapping[str, Any]) -> Part:
    """Name a file or image; it is not loaded from its host, which would tell who reads."""
    link = content.safe_link(str(piece.get("url") or ""))
    host = (urlsplit(link).hostname or "") if link else ""
    file_id = str(piece.get("file_id") or "")
    shown_id = "" if is_embedded(file_id) else file_id
    details = [str(piece.get("mime") or ""), shown_id, host]
    name, _, rest = text.partition("\n")
    return Part(
        kind,
        _prose(rest),
        name=content.plain(name, 120),
        link=link,
        file_id=file_id,
        detail=content.plain(" · ".join(filter(None, details)), 160),
    )


def _sources(annotations: object) -> Iterator[tuple[str, Source]]:
    """Yield (the mark in the text, or "", the source) of each annotation that names one."""
    given: Iterable[object] = annotations if isinstance(annotations, list) else []
    for annotation in given:
        if not isinstance(annotation, dict):
            continue
        kind = str(annotation.get("type") or "")
        inner = annotation.get(kind)
        merged = {**annotation, **inner} if isinstance(inner, dict) else annotation
        link = content.safe_link(str(merged.get("url") or ""))
        title = next(
            (str(merged[name]) for name in ("title", "filename", "file_id") if merged.get(name)),
            link,
        )
        mark = str(annotation.get("text") or "")
        if title:
            source = Source(content.plain(title, 200), link, str(merged.get("file_id") or ""))
            yield mark if _is_mark(mark) else "", source


def _is_mark(text: str) -> bool:
    """Whether an annotation's text is a mark to be replaced, not words that people read."""
    return text.startswith(("【", content.CITE)) and len(text) < 300
