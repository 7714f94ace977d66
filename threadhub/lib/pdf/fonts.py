"""Which font shows which character: xhtml2pdf itself looks for no other font than the one named."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfbase.ttfonts import TTFont
from xhtml2pdf import default
from xhtml2pdf.context import pisaContext
from xhtml2pdf.util import shape_frag_text

_FOLDER = Path(__file__).with_name("typefaces")
TEXT, BOLD, CODE, EMOJI = "th-text", "th-text-bold", "th-code", "th-emoji"
# In the order in which they are asked for a character that the text's own font lacks.
_OTHERS = {
    "th-cjk": "DroidSansFallbackFull.ttf",
    "th-hangul": "NotoSansKR-Hangul.ttf",
    EMOJI: "NotoEmoji.ttf",
}
_REPLACEMENT = "\u25af"  # ▯, for what none of them has
_PICTURES = 0x1F000  # where emoji begin
# Every font that is used for text has what is below U+0180.
_LATIN_OR_NOT = re.compile("(?P<latin>[\x00-\u017f]+)|[^\x00-\u017f]+")


def _to_unicode(name: str, subset: list[int]) -> str:
    """Return the table by which a reader copies text out of the page (PDF 32000-1, 9.10.3).

    reportlab writes what lies beyond U+FFFF, such as emoji, in a form that is none of UTF-16. The
    spaces of code, which must not break, are copied as ordinary ones.
    """
    signs = [f"<{index:02X}> <{_utf16(code)}>" for index, code in enumerate(subset)]
    return "\n".join(
        [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            f"/CIDSystemInfo << /Registry ({name}) /Ordering ({name}) /Supplement 0 >> def",
            f"/CMapName /{name} def /CMapType 2 def",
            f"1 begincodespacerange <00> <{len(subset) - 1:02X}> endcodespacerange",
            *(
                line
                for start in range(0, len(signs), 100)
                for part in [signs[start : start + 100]]
                for line in [f"{len(part)} beginbfchar", *part, "endbfchar"]
            ),
            "endcmap CMapName currentdict /CMap defineresource pop end end",
        ]
    )


def _utf16(code: int) -> str:
    sign = " " if code == 0xA0 else chr(code)
    return sign.encode("utf-16-be", "replace").hex().upper()


ttfonts.makeToUnicodeCMap = _to_unicode


def _register(name: str, file: str, *, bold: str = "") -> TTFont:
    font = TTFont(name, str(_FOLDER / file))
    pdfmetrics.registerFont(font)
    bold = bold or name
    for is_bold in (0, 1):
        for is_italic in (0, 1):
            addMapping(name, is_bold, is_italic, bold if is_bold else name)
    default.DEFAULT_FONT[name] = name
    return font


class Fonts:
    """Loads a font when the first character needs it, and counts what none of them shows."""

    def __init__(self) -> None:
        self._loaded: dict[str, TTFont] = {
            BOLD: _register(BOLD, "DejaVuSans-Bold.ttf"),
            TEXT: _register(TEXT, "DejaVuSans.ttf", bold=BOLD),
            CODE: _register(CODE, "DejaVuSansMono.ttf"),
        }
        self.missing: dict[str, int] = {}
        self._font_of = lru_cache(maxsize=65_536)(self._find)

    def _has(self, name: str, code: int) -> bool:
        if name not in self._loaded:
            self._loaded[name] = _register(name, _OTHERS[name])
        return code in self._loaded[name].face.charToGlyph

    def load_all(self) -> None:
        """Load what a later text may need; a twelfth of a second."""
        for name in _OTHERS:
            self._has(name, 0)

    def _find(self, character: str, font: str) -> str | None:
        """Return the name of the font that shows it, `font` where it can; None when none does."""
        code = ord(character)
        if code >= _PICTURES and self._has(EMOJI, code):
            return EMOJI  # all from one hand, though the text's font has some of them
        own = font if font in self._loaded else TEXT
        return next((name for name in (own, TEXT, *_OTHERS) if self._has(name, code)), None)

    def runs(self, text: str, font: str) -> list[tuple[str, str]]:
        """Cut `text` into runs, each with the font that shows it; `font` where that can.

        What no font has becomes ▯ and is counted, but for what shows nothing by itself.
        """
        made: list[tuple[str, str]] = []
        for piece in _LATIN_OR_NOT.finditer(text):
            if piece["latin"] is not None:
                _append(made, piece.group(), font)
                continue
            for character in piece.group():
                other = self._font_of(character, font)
                if other is None and _shows_nothing(character):
                    continue
                if other is None:
                    self.missing[character] = self.missing.get(character, 0) + 1
                    character, other = _REPLACEMENT, font  # noqa: PLW2901
                _append(made, character, other)
        return made

    def install(self) -> None:
        """Let every text that this process lays out be cut so.

        xhtml2pdf could look for the glyphs of each character itself, in fonts that are all
        loaded, and names no font for what none has.
        """

        def by_coverage(_context: Any, fragment: Any) -> list[Any]:
            text = getattr(fragment, "text", "")
            if not text or not isinstance(text, str) or text.isascii():
                return [fragment]
            # xhtml2pdf joins Arabic letters but in code; what is joined it leaves as it is.
            text = shape_frag_text(text, fragment.fontName) or text
            runs = self.runs(text, fragment.fontName)
            return [fragment.clone(text=run, fontName=font) for run, font in runs] or [
                fragment.clone(text="")
            ]

        pisaContext._byCoverage = by_coverage


def _shows_nothing(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _append(made: list[tuple[str, str]], text: str, font: str) -> None:
    """Add a run, or lengthen the last one; spaces go with the font before them."""
    if made and (made[-1][1] == font or text.isspace()):
        made[-1] = (made[-1][0] + text, made[-1][1])
    else:
        made.append((text, font))
