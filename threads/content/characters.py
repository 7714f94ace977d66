"""Characters that hide or reorder a text, short fields in one line, links that may be followed."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import bleach

MAX_PLAIN = 10_000  # characters of a short field; bleach is superlinear in some inputs

# Controls have no place in text. Overrides and isolates make a text read differently from what
# it is. Tag characters are invisible and carry hidden instructions; after the black flag they
# spell the flags of England, Scotland and Wales.
_ODD = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f)"
    "|(?P<hidden>[\U000e0000-\U000e007f]+)"
    "|(?P<direction>[\u202a-\u202e\u2066-\u2069])"
    "|(?P<control>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff])"
)


def _show(match: re.Match[str]) -> str:
    if match["flag"]:
        return match[0]
    if match["hidden"]:
        letters = (chr(ord(sign) - 0xE0000) for sign in match[0])
        return f"‹hidden: {''.join(sign for sign in letters if sign.isprintable())}›"
    if match["direction"]:
        return f"‹U+{ord(match[0]):04X}›"
    return "\ufffd"


def visible(text: str) -> str:
    """Return `text` with everything that hides or reorders it made visible; one kind of newline."""
    if text.replace("\n", "").isprintable():
        return text  # most are, and asking costs a thirtieth of looking
    return _ODD.sub(_show, text.replace("\r\n", "\n").replace("\r", "\n"))


def plain(text: str, limit: int = MAX_PLAIN) -> str:
    """Return a title, remark or name as one line of plain text without tags, cut at `limit`.

    The answer is not escaped: the template does that.
    """
    cut = visible(text[:MAX_PLAIN])
    if "<" in cut or "&" in cut:
        cut = html.unescape(bleach.clean(cut, tags=set(), strip=True))
    line = " ".join(cut.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def safe_link(address: str) -> str:
    """Return `address` if a page may link to it (http, https, mailto), else an empty string."""
    address = "".join(sign for sign in address.strip() if sign.isprintable())
    try:
        return address if urlsplit(address).scheme.lower() in {"http", "https", "mailto"} else ""
    except ValueError:
        return ""
