"""Safe HTML cut into pieces that xhtml2pdf lays out quickly and without losing text. Pure.

xhtml2pdf is quadratic in one block (a paragraph of 1 MB takes minutes) and loses text in others:
of a word of 20,000 letters it shows one per cent. So long paragraphs become several, code is
wrapped here and cut into short blocks, wide tables become lines, and nothing nests deeply. What
has thousands of elements is shown as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import escape
from typing import Any

from lxml import etree, html

_PARAGRAPH = 4_000  # characters; 25 KB take 0.14 s in one block, 200 KB 4.7 s
_CODE_LINES = 60  # about a page
_CODE_COLUMNS = 92  # of the code font between the margins
# xhtml2pdf makes each space of code a fragment of its own, and needs ten times as long for them.
# `fonts` lets a reader copy spaces out again.
_SOLID_SPACE = "\u00a0"
_MOST_CODE_LINES = 50_000  # a thousand pages; of more, a sign shows where each ends
_DEPTH = 12
_TABLE_COLUMNS = 14
_CELL = 600  # characters; a cell must fit on a page
_ROWS = 100
_ITEMS = 100
_MOST_LINES = 1_000  # of a paragraph
_MOST_ELEMENTS = 4_000  # in all; each costs a third of a millisecond, an item of a list a whole one
_INLINE_ELEMENTS = 200  # each one is a fragment to lay out

_ATTRIBUTES = frozenset({"href", "start", "class"})
_TAG = re.compile("<[^>]*>")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CONTAINERS = frozenset({"div", "section", "body", "html"})
_BLOCKS = _HEADINGS | _CONTAINERS | {"p", "pre", "ul", "ol", "table", "blockquote", "hr"}


def _width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _wrapped(line: str) -> Iterator[str]:
    if len(line) <= _CODE_COLUMNS // 2:
        yield line
        return
    start = width = 0
    for index, character in enumerate(line):
        step = _width(character)
        if width + step > _CODE_COLUMNS:
            yield line[start:index]
            start, width = index, 0
        width += step
    yield line[start:]


def _cut(text: str) -> Iterator[str]:
    """Cut at a space where there is one in the second half, else anywhere."""
    while len(text) > _PARAGRAPH:
        at = max(text.rfind(sign, _PARAGRAPH // 2, _PARAGRAPH) for sign in " 。！？；，")
        at = _PARAGRAPH if at < 0 else at + 1
        yield text[:at]
        text = text[at:].lstrip(" ")
    yield text


def _text(element: Any) -> str:
    return "".join(element.itertext())


def _as_written(element: Any) -> str:
    return str(etree.tostring(element, encoding="unicode", with_tail=False, method="html"))


def _is_small(element: Any) -> bool:
    elements = sum(1 for _ in element.iter())
    return len(_text(element)) <= _PARAGRAPH and elements <= _INLINE_ELEMENTS


def _directed(text: str, markup: str) -> str:
    """Put `markup` into a box from right to left where `text` begins with Arabic or Hebrew.

    As a browser does for `dir="auto"`; xhtml2pdf knows directions of paragraphs and boxes alone.
    """
    if text.isascii():
        return markup
    classes = map(unicodedata.bidirectional, text[:_PARAGRAPH])
    first = next((found for found in classes if found in {"L", "R", "AL"}), "L")
    return markup if first == "L" else f'<div dir="rtl">{markup}</div>'


def heading(text: str) -> str:
    """Return `text` as a heading of the first level."""
    return _directed(text, f"<h1>{escape(text, quote=False)}</h1>")


def code(text: str) -> Iterator[str]:
    """Yield `text` as blocks of code, wrapped and cut."""
    if text.count("\n") > _MOST_CODE_LINES:
        text = text.replace("\n", "⏎ ")
    lines = [part for line in text.expandtabs(4).split("\n") for part in _wrapped(line)]
    while lines and not lines[-1].strip():
        lines.pop()
    for start in range(0, len(lines), _CODE_LINES):
        block = "\n".join(lines[start : start + _CODE_LINES]).replace(" ", _SOLID_SPACE)
        yield f"<pre>{escape(block, quote=False)}</pre>"


def paragraphs(text: str) -> Iterator[str]:
    """Yield `text` as paragraphs, one a line, long ones cut; very many lines as code."""
    if text.count("\n") > _MOST_LINES:
        yield from code(text)
        return
    for line in text.split("\n"):
        if line.strip():
            made = (f"<p>{escape(part, quote=False)}</p>" for part in _cut(line))
            yield from (_directed(line, part) for part in made)


def _table(element: Any, depth: int) -> Iterator[str]:
    rows = [row.xpath("./td|./th") for row in element.iter("tr")]
    texts = [[" ".join(_text(cell).split()) for cell in row] for row in rows]
    is_plain = (
        depth <= 2
        and max((len(row) for row in texts), default=0) <= _TABLE_COLUMNS
        and all(len(text) <= _CELL for row in texts for text in row)
    )
    if not is_plain:
        for row in texts:
            yield from paragraphs(" | ".join(row))
        return
    columns = max((len(row) for row in texts), default=0)
    for start in range(0, len(rows), _ROWS):
        made = ["<table>"]
        for row, cells in zip(
            rows[start : start + _ROWS], texts[start : start + _ROWS], strict=True
        ):
            tags = [cell.tag for cell in row] + ["td"] * (columns - len(row))
            filled = cells + [""] * (columns - len(cells))
            made.append("<tr>")
            made += [
                f"<{tag}>{_directed(text, escape(text, quote=False))}</{tag}>"
                for tag, text in zip(tags, filled, strict=True)
            ]
            made.append("</tr>")
        made.append("</table>")
        yield "".join(made)


def _list(element: Any, depth: int) -> Iterator[str]:
    items = [child for child in element if isinstance(child.tag, str)]
    first = element.get("start", "1")
    number = int(first) if first.isdigit() and len(first) < 10 else 1
    for start in range(0, len(items), _ITEMS):
        yield f'<ol start="{number + start}">' if element.tag == "ol" else "<ul>"
        for item in items[start : start + _ITEMS]:
            yield "<li>"
            yield from _inside(item, depth + 1)
            yield "</li>"
        yield f"</{element.tag}>"


def _block(element: Any, depth: int) -> Iterator[str]:
    tag = element.tag
    if tag == "pre":
        yield from code(_text(element))
    elif tag == "table":
        yield from _table(element, depth)
    elif tag == "hr":
        yield "<hr/>"
    elif depth >= _DEPTH:
        yield from paragraphs(_text(element))
    elif tag in {"ul", "ol"}:
        yield from _list(element, depth)
    elif tag == "blockquote":
        yield "<blockquote>"
        yield from _inside(element, depth + 1)
        yield "</blockquote>"
    elif tag in _CONTAINERS:
        yield from _inside(element, depth + 1)
    elif _is_small(element):
        yield _directed(_text(element), _as_written(element))
    else:
        for line_break in element.iter("br"):
            line_break.tail = "\n" + (line_break.tail or "")
        yield from paragraphs(_text(element))


def _inside(element: Any, depth: int) -> Iterator[str]:
    """Yield the blocks of an element; text between blocks becomes paragraphs."""
    loose: list[str] = []

    def flush() -> Iterator[str]:
        made = "".join(loose)
        loose.clear()
        if not made.strip():
            return
        if len(made) <= _PARAGRAPH and made.count("<") <= _INLINE_ELEMENTS:
            text = _TAG.sub("", made)
            yield _directed(text, made if element.tag == "li" else f"<p>{made}</p>")
        else:
            yield from paragraphs(_text(html.fromstring(f"<div>{made}</div>")))

    loose.append(escape(element.text or "", quote=False))
    for child in element:
        if isinstance(child.tag, str):
            if child.tag in _BLOCKS:
                yield from flush()
                yield from _block(child, depth)
            else:
                loose.append(_as_written(child))
        loose.append(escape(child.tail or "", quote=False))
    yield from flush()


def _count_and_strip(root: Any) -> int:
    """Take off what could say how large or where something is shown; count the elements."""
    count = 0
    for element in root.iter():
        for name in set(element.attrib) - _ATTRIBUTES:
            del element.attrib[name]
        count += element.tag != "span"  # colours in code, of which `code` takes the text alone
    return count


def blocks(safe_html: str, source: str) -> str:
    """Return `safe_html` as a sequence of small blocks with the same text.

    :param source: what the HTML was made from, shown instead when it is too many elements.
    """
    parser = html.HTMLParser(huge_tree=True)
    root = html.fragment_fromstring(safe_html, create_parent="div", parser=parser)
    return "".join(_inside(root, 0) if _count_and_strip(root) <= _MOST_ELEMENTS else code(source))
