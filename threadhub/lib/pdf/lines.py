"""Breaks paragraphs into lines: between words, and between the signs of scripts without spaces.

xhtml2pdf breaks at spaces alone, or everywhere, and loses text where a paragraph of the second
kind crosses a page. It also compares the style of each word with that of the word before it, and
measures each sign of a long word again and again: half of the time of a layout went there, and
minutes for some texts. Paragraphs that hold more than text, such as images, are left to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from xhtml2pdf.reportlab_paragraph import FragLine, Paragraph, ParaLines, _handleBulletWidth

by_xhtml2pdf = Paragraph.breakLines

_SPACE = " \t\n\r\f\v"  # a no-break space is none
_SPACES = re.compile(f"[{_SPACE}]")
# Chinese and Japanese, full-width forms, and emoji: a line may end after each of them …
_SIGN = (
    "\u2600-\u27bf\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
# … unless it opens a bracket, or one of these follows, which begin no line (JIS X 4051).
_OPENING = "「『（【〈《〔［｛"
_CLOSING = "、。，．：；？！」』）】〉》〕］｝…—～ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.:;?!)"
_PIECE = re.compile(
    rf"(?P<space>[{_SPACE}]+)|(?P<sign>[{_OPENING}]*[{_SIGN}][{re.escape(_CLOSING)}]*)"
    rf"|[^{_SPACE}{_SIGN}]+"
)


@dataclass(slots=True)
class _Word:
    """What stays on one line: texts with the fragments that tell their style. Widths in points."""

    parts: list[tuple[Any, str]]
    width: float
    follows_space: bool


class _Measure:
    """Widths of texts and heights of fonts, each found out once."""

    def __init__(self) -> None:
        self._widths: dict[tuple[str, float], dict[str, float]] = {}
        self._heights: dict[tuple[str, float], tuple[float, float]] = {}

    def width(self, fragment: Any, text: str) -> float:
        style = (fragment.fontName, fragment.fontSize)
        known = self._widths.setdefault(style, {})
        width = known.get(text)
        if width is None:
            width = known[text] = float(stringWidth(text, *style))
        return width

    def height(self, fragment: Any) -> tuple[float, float]:
        """Return how far the font reaches above and below the line."""
        style = (fragment.fontName, fragment.fontSize)
        if style not in self._heights:
            self._heights[style] = getAscentDescent(*style)
        return self._heights[style]


def _groups(fragments: Sequence[Any]) -> Iterator[tuple[list[Any], Any]]:
    """Yield the fragments up to each one that ends a line, with that one; None at the end."""
    group: list[Any] = []
    for fragment in fragments:
        if hasattr(fragment, "lineBreak"):
            yield group, fragment
            group = []
        elif fragment.text:
            group.append(fragment)
    if group:
        yield group, None


def _words(fragments: Sequence[Any], measure: _Measure) -> Iterator[_Word]:
    word: _Word | None = None
    follows_space = False
    for fragment in fragments:
        for piece in _PIECE.finditer(fragment.text):
            text = piece.group()
            if piece["space"] is not None:
                follows_space = True
                continue
            width = measure.width(fragment, text)
            if piece["sign"] is None and word is not None and not follows_space:
                word.parts.append((fragment, text))
                word.width += width
                continue
            if word is not None:
                yield word
                word = None
            made = _Word([(fragment, text)], width, follows_space)
            follows_space = False
            if piece["sign"] is None:
                word = made
            else:
                yield made
    if word is not None:
        yield word


@dataclass(slots=True)
class _Lines:
    """Lines so far, and the one that is being filled."""

    widths: Sequence[float]
    measure: _Measure
    done: list[Any] = field(default_factory=list)
    words: list[_Word] = field(default_factory=list)
    used: float = 0.0
    widest: float = 0.0

    @property
    def room(self) -> float:
        return self.widths[min(len(self.done), len(self.widths) - 1)]

    def add_whole(self, fragments: Sequence[Any]) -> bool:
        """Make one line of all `fragments` where they fit, as those of code do; else False."""
        if any(_SPACES.search(fragment.text) for fragment in fragments):
            return False
        width = sum(stringWidth(each.text, each.fontName, each.fontSize) for each in fragments)
        if width > self.room:
            return False
        self.words = [_Word([(each, each.text) for each in fragments], width, follows_space=False)]
        self.used = width
        return True

    def add(self, word: _Word) -> None:
        gap = self._gap() if self.words and word.follows_space else 0.0
        if self.words and self.used + gap + word.width > self.room:
            self.end()
            gap = 0.0
        if word.width > self.room:
            self._add_in_pieces(word)
        else:
            self.words.append(word)
            self.used += gap + word.width

    def _gap(self) -> float:
        return self.measure.width(self.words[-1].parts[-1][0], " ")

    def _add_in_pieces(self, word: _Word) -> None:
        """Fill line after line with a word that is longer than one."""
        for fragment, text in word.parts:
            start, width = 0, 0.0
            for index, character in enumerate(text):
                step = self.measure.width(fragment, character)
                if self.used + width + step > self.room and (self.words or index > start):
                    if index > start:
                        self._put(fragment, text[start:index], width)
                    self.end()
                    start, width = index, 0.0
                width += step
            self._put(fragment, text[start:], width)

    def _put(self, fragment: Any, text: str, width: float) -> None:
        self.words.append(_Word([(fragment, text)], width, follows_space=False))
        self.used += width

    def end(self, line_break: Any = None, *, kind: Any = FragLine) -> None:
        """Close the line; `line_break` is the fragment that wants it to end here."""
        runs: list[Any] = []
        last = None
        for word in self.words:
            gap = " " if word.follows_space and runs else ""
            if gap and not getattr(runs[-1], "link", None):
                runs[-1].text += gap  # but for a link, whose line should end with its text
                gap = ""
            for fragment, text in word.parts:
                if fragment is last:
                    runs[-1].text += gap + text
                else:
                    runs.append(fragment.clone(text=gap + text))
                    last = fragment
                gap = ""
        shown = runs or ([line_break] if line_break is not None else [])
        heights = [self.measure.height(run) for run in shown]
        if line_break is not None:
            runs.append(line_break.clone())
        self.done.append(
            kind(
                extraSpace=self.room - self.used,
                wordCount=len(self.words),
                words=runs,
                lineBreak=line_break is not None,
                fontSize=max(run.fontSize for run in shown),
                ascent=max(ascent for ascent, _ in heights),
                descent=min(descent for _, descent in heights),
            )
        )
        self.widest = max(self.widest, self.used)
        self.words, self.used = [], 0.0


def break_lines(self: Any, width: Any) -> Any:
    """Do for a paragraph what its own `breakLines` does."""
    if getattr(self, "_splitpara", 0) and hasattr(self, "blPara"):
        return self.blPara
    fragments = self.frags
    is_text = fragments and all(
        hasattr(fragment, "lineBreak") or isinstance(getattr(fragment, "text", None), str)
        for fragment in fragments
    )
    if not is_text or any(hasattr(fragment, "cbDefn") for fragment in fragments):
        return by_xhtml2pdf(self, width)
    widths = list(width) if isinstance(width, (list, tuple)) else [width]
    _handleBulletWidth(self.bulletText, self.style, widths, rtl=self.dir == "rtl")
    lines = _Lines(widths, _Measure())
    for group, line_break in _groups(fragments):
        if not lines.add_whole(group):
            for word in _words(group, lines.measure):
                lines.add(word)
        if line_break is not None:
            lines.end(line_break)
    if lines.words:
        lines.end(kind=ParaLines)
    self.height = 0
    self.width = max(lines.widest, self.width)
    return ParaLines(kind=1, lines=lines.done)


def install() -> None:
    """Let every paragraph of this process be broken here."""
    Paragraph.breakLines = break_lines
