"""From the pieces of content that stores send to our parts, and from parts to plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from threads.sources.base import Part
from threads.sources.embedded import SHORTEST, embedded_id

# An image or file written out as text. Shorter ones are harmless icons and people's examples.
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?[\w;=.+-]*;base64,[A-Za-z0-9+/=_%-]{256,}")


def without_data_urls(text: str) -> str:
    """Return `text` with each embedded file named by its type: megabytes are no words."""
    if ";base64," not in text:
        return text
    return _DATA_URL.sub(lambda match: f"[{match.group(1) or 'data'}]", text)


def compact(value: Any) -> str:
    """Return a JSON value as text, without embedded files."""
    return without_data_urls(json.dumps(value, ensure_ascii=False))


def strings(value: Any) -> str:
    """Return a value as people would read it: text as it is, lists by lines, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return without_data_urls(value)
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return "\n".join(without_data_urls(element) for element in value)
    return compact(value)


def _annotations(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list):
        return ()
    return tuple(each for each in value if isinstance(each, dict))


def place_of(url: Any) -> tuple[str, str, str]:
    """Return (url, mime, file id). A data URL gives the last two; the raw JSON keeps the rest."""
    if isinstance(url, dict):
        url = url.get("url")
    if not isinstance(url, str):
        return "", "", ""
    if url.startswith("data:"):
        identity = embedded_id(url) if len(url) >= SHORTEST else ""
        return "", url[5:105].split(",")[0].split(";")[0], identity
    return url, "", ""


def _text(value: Any) -> str:
    return without_data_urls(value) if isinstance(value, str) else ""


def _file_part(kind: str, content: Mapping[str, Any]) -> Part:
    """Read an image or a file in any of the places where servers put what they mean."""
    inner = content.get(str(content.get("type")))
    merged = {**content, **inner} if isinstance(inner, dict) else content
    sources = ("image_url", "file_url", "url", "preview_url", "file_data")
    url, mime, embedded = next(
        (found for name in sources if any(found := place_of(merged.get(name)))), ("", "", "")
    )
    mime = mime or _text(merged.get("mime_type"))
    name = _text(merged.get("filename")) or _text(merged.get("name"))
    file_id = _text(merged.get("file_id")) or embedded
    return Part(kind, text=name, url=url, file_id=file_id, mime=mime)


def _text_part(content: Mapping[str, Any]) -> Part:
    body, annotations = content.get("text"), _annotations(content.get("annotations"))
    if isinstance(body, dict):  # Assistants: {"value": …, "annotations": …}
        annotations = annotations or _annotations(body.get("annotations"))
        body = body.get("value")
    return Part("text", text=_text(body), annotations=annotations)


def _audio_part(content: Mapping[str, Any]) -> Part:
    inner = content.get(str(content.get("type")))
    audio = {**content, **inner} if isinstance(inner, dict) else content
    form = _text(audio.get("format"))
    return Part("audio", text=_text(audio.get("transcript")), mime=f"audio/{form}" if form else "")


def _unknown_part(content: Mapping[str, Any]) -> Part:
    body = content.get("text")
    return Part("unknown", text=_text(body) if isinstance(body, str) else compact(content))


_Reader = Callable[[Mapping[str, Any]], Part]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(["input_text", "output_text", "text", "quoted_text"], _text_part),
    **dict.fromkeys(
        ["summary_text", "reasoning_text"],
        lambda content: Part("reasoning", text=_text(content.get("text"))),
    ),
    "encrypted_content": lambda _: Part("unknown"),  # nobody but the store can read it
    "logs": lambda content: Part("text", text=_text(content.get("logs"))),
    "refusal": lambda content: Part("refusal", text=_text(content.get("refusal"))),
    **dict.fromkeys(
        ["input_image", "image", "image_url", "image_file", "computer_screenshot"],
        lambda content: _file_part("image", content),
    ),
    **dict.fromkeys(
        ["input_file", "file", "attachment"], lambda content: _file_part("file", content)
    ),
    **dict.fromkeys(["input_audio", "output_audio", "audio"], _audio_part),
}


def part_of(content: Any) -> Part | None:
    """Return one piece of content as a part; None when it holds nothing. Unknown types survive."""
    if isinstance(content, str):
        return Part("text", text=without_data_urls(content)) if content else None
    if not isinstance(content, dict):
        return None if content is None else Part("unknown", text=compact(content))
    kind = content.get("type")
    if kind is None and isinstance(content.get("text"), str):
        kind = "text"
    return _READERS.get(str(kind), _unknown_part)(content)


def parts_of(content: Any) -> tuple[Part, ...]:
    """Return content as parts: it may be a string, a piece, a list of pieces, or null."""
    pieces = content if isinstance(content, list) else [content]
    return tuple(part for piece in pieces if (part := part_of(piece)) is not None)


def text_of(parts: Iterable[Part]) -> str:
    """Return what search reads: the parts' texts, with an empty line between two."""
    return "\n\n".join(part.text for part in parts if part.text)


def worth_keeping(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return () when the plain text already says all that the parts do."""
    if len(parts) == 1 and parts[0] == Part("text", text=parts[0].text):
        return ()
    return parts
