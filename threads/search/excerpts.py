"""Marks what matched: the lines under a result, and titles with their matches.

Works on the text itself with the tree of the query, so that it is the same for both databases
and knows stems, prefixes, phrases, parts of camelCase and CJK. Everything is escaped first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape
from itertools import islice

import snowballstemmer

from threads.search.fold import CJK, words_of
from threads.search.match import opens_at_the_end, readings
from threads.search.query import Node, Phrase, Prefix, Token, Word

LENGTH = 280  # characters of text in a snippet
_FRAGMENTS = 3
_BEFORE = 50  # characters shown before a match
_READ = 50_000  # characters of a message that are looked through
_FIRST = 2_000  # and of them first
_MAX_SPANS = 200  # of one term
_OPEN, _CLOSE = "\ue000", "\ue001"  # stand for the marks until the text is escaped
_TAIL = f"[^\\W_{CJK}]*"
_TAIL_PATTERN = re.compile(_TAIL)
_CJK_CHARACTER = re.compile(f"[{CJK}]")
_STEMMER = snowballstemmer.stemmer("porter")
Span = tuple[int, int, int]  # start, end, number of the term


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    return str(_STEMMER.stemWord(word)) or word  # of "s" nothing would be left


class _Plain(dict[int, str]):
    """For str.translate: a character's base in lower case, one for one, so that places stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        base = unicodedata.normalize("NFKD", character)
        # Hangul falls apart into letters, which the index does not know.
        plain = character if "\uac00" <= character <= "\ud7af" else (base[:1] or character)
        plain = plain.lower()[:1] or character
        self[code] = plain
        return plain


_PLAIN = _Plain()


def _plain(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_PLAIN)


class _Term:
    """Finds one word, phrase, prefix or token."""

    def __init__(self, node: Word | Phrase | Prefix | Token) -> None:
        self.words = words_of(node.text)
        self.is_exact = isinstance(node, Phrase)
        self.is_open = opens_at_the_end(node)
        self.beginning = ""  # of a single word that is written with letters
        self.pattern: re.Pattern[str] | None = None
        if len(self.words) == 1 and not _CJK_CHARACTER.match(self.words[0]):
            word = self.words[0]
            self.beginning = word if self.is_exact else _common_beginning(word)
            return
        parts = []
        for word in self.words:
            if _CJK_CHARACTER.match(word):
                parts.append(f"({re.escape(word)})")
            elif self.is_exact:
                parts.append(f"({re.escape(word)}{_TAIL})")
            else:
                parts.append(f"({re.escape(_common_beginning(word))}{_TAIL})")
        if parts:
            self.pattern = re.compile(r"[\W_]*".join(parts))

    def spans(self, text: str, plain: str) -> Iterator[tuple[int, int]]:
        """Return where the term stands in `text`, of which `plain` is the plain form."""
        if self.beginning:
            return self._single(text, plain)
        return self._several(text, plain, self.pattern) if self.pattern else iter(())

    def _single(self, text: str, plain: str) -> Iterator[tuple[int, int]]:
        """A plain search costs a tenth of a regular expression, and none has to be compiled."""
        beginning, length = self.beginning, len(self.beginning)
        start = plain.find(beginning)
        while start >= 0:
            end = start + length
            if _begins_word(text, plain, start):
                tail = _TAIL_PATTERN.match(plain, end)
                end = tail.end() if tail else end
                if self._fits(self.words[0], plain[start:end], is_last=True):
                    yield start, end
                elif (cut := _camel_cut(text, start, end)) and self._fits(
                    self.words[0], plain[start:cut], is_last=True
                ):
                    end = cut
                    yield start, end
            start = plain.find(beginning, end)

    def _several(
        self, text: str, plain: str, pattern: re.Pattern[str]
    ) -> Iterator[tuple[int, int]]:
        last = len(self.words) - 1
        for match in pattern.finditer(plain):
            start = match.start()
            if not _begins_word(text, plain, start):
                continue
            end = match.end()
            for number, word in enumerate(self.words):
                found = match[number + 1]
                if self._fits(word, found, is_last=number == last):
                    continue
                if number == last and (cut := _camel_cut(text, match.start(number + 1), end)):
                    found = plain[match.start(number + 1) : cut]
                    if self._fits(word, found, is_last=True):
                        end = cut
                        continue
                break
            else:
                yield start, end

    def _fits(self, word: str, found: str, *, is_last: bool) -> bool:
        if found == word:
            return True
        if is_last and self.is_open:
            return found.startswith((word, stem(word)))
        return not self.is_exact and stem(found) == stem(word)


@lru_cache(maxsize=1_000)
def _term(node: Word | Phrase | Prefix | Token) -> _Term:
    return _Term(node)


def _common_beginning(word: str) -> str:
    """What every word of the same stem begins with: stems end in another letter now and then."""
    base = stem(word)
    return base[:-1] if len(base) > 3 and (base[-1] in "ie" or base.endswith("bl")) else base


def _begins_word(text: str, plain: str, start: int) -> bool:
    if start == 0:
        return True
    before, here = text[start - 1], text[start]
    if not before.isalnum() or _CJK_CHARACTER.match(plain[start - 1]):
        return True
    return (
        (here.isupper() and not before.isupper())
        or bool(_CJK_CHARACTER.match(here))
        or (here.isdigit() and before in "vV")
    )


def _camel_cut(text: str, start: int, end: int) -> int | None:
    """Return where the first part of a camelCase word ends."""
    for place in range(start + 1, end):
        if text[place].isupper() and text[place - 1].islower():
            return place
    return None


class Marker:
    """Finds the terms of a query in texts. Made once per search, used for every row."""

    def __init__(self, terms: Iterable[Node]) -> None:
        nodes = [
            node
            for term in terms
            for node in readings(term)
            if isinstance(node, (Word, Phrase, Prefix, Token))
        ]
        self._terms = [_term(node) for node in dict.fromkeys(nodes)]

    def holds_all(self, text: str) -> bool:
        """Whether every term stands in `text`."""
        text = text[:_READ]
        plain = _plain(text)
        return all(next(term.spans(text, plain), None) is not None for term in self._terms)

    def spans(self, text: str) -> list[Span]:
        """Return where terms stand, in order and without overlap."""
        text = text[:_READ]
        plain = _plain(text)
        found: list[Span] = []
        for number, term in enumerate(self._terms):
            for start, end in islice(term.spans(text, plain), _MAX_SPANS):
                found.append((start, end, number))
        if len(found) < 2:
            return found
        found.sort(key=lambda span: (span[0], -span[1]))
        kept: list[Span] = []
        for span in found:
            if not kept or span[0] >= kept[-1][1]:
                kept.append(span)
        return kept

    def marked(self, text: str) -> str:
        """Return the whole of `text` as HTML with its matches marked."""
        return _mark(text, self.spans(text), 0, len(text))

    def snippet(self, text: str, length: int = LENGTH) -> str:
        """Return the telling parts of `text` as HTML, some `length` characters of it."""
        if len(text) <= length:
            return _mark(text, self.spans(text), 0, len(text)).strip()
        spans = self._leading(text)
        if not spans:
            end = _word_end(text, length)
            return f"{_mark(text, [], 0, end).strip()} …"
        windows = _windows(text, spans, length)
        pieces = []
        for start, end in windows:
            # With what stands around it, so that the words at its edges are whole.
            first, last = max(0, start - _BEFORE), end + _BEFORE
            inside = [
                (begin + first, stop + first, term)
                for begin, stop, term in self.spans(text[first:last])
            ]
            pieces.append(_mark(text, inside, start, end).strip())
        snippet = " … ".join(pieces)
        if windows[0][0] > 0:
            snippet = f"… {snippet}"
        return snippet if windows[-1][1] >= len(text) else f"{snippet} …"

    def _leading(self, text: str) -> list[Span]:
        """Return the first place of every term; the beginning of a long text mostly has it."""
        text = text[:_READ]
        parts = (text[:_FIRST], text) if len(text) > _FIRST else (text,)
        found: list[Span] = []
        missing = list(enumerate(self._terms))
        for part in parts:
            if not missing:
                break
            plain = _plain(part)
            is_cut = len(part) < len(text)
            still: list[tuple[int, _Term]] = []
            for number, term in missing:
                place = next(term.spans(part, plain), None)
                # At the edge the word may go on.
                if place is None or (is_cut and place[1] == len(part)):
                    still.append((number, term))
                else:
                    found.append((*place, number))
            missing = still
        return sorted(found)


def _windows(text: str, spans: list[Span], length: int) -> list[tuple[int, int]]:
    """Choose up to three stretches around the first places of the terms."""
    # A single term shows its first place broadly; several show one place each.
    chosen = spans[:_FRAGMENTS]
    size = length // len(chosen)
    windows: list[tuple[int, int]] = []
    for start, end, _term in chosen:
        first = max(0, start - min(_BEFORE, max(0, size - (end - start)) // 2))
        last = min(len(text), max(end, first + size))
        first, last = _word_start(text, first), _word_end(text, last)
        if windows and first <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(last, windows[-1][1]))
        else:
            windows.append((first, last))
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


def _mark(text: str, spans: list[Span], start: int, end: int) -> str:
    """Return the stretch as HTML on one line; what is to be marked must lie in it whole."""
    if _OPEN in text or _CLOSE in text:
        text = text.replace(_OPEN, " ").replace(_CLOSE, " ")
    pieces, at = [], start
    for first, last, _term in spans:
        if first < at or last > end:
            continue
        pieces += [text[at:first], _OPEN, text[first:last], _CLOSE]
        at = last
    pieces.append(text[at:end])
    # Escaped at once: it costs as much for a word as for a page.
    line = escape(" ".join("".join(pieces).split()))
    return line.replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>") if at > start else line
