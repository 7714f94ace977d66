"""Text for spreadsheet cells that no spreadsheet will compute. Pure.

A cell that begins with a sign such as = is run as a formula by Excel, LibreOffice or Google
Sheets, and an archive is full of text by strangers. The rule follows OWASP's page on CSV
injection and ASVS 5.0 V1.2.10: such text gets an apostrophe in front. So does, in a CSV, what a
spreadsheet would turn into a number, an amount or a date: it has no types, and `0012` would come
back as 12. The apostrophe can be taken off again: text that begins with apostrophes and then any
of that gets one more, so `original_text` is exact.

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
_FORMULA = rf"(?:[{_INVISIBLE}]*[{_SIGNS}]|[\t\n])"
# Digits with what stands around them in numbers, amounts, dates and times, and nothing else.
_MONTH = "jan|feb|mar|apr|may|mai|jun|jul|aug|sep|sept|okt|oct|nov|dec|dez"
_NUMBER = (
    r"(?i:(?=[^\n]{0,40}\Z)(?=\D*\d)"
    rf"(?:[\d\s.,:/'’%()–€$£¥₩₹年月日時时分秒ETZ-]|[ap]\.?m\.?|(?:{_MONTH})[a-z]{{0,6}}+)++\Z"
    r"|(?:true|false)\Z)"
)
_TRIGGER = re.compile(rf"'*{_FORMULA}|'+{_NUMBER}")
_READ_AS_NUMBER = re.compile(_NUMBER)
_QUOTED = re.compile(rf"'+(?:{_FORMULA}|{_NUMBER})")


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


def safe_text(text: str, *, is_typed: bool = False) -> str:
    """Return `text` as a cell may hold it: clean, short enough, and never a formula.

    :param is_typed: the file says that this cell is a text, so it may look like a number.
    """
    text = clean(text)
    is_read = _TRIGGER.match(text) or (not is_typed and _READ_AS_NUMBER.match(text))
    return cut("'" + text if is_read else text)


def original_text(cell: str) -> str:
    """Take off the apostrophe that `safe_text` put in front."""
    return cell[1:] if _QUOTED.match(cell) else cell
