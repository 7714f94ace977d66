"""Files that stand in a message's JSON as base64: how they are named, and taken out again.

They stay where they came, in the raw JSON beside the message. Its part names them by a hash of
the text that holds them, so the archive can serve them without asking anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from typing import Any

PREFIX = "data-"
SHORTEST = 256  # characters; what is shorter is an icon or somebody's example


def embedded_id(text: str) -> str:
    """Return the id of the file that `text` (a data URL, or bare base64) is."""
    return PREFIX + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def is_embedded(file_id: str) -> bool:
    return file_id.startswith(PREFIX)


def embedded_file(raw: str, file_id: str) -> bytes | None:
    """Return the bytes of a file that stands in `raw`; None when it does not, or is broken."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    for text in _texts(message):
        if len(text) >= SHORTEST and embedded_id(text) == file_id:
            return _decoded(text)
    return None


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, however deep."""
    rest = [value]
    while rest:
        current = rest.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            rest.extend(current.values())
        elif isinstance(current, list):
            rest.extend(current)


def _decoded(text: str) -> bytes | None:
    if text.startswith("data:"):
        head, comma, body = text.partition(",")
        if not comma or not head.endswith(";base64"):
            return None
        text = body
    body = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"})
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
