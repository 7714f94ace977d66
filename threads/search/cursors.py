"""Where the next page begins, packed into a word for addresses and programs."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from django.utils.translation import gettext as _

_FAR = 1 << 62
_WRITTEN = json.JSONEncoder(separators=(",", ":")).encode  # dumps() would make one each time


def write_cursor(values: dict[str, Any] | None) -> str | None:
    """Pack what the next page has to know; None: there is none."""
    if values is None:
        return None
    packed = _WRITTEN(values).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(cursor: str | None) -> dict[str, Any]:
    """Return what was packed; {} for the first page. :raises ValueError: when it is not ours."""
    if not cursor:
        return {}
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = {
            name: str(value) if name == "w" else int(value)
            for name, value in values.items()
            if name in {"k", "t", "o", "w"}
        }
    except (ValueError, TypeError, AttributeError, binascii.Error) as problem:
        raise ValueError(_("This cursor cannot be read.")) from problem
    if any(abs(value) > _FAR for value in read.values() if isinstance(value, int)):
        raise ValueError(_("This cursor cannot be read."))
    if "k" in read and "t" not in read:
        raise ValueError(_("This cursor cannot be read."))
    return read
