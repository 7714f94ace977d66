"""One way to write text before it is indexed, and the same for the words people type.

Registered as the SQL function `th_fold` on SQLite, where triggers call it; PostgreSQL has the
same in SQL (postgres.py). The databases' tokenizers then take care of case, accents and stems.
"""

from __future__ import annotations

import re
import unicodedata

# A change of what fold() returns makes every index stale: raise it (see setup.py).
FOLD_VERSION = 1

# Kana, CJK ideographs and Hangul: written without spaces, so each character becomes a word and
# a run of them a phrase. NFKC has made the half-width forms whole before.
CJK = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_CJK_RUN = re.compile(f"[{CJK}]+")
_CAMEL = re.compile(r"[A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*")
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_VERSION = re.compile(r"\b([vV])(?=[0-9])")
_LONGEST_CAMEL = 64  # beyond it is a hash or base64, whose parts nobody looks for


def _shapes() -> bytes:
    """A byte table that keeps of each character only what decides whether fold() has work."""
    table = bytearray(b" " * 256)
    for code in range(ord("a"), ord("z") + 1):
        table[code] = ord("a")
    for code in range(ord("A"), ord("Z") + 1):
        table[code] = ord("A")
    for code in range(ord("0"), ord("9") + 1):
        table[code] = ord("1")
    table[ord("v")] = table[ord("V")] = ord("v")
    return bytes(table)


_SHAPES = _shapes()


def fold(text: str | None) -> str:
    """Return `text` as the index wants it: full-width and ligatures plain, CJK set apart.

    `v3` becomes `v 3`; the parts of camelCase words are added at the end, so that both the
    whole and its parts are found. Most English text comes back as it is, which costs 1 µs
    for 400 characters; looking by regular expression took 12.
    """
    if not text:
        return ""
    if not text.isascii():
        text = spread(text)
    shape = text.encode("utf-8", "replace").translate(_SHAPES)
    if b"v1" in shape:
        text = _VERSION.sub(r"\1 ", text)
    if b"aA" in shape or b"vA" in shape:
        parts = [
            part
            for word in _CAMEL.findall(text)
            if len(word) <= _LONGEST_CAMEL
            for part in camel_parts(word)
        ]
        if parts:
            text = f"{text} {' '.join(parts)}"
    return text


def camel_parts(word: str) -> list[str]:
    """Return the words inside a camelCase word, from two letters on; [] when it is none."""
    parts = _CAMEL_PART.findall(word) if _CAMEL.fullmatch(word) else []
    return [part for part in parts if len(part) > 1] if len(parts) > 1 else []


def spread(text: str) -> str:
    """Return `text` in compatible forms, with a space around every CJK character."""
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    # By runs: in a text with a few such characters nothing is done to the others.
    return _CJK_RUN.sub(_set_apart, text)


def _set_apart(run: re.Match[str]) -> str:
    return f" {'  '.join(run[0])} "


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
