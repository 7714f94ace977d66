"""Matches of a search: in snippets, and in HTML that was made safe."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate

import nh3
from django.utils.safestring import SafeString, mark_safe

from threads.content.characters import visible

# Finds matches in a text: (start, end) pairs in order, none overlapping.
Spans = Callable[[str], Iterable[tuple[int, int]]]
_MARKS_ONLY = nh3.Cleaner(tags={"mark"}, attributes={}, link_rel=None)
_TAG = re.compile(r"""(<[^'">]*(?:(?:"[^"]*"|'[^']*')[^'">]*)*>)""")
# Of tags inside a line, the frequent ones first; all others stand between lines.
_INLINE = (
    *("<span", "</span", "<code", "</code", "<strong", "</strong", "<em", "</em"),
    *("<a ", "</a", "<s>", "</s>", "<sup", "</sup"),
)


def marked(fragment: str) -> SafeString:
    """Return a search's snippet as safe HTML: nothing but text and <mark> comes through."""
    return mark_safe(_MARKS_ONLY.clean(visible(fragment)))  # noqa: S308 - the allow-list is <mark>


def highlight(safe_html: str, spans: Spans) -> tuple[SafeString, int]:
    """Put <mark> around what `spans` finds in the text of `safe_html`; also count the matches.

    `spans` gets the text without tags, blocks apart by newlines. A match that crosses tags is
    marked in each of its pieces.
    """
    pieces = _TAG.split(safe_html)  # text, tag, text, …, text
    shown = pieces.copy()  # what a reader sees of each
    shown[1::2] = ["" if tag.startswith(_INLINE) else "\n" for tag in pieces[1::2]]
    if "&" in safe_html:
        shown[::2] = [html.unescape(text) if "&" in text else text for text in pieces[::2]]
    found = [(start, end) for start, end in spans("".join(shown)) if start < end]
    starts = list(accumulate(map(len, shown), initial=0)) if found else []
    cuts: dict[int, list[tuple[int, int]]] = {}
    for start, end in found:
        index = bisect_right(starts, start) - 1
        while starts[index] < end:
            cuts.setdefault(index, []).append((start - starts[index], end - starts[index]))
            index += 1
    for index, places in cuts.items():
        if index % 2 == 0:
            pieces[index] = _with_marks(shown[index], places)
    return SafeString("".join(pieces)), len(found)  # the tags as they came, marked text escaped


def _with_marks(text: str, places: list[tuple[int, int]]) -> str:
    """Return `text` as HTML, marked at `places`, which may begin before it or end after it."""
    made, at = [], 0
    for start, end in places:
        begin = max(start, at)
        made.append(f"{html.escape(text[at:begin])}<mark>{html.escape(text[begin:end])}</mark>")
        at = min(end, len(text))
    return "".join([*made, html.escape(text[at:])])
