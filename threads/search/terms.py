"""Finds the terms of a query in the text itself, as the index would: stems, prefixes, parts.

One way for both databases. Places are those of the text as it is, not of its plain form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import snowballstemmer

from threads.search.fold import CJK, words_of
from threads.search.match import opens_at_the_end
from threads.search.query import Phrase, Prefix, Token, Word

_TAIL = f"[^\\W_{CJK}]*"
_TAIL_PATTERN = re.compile(_TAIL)
_CJK_CHARACTER = re.compile(f"[{CJK}]")
_STEMMER = snowballstemmer.stemmer("porter")
_MOST_KNOWN = 500  # words of texts of which a term remembers whether they are meant


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
# What lower() alone makes plain: letters without accents, the dashes and quotes that assistants
# write, Chinese and its punctuation. Translating took ten times as long for the same.
_NEARLY_PLAIN = re.compile(
    "[\\x00-\\x7f\u2010-\u2015\u2018-\u201f\u2022\u2190-\u21ff\u3001-\u3002\u300a-\u300f"
    "\u4e00-\u9fff\uff01-\uff0f\uff1a-\uff1f\U0001f300-\U0001faff]*"
)


def plain_of(text: str) -> str:
    """Return `text` in lower case without accents, as many characters as it has."""
    if text.isascii() or _NEARLY_PLAIN.fullmatch(text):
        return text.lower()
    return text.translate(_PLAIN)


class Term:
    """Finds one word, phrase, prefix or token."""

    def __init__(self, node: Word | Phrase | Prefix | Token) -> None:
        self._words = words_of(node.text)
        self._is_exact = isinstance(node, Phrase)
        self._is_open = opens_at_the_end(node)
        self._known: dict[str, bool] = {}
        self.beginning = ""  # of a single word that is written with letters; else ""
        self._forms = ("", "")  # as it is written mostly
        self._pattern: re.Pattern[str] | None = None
        if len(self._words) == 1 and not _CJK_CHARACTER.match(self._words[0]):
            word = self._words[0]
            self.beginning = word if self._is_exact else _common_beginning(word)
            self._forms = (self.beginning, self.beginning.capitalize())
            return
        parts = []
        for word in self._words:
            if _CJK_CHARACTER.match(word):
                parts.append(f"({re.escape(word)})")
            elif self._is_exact:
                parts.append(f"({re.escape(word)}{_TAIL})")
            else:
                parts.append(f"({re.escape(_common_beginning(word))}{_TAIL})")
        if parts:
            self._pattern = re.compile(r"[\W_]*".join(parts))

    def next(self, text: str, plain: str, start: int = 0) -> tuple[int, int] | None:
        """Return where the term stands first in `text` from `start` on; None: nowhere.

        `plain` is plain_of(text).
        """
        if self.beginning:
            return self._next_word(text, plain, start)
        return self._next_words(text, plain, start, self._pattern) if self._pattern else None

    def all(self, text: str, plain: str, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield every place of the term from `start` on, in order."""
        place = self.next(text, plain, start)
        while place:
            yield place
            place = self.next(text, plain, place[1])

    def glance(self, text: str) -> tuple[int, int] | None:
        """Return a place that is seen at once, without the plain form; None tells nothing.

        Most words stand in a text as they were typed, or with a capital; to make a long text
        plain takes as long as all the rest of a snippet.
        """
        if not self.beginning:
            return None
        typed, capital = self._forms
        first = text.find(typed)
        # Words with a capital count where they come before.
        for at in (text.find(capital, 0, first if first >= 0 else None), first):
            if at < 0 or (at and text[at - 1].isalnum()):
                continue
            tail = _TAIL_PATTERN.match(text, at + len(typed))
            end = tail.end() if tail else at + len(typed)
            if self._known.get(text[at:end].lower()):
                return at, end
        return None

    def _next_word(self, text: str, plain: str, start: int) -> tuple[int, int] | None:
        """A plain search costs a tenth of a regular expression, and none has to be compiled."""
        beginning, length, known = self.beginning, len(self.beginning), self._known
        first = plain.find(beginning, start)
        while first >= 0:
            end = first + length
            if first == 0 or not plain[first - 1].isalnum() or _begins_word(text, plain, first):
                tail = _TAIL_PATTERN.match(plain, end)
                end = tail.end() if tail else end
                found = plain[first:end]
                is_meant = known.get(found)
                if is_meant is None:
                    if len(known) >= _MOST_KNOWN:
                        known.clear()
                    is_meant = known[found] = self._fits(self._words[0], found, is_last=True)
                if is_meant:
                    return first, end
                cut = _camel_cut(text, first, end)
                if cut and self._fits(self._words[0], plain[first:cut], is_last=True):
                    return first, cut
            first = plain.find(beginning, end)
        return None

    def _next_words(
        self, text: str, plain: str, start: int, pattern: re.Pattern[str]
    ) -> tuple[int, int] | None:
        last = len(self._words) - 1
        for match in pattern.finditer(plain, start):
            first = match.start()
            if not _begins_word(text, plain, first):
                continue
            end = match.end()
            for number, word in enumerate(self._words):
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
                return first, end
        return None

    def _fits(self, word: str, found: str, *, is_last: bool) -> bool:
        if found == word:
            return True
        if is_last and self._is_open:
            return found.startswith((word, stem(word)))
        return not self._is_exact and stem(found) == stem(word)


@lru_cache(maxsize=1_000)
def term_of(node: Word | Phrase | Prefix | Token) -> Term:
    """Return what finds `node`; remembered, as its expression takes long to compile."""
    return Term(node)


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
