"""Breaks a paragraph that has one style into lines, in a sixth of the time xhtml2pdf takes.

xhtml2pdf puts an empty fragment behind each text, so that every paragraph counts as one of mixed
styles, and compares the style of each word with that of the word before it. Half of the time of
a layout went there. What is mixed, or holds more than text, is still broken by xhtml2pdf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from reportlab.platypus.paragraph import split
from xhtml2pdf import reportlab_paragraph
from xhtml2pdf.reportlab_paragraph import FragLine, Paragraph, ParaLines

by_xhtml2pdf = Paragraph.breakLines


def _words(fragments: Sequence[Any]) -> list[str] | None:
    """Return the words of fragments that all look like the first; None when they do not."""
    if not fragments:
        return None
    for fragment in fragments:
        if hasattr(fragment, "cbDefn") or hasattr(fragment, "lineBreak"):
            return None
        text = getattr(fragment, "text", None)
        if text and not reportlab_paragraph._sameFrag(fragments[0], fragment):
            return None
    texts = [fragment.text for fragment in fragments if fragment.text]
    if not all(isinstance(text, str) for text in texts):
        return None
    return [word for word in split("".join(texts)) if word]


def break_lines(self: Any, width: Any) -> Any:
    """Do for a paragraph what its own `breakLines` does."""
    words = None
    if not self.bulletText and not getattr(self, "_splitpara", 0) and len(self.frags) > 1:
        words = _words(self.frags)
    if not words:
        return by_xhtml2pdf(self, width)
    fragment = self.frags[0]
    font, size = fragment.fontName, fragment.fontSize
    widths = list(width) if isinstance(width, (list, tuple)) else [width]
    known: dict[str, float] = {}
    for word in words:
        if word not in known:
            known[word] = stringWidth(word, font, size)
    if max(known.values()) > min(widths):
        return by_xhtml2pdf(self, width)  # it must be cut inside a word

    space = stringWidth(" ", font, size)
    ascent, descent = getAscentDescent(font, size)
    lines: list[Any] = []

    def end(kind: Any, line: list[str], used: float, room: float, **more: Any) -> None:
        self.width = max(used, self.width)
        lines.append(
            kind(
                extraSpace=room - used,
                wordCount=len(line),
                words=[fragment.clone(text=" ".join(line))],
                fontSize=size,
                ascent=ascent,
                descent=descent,
                **more,
            )
        )

    self.height = 0
    line: list[str] = []
    used, room = -space, widths[0]
    for word in words:
        wanted = used + space + known[word]
        if wanted > room and line:
            end(FragLine, line, used, room, lineBreak=False)
            line, used = [word], known[word]
            room = widths[min(len(lines), len(widths) - 1)]
        else:
            line.append(word)
            used = wanted
    end(ParaLines, line, used, room)
    return ParaLines(kind=1, lines=lines)


def install() -> None:
    """Let every paragraph of this process be broken here."""
    Paragraph.breakLines = break_lines
