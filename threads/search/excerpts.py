"""Marks what matched: the lines under a result, and titles with their matches.

Works on the text itself with the tree of the query, so that it is the same for both databases.
Everything is escaped before it is marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from itertools import islice, takewhile

from threads.search.match import readings
from threads.search.query import Node, Phrase, Prefix, Token, Word
from threads.search.terms import Term, plain_of, term_of

LENGTH = 280  # characters of text in a snippet
_FRAGMENTS = 3
_BEFORE = 50  # characters shown before a match
_READ = 50_000  # characters of a message that are looked through
_FIRST = 2_000  # and of them first
_MAX_SPANS = 200  # of one term
# Stand for the marks and for what is left out until the text is escaped: in ASCII, as most texts
# are, which takes half the time.
_OPEN, _CLOSE, _CUT = "\x01", "\x02", "\x03"
_OURS = str.maketrans(dict.fromkeys((_OPEN, _CLOSE, _CUT), " "))
# What Markdown draws and nobody reads: rules, the line under a table's head, marks of headings.
_DRAWN = " \t\r|:=*_-"
_HEADING = re.compile(r"\s*#{2,6}\s+")
_FENCE = re.compile(r"\s*(?:```|~~~)[\w+#.-]*\s*")
_CELLS = re.compile(r"\s*\|\s*")
_BOLD = re.compile(r"(?<!\w)\*\*(?=[^\s*])([^*\n]+?)(?<!\s)\*\*(?!\w)")
Span = tuple[int, int, int]  # start, end, number of the term


class Marker:
    """Finds the terms of a query in texts. Made once per search, used for every row."""

    def __init__(self, terms: Iterable[Node]) -> None:
        nodes = [
            node
            for term in terms
            for node in readings(term)
            if isinstance(node, (Word, Phrase, Prefix, Token))
        ]
        self._terms = [term_of(node) for node in dict.fromkeys(nodes)]
        self._only = self._terms[0] if len(self._terms) == 1 else None

    def holds_all(self, text: str) -> bool:
        """Whether every term stands in `text`."""
        text = text[:_READ]
        plain = plain_of(text)
        return all(term.next(text, plain) is not None for term in self._terms)

    def holds_any(self, text: str) -> bool:
        """Whether a term stands in `text`; looks no further than the first."""
        text = text[:_READ]
        if any(term.glance(text) for term in self._terms):
            return True
        plain = plain_of(text)
        return any(term.next(text, plain) is not None for term in self._terms)

    def spans(self, text: str) -> list[Span]:
        """Return where terms stand, in order and without overlap."""
        text = text[:_READ]
        return self._within(text, plain_of(text), 0, len(text))

    def marked(self, text: str) -> str:
        """Return the whole of `text` as HTML with its matches marked."""
        return _as_html(_mark(text, self.spans(text)))

    def snippet(self, text: str, length: int = LENGTH) -> str:
        """Return the telling parts of `text` as HTML, some `length` characters of it."""
        return _as_html(self._line(text, length))

    def snippets(self, texts: Iterable[str]) -> list[str]:
        """Return the snippets of many texts: to escape one costs as much as to escape a page."""
        lines = [self._line(text, LENGTH) for text in texts]
        return _as_html("\n".join(lines)).split("\n") if lines else []

    def _line(self, text: str, length: int) -> str:
        """Return the telling parts of `text` on one line, for _as_html()."""
        if self._only and (line := _of_one_word(text, self._only, length)):
            return line
        places = self._first_places(text)
        if not places:
            end = _word_end(text, length)
            return f"{_mark(text[:end], [])} {_CUT}" if end < len(text) else _mark(text, [])
        windows = _windows(text, places, length)
        line = f" {_CUT} ".join([self._piece(text, *window) for window in windows])
        if windows[0][0] > 0:
            line = f"{_CUT} {line}"
        return line if windows[-1][1] >= len(text) else f"{line} {_CUT}"

    def _piece(self, text: str, start: int, end: int, places: list[Span]) -> str:
        """Return a stretch of `text` as a line; `places` are what is known to stand in it."""
        line = text[start:end]
        plain = plain_of(line)
        count = 0
        for term in self._terms:
            # Of what is no single word nothing is known without looking.
            count += plain.count(term.beginning) if term.beginning else len(places) + 1
        if count > len(places):
            # What stands around it tells where words begin and end.
            around = max(0, start - 1)
            part = text[around : end + _BEFORE]
            places = self._within(part, plain_of(part), start - around, end - around)
            start = start - around
        return _mark(line, [(first - start, last - start, term) for first, last, term in places])

    def _within(self, text: str, plain: str, start: int, end: int) -> list[Span]:
        """Return what lies whole between `start` and `end`, in order and without overlap."""
        found: list[Span] = []
        for number, term in enumerate(self._terms):
            places = islice(term.all(text, plain, start), _MAX_SPANS)
            found += [(*place, number) for place in takewhile(lambda one: one[1] <= end, places)]
        return found if len(self._terms) < 2 else _apart(found)

    def _first_places(self, text: str) -> list[Span]:
        """Return a place of every term that has one, the first it mostly has, in order."""
        found: list[Span] = []
        missing: list[tuple[int, Term]] = []
        for number, term in enumerate(self._terms):
            if (place := term.glance(text)) and place[1] <= _READ:
                found.append((*place, number))
            else:
                missing.append((number, term))
        for size in (_FIRST, _READ):
            if not missing:
                break
            read = text[:size]
            plain = plain_of(read)
            is_cut = len(read) < len(text)
            still = []
            for number, term in missing:
                place = term.next(read, plain)
                # At the edge the word may go on.
                if place and not (is_cut and place[1] == len(read)):
                    found.append((*place, number))
                else:
                    still.append((number, term))
            missing = still if is_cut else []
        return _apart(found)


def _apart(spans: list[Span]) -> list[Span]:
    """Return `spans` in order and without those that lie in others."""
    if len(spans) < 2:
        return spans
    spans.sort(key=lambda span: (span[0], -span[1]))
    kept = spans[:1]
    for span in spans[1:]:
        if span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _of_one_word(text: str, term: Term, length: int) -> str:
    """Return the line where a single word is seen at once; "" where it is not.

    Most snippets are such ones. It is written out in one piece because a page has twenty to
    sixty of them, and calls took more time than the work.
    """
    place = term.glance(text)
    if place is None:
        return ""
    at, end = place
    start, last = 0, len(text)
    if last > length:
        if at > _BEFORE:
            start = text.rfind(" ", max(0, at - _BEFORE - 20), at - _BEFORE) + 1
            if not start:
                return ""
        last = max(end, start + length)
        last = text.find(" ", last, last + 20) if last < len(text) else len(text)
        if last < 0:
            return ""
    line = text[start:last]
    plain = line.lower() if line.isascii() else plain_of(line)
    if plain.count(term.beginning) == 1:
        line = _mark(line, [(at - start, end - start, 0)])
    else:
        line = _mark(line, [(*found, 0) for found in term.all(line, plain)])
    if start:
        line = f"{_CUT} {line}"
    return f"{line} {_CUT}" if last < len(text) else line


def _windows(text: str, places: list[Span], length: int) -> list[tuple[int, int, list[Span]]]:
    """Choose up to three stretches around the first places of the terms, with these places.

    A single term shows its first place broadly; several show one place each.
    """
    if len(text) <= length:
        return [(0, len(text), places)]
    chosen = places[:_FRAGMENTS]
    size = length // len(chosen)
    windows: list[tuple[int, int, list[Span]]] = []
    for place in chosen:
        start, end, _term = place
        first = start - min(_BEFORE, max(0, size - (end - start)) // 2)
        first = _word_start(text, first) if first > 0 else 0
        last = _word_end(text, max(end, first + size))
        if windows and first <= windows[-1][1]:
            begun, reached, inside = windows[-1]
            windows[-1] = (begun, max(last, reached), [*inside, place])
        else:
            windows.append((first, last, [place]))
    return windows


def _word_start(text: str, place: int) -> int:
    """Move `place` a little back to a space, so that no word is cut."""
    if place <= 0:
        return 0
    space = text.rfind(" ", max(0, place - 20), place)
    return space + 1 if space >= 0 else place


def _word_end(text: str, place: int) -> int:
    if place >= len(text):
        return len(text)
    space = text.find(" ", place, place + 20)
    return space if space >= 0 else place


def _mark(line: str, spans: list[Span]) -> str:
    """Return `line` on one line, with `spans` between _OPEN and _CLOSE."""
    # Asking is cheaper than splitting, and most stretches are on one line.
    is_tidy = line.isprintable()
    if not is_tidy and (_OPEN in line or _CLOSE in line or _CUT in line):
        line = line.translate(_OURS)
    for first, last, _term in reversed(spans):
        line = f"{line[:first]}{_OPEN}{line[first:last]}{_CLOSE}{line[last:]}"
    if not is_tidy:
        if "|" in line or "##" in line or "---" in line or "```" in line or "~~~" in line:
            line = "\n".join([_read_aloud(each) for each in line.split("\n")])
        line = " ".join(line.split())
    if "**" in line:
        line = _BOLD.sub(r"\1", line)
    return line.strip()


def _read_aloud(line: str) -> str:
    """Return a line of Markdown without what only draws; a row of a table with dots between."""
    if not line.strip(_DRAWN) or _FENCE.fullmatch(line):
        return ""
    row = line.strip()
    if row.startswith("|") and row.count("|") > 1:
        return _CELLS.sub(" · ", row.strip("| "))
    return _HEADING.sub("", line, count=1) if row.startswith("##") else line


def _as_html(line: str) -> str:
    html = escape(line).replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")
    return html.replace(_CUT, "…")
