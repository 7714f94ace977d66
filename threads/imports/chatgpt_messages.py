"""From a node of a ChatGPT conversation to a message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from threads.imports.chatgpt_tree import Node
from threads.sources import Part, RemoteMessage
from threads.sources.times import moment

_LONGEST_ID = 200
_ROLES = {"user", "assistant", "system", "tool", "developer"}
# Marks that ChatGPT replaces by links: private-use characters around a name, and an older form.
_MARKS = re.compile("\ue200[^\ue200\ue201]{0,2000}\ue201|【\\d+(?::\\d+)?†[^】\n]{0,300}】")
_STRAY_MARKS = re.compile("[\ue200-\ue206]")
_ASSET = re.compile(r"[a-z-]+://(?:[^#?]*/)?([A-Za-z0-9_.-]{1,200})")
_HIDDEN_TYPES = {"user_editable_context", "model_editable_context"}
_REASONING_TYPES = {"thoughts", "reasoning_recap"}
_EVENT_TYPES = {"app_pairing_content"}
_raw = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def without_marks(text: str) -> str:
    """Return `text` without the marks of citations; the raw JSON keeps them."""
    if "\ue200" in text or "†" in text:
        text = _MARKS.sub("", text)
    return text if text.isascii() else _STRAY_MARKS.sub("", text)


def message_of(node: Node, *, branch: int) -> RemoteMessage | None:
    """Return the node's message; None when it is not one."""
    message = node.item.get("message")
    if not isinstance(message, dict):
        return None
    author = _object(message.get("author"))
    metadata = _object(message.get("metadata"))
    content = message.get("content")
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    content = _object(content)
    type_ = _word(content.get("content_type")) or "text"
    role = _word(author.get("role"))
    recipient = _word(message.get("recipient"))
    parts = [*_READERS.get(type_, _any_parts)(content)]
    parts += _attachments(metadata, {part.file_id for part in parts if part.file_id})
    parts = _cited(parts, metadata)
    kind, name = _kind(type_, role, recipient), _word(author.get("name"))
    if kind == "tool_call":
        name = recipient
    return RemoteMessage(
        remote_id=_identity(message.get("id")) or node.id[:_LONGEST_ID],
        role="tool" if role == "function" else role if role in _ROLES else "unknown",
        text="\n\n".join(part.text for part in parts if part.kind == "text" and part.text),
        kind=kind,
        type=type_,
        parts=_worth_keeping(parts),
        name=name,
        model=_word(metadata.get("model_slug")) if role in {"assistant", "tool"} else "",
        status=_status(message.get("status")),
        is_hidden=metadata.get("is_visually_hidden_from_conversation") is True
        or type_ in _HIDDEN_TYPES,
        created_at=(created_at := moment(message.get("create_time"))),
        time_source="given" if created_at else "unknown",
        branch=branch,
        raw=_raw(node.item),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""


def _identity(value: Any) -> str:
    is_good = isinstance(value, str) and len(value) <= _LONGEST_ID and value.isprintable()
    return value.strip() if is_good else ""


def _status(value: Any) -> str:
    status = _word(value)
    # "completed" is the word of the other stores; what is broken off is found by has:error.
    return {
        "finished_successfully": "completed",
        "finished_partial_completion": "incomplete",
    }.get(status, status)


def _kind(type_: str, role: str, recipient: str) -> str:
    if type_ in _REASONING_TYPES:
        return "reasoning"
    if type_ in _EVENT_TYPES:
        return "event"
    if role in {"tool", "function"}:
        return "tool_output"
    if role == "assistant" and recipient not in {"", "all", "user"}:
        return "tool_call"
    return "message"


def _worth_keeping(parts: list[Part]) -> tuple[Part, ...]:
    """Return () where the text says all that the parts do."""
    if all(part == Part("text", part.text) for part in parts) and len(parts) < 2:
        return ()
    return tuple(parts)


# The kinds of content.


def _words(*values: Any) -> list[Part]:
    text = "\n".join(value for value in values if isinstance(value, str) and value)
    return [Part("text", text)] if text else []


def _text_parts(content: Mapping[str, Any]) -> list[Part]:
    pieces = content.get("parts")
    if not isinstance(pieces, list):
        return _words(content.get("text"))
    parts: list[Part] = []
    for piece in pieces:
        if isinstance(piece, str):
            if text := without_marks(piece):
                parts.append(Part("text", text))
        elif isinstance(piece, dict):
            parts += _piece(piece)
    return parts


def _piece(piece: Mapping[str, Any]) -> list[Part]:
    kind = _word(piece.get("content_type"))
    if kind == "image_asset_pointer":
        prompt = _object(_object(piece.get("metadata")).get("dalle")).get("prompt")
        return [Part("image", file_id=_asset(piece)), *_words(prompt)]
    if kind == "audio_transcription":
        return _words(piece.get("text"))
    if kind == "real_time_user_audio_video_asset_pointer":
        return [Part("audio", file_id=_asset(_object(piece.get("audio_asset_pointer"))))]
    if "audio" in kind:
        return [Part("audio", file_id=_asset(piece), mime=_mime("audio", piece.get("format")))]
    if piece.get("asset_pointer"):
        return [Part("file", file_id=_asset(piece))]
    return _any_parts(piece)


def _asset(piece: Mapping[str, Any]) -> str:
    match = _ASSET.match(_word(piece.get("asset_pointer")))
    return match.group(1) if match else ""


def _mime(family: str, form: Any) -> str:
    return f"{family}/{form}" if isinstance(form, str) and form.isalnum() else ""


def _thought_parts(content: Mapping[str, Any]) -> list[Part]:
    thoughts = content.get("thoughts")
    lines = []
    for thought in thoughts if isinstance(thoughts, list) else []:
        if isinstance(thought, dict):
            lines += [_word(thought.get("summary")), thought.get("content")]
    return _words(*lines) if lines else _words(content.get("content"))


def _any_parts(content: Mapping[str, Any]) -> list[Part]:
    """Return what can be read of content that is not known; JSON where nothing can."""
    names = ("title", "name", "url", "text", "summary", "result", "content", "snippet")
    parts = _words(*(content.get(name) for name in names))
    if isinstance(content.get("parts"), list):
        parts += _text_parts(content)
    rest = {name: value for name, value in content.items() if name != "content_type" and value}
    if not parts and rest:
        return [Part("text", json.dumps(rest, ensure_ascii=False))]
    return parts


_READERS: dict[str, Callable[[Mapping[str, Any]], list[Part]]] = {
    "text": _text_parts,
    "multimodal_text": _text_parts,
    "code": lambda content: _words(content.get("text")),
    "execution_output": lambda content: _words(content.get("text")),
    "tether_quote": lambda content: _words(
        *(content.get(name) for name in ("title", "url", "text"))
    ),
    "tether_browsing_display": lambda content: _words(
        content.get("summary"), content.get("result")
    ),
    "sonic_webpage": lambda content: _words(
        *(content.get(name) for name in ("title", "url", "text", "snippet"))
    ),
    "thoughts": _thought_parts,
    "reasoning_recap": lambda content: _words(content.get("content")),
    "system_error": lambda content: _words(content.get("name"), content.get("text")),
    "user_editable_context": lambda content: _words(
        content.get("user_profile"), content.get("user_instructions")
    ),
    "model_editable_context": lambda content: _words(content.get("model_set_context")),
}


# What stands beside the content.


def _attachments(metadata: Mapping[str, Any], known: set[str]) -> list[Part]:
    """Return the files that were attached and that no part shows already."""
    listed = metadata.get("attachments")
    found = []
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and (identity := _word(each.get("id"))) not in known:
            mime = _word(each.get("mime_type")) or _word(each.get("mimeType"))
            kind = "image" if mime.startswith("image/") else "file"
            found.append(Part(kind, text=_word(each.get("name")), file_id=identity, mime=mime))
    return found


def _cited(parts: list[Part], metadata: Mapping[str, Any]) -> list[Part]:
    """Note the web pages that an answer cites with its first text."""
    notes = _citations(metadata)
    if not notes:
        return parts
    for index, part in enumerate(parts):
        if part.kind == "text":
            parts[index] = Part("text", part.text, annotations=tuple(notes))
            break
    return parts


def _citations(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    places: list[Any] = []
    for name in ("content_references", "citations"):
        listed = metadata.get(name)
        for each in listed if isinstance(listed, list) else []:
            if isinstance(each, dict):
                places += [each, each.get("metadata")]
                for inner in ("items", "sources", "fallback_items"):
                    more = each.get(inner)
                    places += more if isinstance(more, list) else []
    for place in places:
        if not isinstance(place, dict):
            continue
        url, title = place.get("url"), _word(place.get("title"))
        if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) < 2_000:
            found.setdefault(url, {"type": "url_citation", "url": url, "title": title})
    return list(found.values())
