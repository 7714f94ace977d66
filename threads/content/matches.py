"""Matches of a search: in snippets, and in HTML that was made safe."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable

import nh3
from django.utils.safestring import SafeString, mark_safe

from threads.content.characters import visible

# Finds matches in a text: (start, end) pairs in order, none overlapping.
Spans = Callable[[str], Iterable[tuple[int, int]]]
_MARKS_ONLY = nh3.Cleaner(tags={"mark"}, attributes={}, link_rel=None)
_PIECE = re.compile(r"<(?:\"[^\"]*\"|'[^']*'|[^'\">])*>|[^<]+")
_BLOCK = re.compile(r"</?(?:p|h\d|li|tr|t[dh]|pre|div|blockquote|ul|ol|table)\b|<(?:br|hr)\b")


def marked(fragment: str) -> SafeString:
    """Return a search's snippet as safe HTML: nothing but text and <mark> comes through."""
    return mark_safe(_MARKS_ONLY.clean(visible(fragment)))  # noqa: S308 - the allow-list is <mark>


def highlight(safe_html: str, spans: Spans) -> tuple[SafeString, int]:
    """Put <mark> around what `spans` finds in the text of `safe_html`; also count the matches.

    `spans` gets the text without tags, blocks apart by newlines. A match that crosses tags is
    marked in each of its pieces.
    """
    pieces = _PIECE.findall(safe_html)
    starts: list[int] = []
    texts: list[str] = []
    length = 0
    for piece in pieces:
        text = ("\n" if _BLOCK.match(piece) else "") if piece[0] == "<" else html.unescape(piece)
        starts.append(length)
        texts.append(text)
        length += len(text)
    found = [(start, end) for start, end in spans("".join(texts)) if start < end]
    if not found:
        return mark_safe(safe_html), 0  # noqa: S308 - safe as it came
    made: list[str] = []
    first = 0
    for piece, start, text in zip(pieces, starts, texts, strict=True):
        if piece[0] != "<":
            while first < len(found) and found[first][1] <= start:
                first += 1
        if piece[0] == "<" or first == len(found) or found[first][0] >= start + len(text):
            made.append(piece)  # as it came: most pieces have no match
            continue
        at, index = 0, first
        while index < len(found) and found[index][0] < start + len(text):
            begin, end = max(found[index][0] - start, 0), min(found[index][1] - start, len(text))
            made.append(f"{html.escape(text[at:begin])}<mark>{html.escape(text[begin:end])}</mark>")
            at, index = end, index + 1
        made.append(html.escape(text[at:]))
    return mark_safe("".join(made)), len(found)  # noqa: S308 - the tags as they came, text escaped
