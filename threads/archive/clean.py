"""Text as databases take it: no NUL (PostgreSQL refuses it) and no half of a surrogate pair.

Everything else stays byte for byte. What is replaced here is still in the raw JSON, escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ID_LENGTH = 200  # of the columns for the store's ids


def text(value: str) -> str:
    """Return `value` with NUL and lone surrogates replaced by U+FFFD."""
    if "\0" in value:
        value = value.replace("\0", _REPLACEMENT)
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # Not "replace": that writes a question mark.
        return "".join(_REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in value)
    return value


def line(value: str, length: int) -> str:
    """Return `value` cleaned, on one line and cut to `length` characters."""
    return " ".join(text(value).split())[:length].rstrip()


def identity(value: str) -> str:
    """Return an id that fits its column: one that is too long ends in its own hash."""
    value = text(value)
    if len(value) <= _ID_LENGTH:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:32]
    return f"{value[: _ID_LENGTH - 33]}~{digest}"


def raw(value: str) -> str:
    """Return JSON text with NUL and lone surrogates written as JSON escapes: nothing is lost."""
    if "\0" in value:
        value = value.replace("\0", "\\u0000")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def value(given: Any) -> Any:
    """Return a JSON value with every text in it cleaned."""
    if isinstance(given, str):
        return text(given)
    if isinstance(given, Mapping):
        return {text(str(key)): value(item) for key, item in given.items()}
    if isinstance(given, list | tuple):
        return [value(item) for item in given]
    return given
