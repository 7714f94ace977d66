"""Text for spreadsheet cells that no spreadsheet will compute. Pure.

A cell that begins with a sign such as = is run as a formula by Excel, LibreOffice or Google
Sheets, and an archive is full of text by strangers. The rule follows OWASP's page on CSV
injection and ASVS 5.0 V1.2.10: such text gets an apostrophe in front. It can be taken off again:
text that begins with apostrophes and then a sign gets one more, so `original_text` is exact.

Excel keeps at most 32,767 UTF-16 units in a cell. Longer text is cut with a note; the exact text
is in the JSONL export.
"""

from __future__ import annotations

import re

MAX_UTF16_UNITS = 32_767
CUT_NOTE = " … [cut here, the whole text is in the JSONL export]"

# What XML 1.0 cannot hold, and the halves of surrogate pairs.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Characters that show nothing or that spreadsheets skip when they look for a formula.
_INVISIBLE = (
    r"\s\x00-\x20\x7f-\xa0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffd"
)
# The signs, with their full-width and small forms, and mathematical minus.
_SIGNS = r"=+\-@|%＝＋－＠％｜﹦﹢﹣﹫﹪−﬩⁺⁻⁼₊₋₌"
_TRIGGER = re.compile(rf"'*(?:[{_INVISIBLE}]*[{_SIGNS}]|[\t\n])")
_QUOTED_TRIGGER = re.compile(rf"'+(?:[{_INVISIBLE}]*[{_SIGNS}]|[\t\n])")


def clean(text: str) -> str:
    """Replace what a spreadsheet file cannot hold by U+FFFD, and line ends by a newline."""
    return _NOT_XML.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def cut(text: str, limit: int = MAX_UTF16_UNITS) -> str:
    """Shorten `text` to `limit` UTF-16 units, never inside a character, with a note at the end."""
    if len(text) * 2 <= limit or len(text.encode("utf-16-le", "replace")) // 2 <= limit:
        return text
    room = limit - len(CUT_NOTE)
    head = text.encode("utf-16-le", "replace")[: room * 2].decode("utf-16-le", "ignore")
    return head + CUT_NOTE


def safe_text(text: str) -> str:
    """Return `text` as a cell may hold it: clean, short enough, and never a formula."""
    text = clean(text)
    return cut("'" + text if _TRIGGER.match(text) else text)


def original_text(cell: str) -> str:
    """Take off the apostrophe that `safe_text` put in front."""
    return cell[1:] if _QUOTED_TRIGGER.match(cell) else cell
