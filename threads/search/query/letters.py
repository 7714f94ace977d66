"""Which characters make words, for every part that reads or writes a query."""

from __future__ import annotations

import re
import unicodedata

# Kana, CJK ideographs and Hangul: scripts whose words are not set apart by spaces.
_CJK = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)
QUOTES = '"“”„'


def has_cjk(text: str) -> bool:
    return _CJK.search(text) is not None


def has_letters(text: str) -> bool:
    """Whether there is anything in `text` that an index of words can find."""
    return any(character.isalnum() for character in text)


def is_letter(character: str) -> bool:
    """Whether it belongs to a word: letters, digits and the marks that stand on them."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def is_word(text: str) -> bool:
    return has_letters(text) and all(map(is_letter, text))


def trim(text: str) -> tuple[str, str]:
    """Return `text` without what is not a letter at its ends, and what stood behind."""
    start, end = 0, len(text)
    while start < end and not is_letter(text[start]):
        start += 1
    while end > start and not is_letter(text[end - 1]):
        end -= 1
    return text[start:end], text[end:]


def quote(text: str) -> str:
    """Write `text` in quotes so that the parser reads the same text again."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """Undo what `quote` does inside the quotes; other backslashes stay, as in C:\\temp."""
    return re.sub(r'\\(["\\])', r"\1", text)
