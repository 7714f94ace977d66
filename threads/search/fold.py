"""One way to write text before it is indexed, and the same for the words people type.

Registered as the SQL function `th_fold` on SQLite, where triggers call it; PostgreSQL has the
same in SQL (postgres_schema.py). The databases' tokenizers then take care of case, accents and
stems.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase, digits

# A change of the words that fold() returns makes every index stale: raise it (see setup.py).
FOLD_VERSION = 2

# Kana, CJK ideographs and Hangul: written without spaces, so each character becomes a word and
# a run of them a phrase. NFKC has made the half-width forms whole before.
CJK = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# Signs between them are set apart as well, which is the same to the index: runs are longer so. To
# set one apart makes an object of every character, 70 bytes each, hence not of all at once.
_CJK_RUN = re.compile(
    f"[{CJK}][{CJK}\\x00-/:-@\\[-`{{-\\x7f\u00b7\u2010-\u2015\u2018-\u201f\u2026\u3001-\u3003"
    "\u3008-\u3011\uff01-\uff0f\uff1a-\uff20]{0,999}"
)
_CAMEL = re.compile(r"[A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*")
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_VERSION = re.compile(r"\b([vV])(?=[0-9])")
_LONGEST_CAMEL = 64  # beyond it is a hash or base64, whose parts nobody looks for
# What stays as it is, or is punctuation in any form: English and Chinese. To look so takes 1 µs
# for 400 characters, to put them into their compatible forms 50.
_COMPATIBLE = re.compile(
    "[\x00-\x7f\u00b7\u2010-\u2015\u2018-\u201f\u2022\u2026\u3001-\u3002\u3008-\u3011"
    "\u4e00-\u9fff\uff01-\uff0f\uff1a-\uff20]*"
)


def _table(kinds: dict[str, str]) -> bytes:
    """Return a byte table that keeps of each character only its kind, a space for the others."""
    table = bytearray(b" " * 256)
    for kind, characters in kinds.items():
        for character in characters:
            table[ord(character)] = ord(kind)
    return bytes(table)


_CASES = _table({"a": ascii_lowercase, "A": ascii_uppercase, "1": digits})
_VERSIONS = _table({"v": "vV", "1": digits})


def fold(text: str | None) -> str:
    """Return `text` as the index wants it: full-width and ligatures plain, CJK set apart.

    `v3` becomes `v 3`; the parts of camelCase words are added at the end, so that both the
    whole and its parts are found. Most English text comes back as it is, which costs 3 µs
    for 400 characters; looking by regular expression took 12.
    """
    if not text:
        return ""
    if not text.isascii():
        text = spread(text)
    encoded = text.encode("utf-8", "replace")
    if b"v1" in encoded.translate(_VERSIONS):
        text = _VERSION.sub(r"\1 ", text)
        encoded = text.encode("utf-8", "replace")
    cases = encoded.translate(_CASES)
    if b"aA" not in cases:
        return text
    parts = [part for word in _camel_words(encoded, cases) for part in camel_parts(word)]
    return f"{text} {' '.join(parts)}" if parts else text


def _camel_words(text: bytes, cases: bytes) -> Iterator[str]:
    """Yield the camelCase words of a text whose kinds of characters are `cases`.

    A tenth of the time that a regular expression takes, which looks at every word.
    """
    end = 0
    while (at := cases.find(b"aA", end)) >= 0:
        start = cases.rfind(b" ", 0, at) + 1
        end = cases.find(b" ", at)
        end = len(cases) if end < 0 else end
        if end - start <= _LONGEST_CAMEL:
            yield text[start:end].decode()


@lru_cache(maxsize=10_000)
def camel_parts(word: str) -> tuple[str, ...]:
    """Return the words inside a camelCase word, from two letters on; () when it is none."""
    parts = _CAMEL_PART.findall(word) if _CAMEL.fullmatch(word) else ()
    return tuple(part for part in parts if len(part) > 1) if len(parts) > 1 else ()


def spread(text: str) -> str:
    """Return `text` in compatible forms, with a space around every CJK character."""
    if not (_COMPATIBLE.fullmatch(text) or unicodedata.is_normalized("NFKC", text)):
        text = unicodedata.normalize("NFKC", text)
    return _CJK_RUN.sub(_set_apart, text)


def _set_apart(run: re.Match[str]) -> str:
    return f" {' '.join(run[0])} "


def fold_query(text: str) -> str:
    """Return typed `text` so that it meets what fold() made of the same text.

    Without the parts of camelCase, which are beside a text's words and not instead of them.
    """
    if not text.isascii():
        text = spread(text)
    return _VERSION.sub(r"\1 ", text)


def words_of(text: str) -> list[str]:
    """Return the words of typed `text` as the index knows them: lower case, no accents."""
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", fold_query(text).lower())
        if not unicodedata.combining(character)
    )
    # NFKD took Hangul syllables apart; the index has them whole.
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", bare))
