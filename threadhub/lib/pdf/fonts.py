"""Which font shows which character: xhtml2pdf itself looks for no other font than the one named."""

from __future__ import annotations

import html
import unicodedata
from functools import lru_cache
from pathlib import Path

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfbase.ttfonts import TTFont
from xhtml2pdf import default

from threadhub.lib.pdf.blocks import pieces

_FOLDER = Path(__file__).with_name("typefaces")
TEXT, CODE = "th-text", "th-code"
# In the order in which they are asked for a character that the text's own font lacks.
_OTHERS = {
    "th-cjk": "DroidSansFallbackFull.ttf",
    "th-hangul": "NotoSansKR-Hangul.ttf",
    "th-emoji": "NotoEmoji.ttf",
}
_REPLACEMENT = "\u25af"  # ▯, for what none of them has
_LATIN = 0x250  # every font that is used for text has what is below


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


def _register(name: str, file: str, bold_file: str | None = None) -> TTFont:
    font = TTFont(name, str(_FOLDER / file))
    pdfmetrics.registerFont(font)
    bold = name
    if bold_file:
        bold = f"{name}-bold"
        pdfmetrics.registerFont(TTFont(bold, str(_FOLDER / bold_file)))
    for is_bold in (0, 1):
        for is_italic in (0, 1):
            addMapping(name, is_bold, is_italic, bold if is_bold else name)
    default.DEFAULT_FONT[name] = name
    return font


class Fonts:
    """Loads a font when the first character needs it, and counts what none of them shows."""

    def __init__(self) -> None:
        self._text = _register(TEXT, "DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
        self._code = _register(CODE, "DejaVuSansMono.ttf")
        self._loaded: dict[str, TTFont] = {}
        self.missing: dict[str, int] = {}
        self._font_of = lru_cache(maxsize=65_536)(self._find)

    def _find(self, character: str, in_code: bool) -> str | None:
        """Return the name of a font, "" for the one in use, None when there is none."""
        code = ord(character)
        own = self._code if in_code else self._text
        if code < _LATIN or code in own.face.charToGlyph:
            return ""
        if in_code and code in self._text.face.charToGlyph:
            return TEXT
        for name, file in _OTHERS.items():
            if name not in self._loaded:
                self._loaded[name] = _register(name, file)
            if code in self._loaded[name].face.charToGlyph:
                return name
        return None

    def _runs(self, text: str, *, in_code: bool) -> str:
        made: list[str] = []
        current: str = ""
        run: list[str] = []

        def close() -> None:
            escaped = html.escape("".join(run), quote=False)
            made.append(f'<span class="{current}">{escaped}</span>' if current else escaped)
            run.clear()

        for character in text:
            font = self._font_of(character, in_code)
            if font is None:
                if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
                    continue  # joiners and selectors, which show nothing by themselves
                self.missing[character] = self.missing.get(character, 0) + 1
                character, font = _REPLACEMENT, ""  # noqa: PLW2901
            if font != current and not (font == "" and character.isspace()):
                close()
                current = font
            run.append(character)
        close()
        return "".join(made)

    def apply(self, markup: str) -> str:
        """Return `markup` with a span around each run that needs another font."""
        if markup.isascii() and "&" not in markup:
            return markup
        depth = 0
        made = []
        for piece in pieces(markup):
            if piece[0] == "<":
                if piece.startswith(("<pre", "<code")):
                    depth += 1
                elif piece.startswith(("</pre", "</code")):
                    depth -= 1
                made.append(piece)
            elif piece.isascii() and "&" not in piece:
                made.append(piece)
            else:
                made.append(self._runs(html.unescape(piece), in_code=depth > 0))
        return "".join(made)
