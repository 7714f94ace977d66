"""Markdown as people and models write it, to HTML that can do nothing but be read."""

from __future__ import annotations

import html
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from threads.content.allowed import SANITISER
from threads.content.characters import visible
from threads.content.code import MAX_SHOWN, can_colour, code_block, label_of

# In characters. Above it a message is shown as plain text, above MAX_SHOWN it is cut, because a
# browser needs seconds to lay more out. The raw text can always be opened.
MAX_MARKDOWN = 100_000
CITE, CITE_END = "\ue200", "\ue201"  # around what a citation's mark says

_MAX_NESTING = 20  # the parser is quadratic in it
_MATH = re.compile(r"\$\$(?!\$).+?\$\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_MAX_FORMULA = 2_000  # characters; also bounds how far each opening sign is looked after


def _math(state: StateInline, silent: bool) -> bool:
    """Keep formulas as they were written: their underscores and stars are no emphasis."""
    if state.src[state.pos] not in "$\\":
        return False
    end = min(state.posMax, state.pos + _MAX_FORMULA)
    match = _MATH.match(state.src, state.pos, end)
    if match is None:
        return False
    if not silent:
        token = state.push("math", "code", 0)
        token.content = match[0]
    state.pos = match.end()
    return True


def _settle(state: StateCore) -> None:
    """Fit headings below the page's own, and say alignment by class instead of by style."""
    levels = sorted({token.tag for token in state.tokens if token.type == "heading_open"})
    level = 2
    for token in state.tokens:
        if token.type == "heading_open":
            level = min(3 + levels.index(token.tag), level + 1, 6)
            token.tag = f"h{level}"
        elif token.type == "heading_close":
            token.tag = f"h{level}"
        elif token.type in {"th_open", "td_open"}:
            align = str(token.attrs.pop("style", ""))
            if align.endswith(("right", "center")):
                token.attrs["class"] = "end" if align.endswith("right") else "center"


def _may_colour(code: str, language: str, env: MutableMapping[str, Any]) -> bool:
    colouring: Colouring | None = env.get("colouring")
    if colouring is None or not can_colour(code, language):
        return True
    if colouring.left < len(code):
        colouring.is_cut = True
        return False
    colouring.left -= len(code)
    return True


class _Renderer(RendererHTML):
    """markdown-it's renderer with our own code blocks, tables, formulas and images."""

    def fence(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        words = tokens[idx].info.split()
        code, language = tokens[idx].content, label_of(words[0].lower() if words else "")
        return code_block(code, language, coloured=_may_colour(code, language, env))

    def code_block(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return code_block(tokens[idx].content, "")

    def math(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return f'<code class="math">{escape(tokens[idx].content)}</code>'

    def image(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children, options, env) if token.children else ""
        return f'<span class="image">{escape(_image_words(alt, str(token.attrs["src"])))}</span>'

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return '<div class="scroll"><table>\n'

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return "</table></div>\n"


def _image_words(alt: str, address: str) -> str:
    try:
        host = urlsplit(html.unescape(address)).hostname or ""
    except ValueError:
        host = ""
    where = f" → {host}" if host else ""
    return f"[image: {alt.strip() or '?'}{where}]"


def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": _MAX_NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "math", _math)
    parser.core.ruler.push("settle", _settle)
    return parser


_MARKDOWN = _parser()
# A text without any of these is paragraphs and line breaks, which need no parser.
_MARKUP = re.compile(
    r"[`*_#\[\]<>&|~$\\]|^(?: {4}|\t)|^ {0,3}(?:[-+=]|\d{1,9}[.)])| {2}$", re.MULTILINE
)


# Citation marks: of the Assistants API, and between private-use signs those of the Responses API
# and of ChatGPT. shown.py puts numbers between the same signs where it knows the source.
_CITATION = re.compile(
    f"{CITE}([^{CITE}{CITE_END}]{{0,2000}}){CITE_END}|【\\d+(?::\\d+)?†([^】\n]{{0,300}})】"
)
_CITED = re.compile(f'{CITE}([^{CITE}{CITE_END}<>"]*){CITE_END}(?=[^<>]*(?:<|$))')  # not in a tag
_STRAY_SIGNS = re.compile("[\ue200-\ue206]")


def _readable_mark(match: re.Match[str]) -> str:
    kind, *words = (match[1] or "").split("\ue202")
    name = words[0] if kind == "url" and words else (match[2] or "")
    label = kind if kind.isdigit() else name if name != "source" else ""
    return f"{CITE}{label[:80] or '†'}{CITE_END}"


def _as_written(text: str) -> str:
    return f'<pre class="long">{escape(text[:MAX_SHOWN])}</pre>'


@dataclass(slots=True)
class Colouring:
    """How many more characters of code may be coloured; coloured code is ten times as dear."""

    left: int
    is_cut: bool = False  # whether some code was left plain because of it


def render(text: str, colouring: Colouring | None = None) -> str:
    """Return `text` as safe HTML; code is coloured as far as `colouring` goes, None: all of it."""
    text = visible(text)
    if len(text) > MAX_MARKDOWN:
        return _as_written(text)
    if has_marks := CITE in text or "†" in text:
        text = _CITATION.sub(_readable_mark, text)
    if not _MARKUP.search(text):
        paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text))
        made = "\n".join(
            f"<p>{escape(part).replace(chr(10), '<br>' + chr(10))}</p>"
            for part in paragraphs
            if part.strip()
        )
        return _with_citations(made) if has_marks else made
    tokens = _MARKDOWN.parse(text)
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        return _as_written(text)  # the parser leaves out what lies deeper
    environment = {"colouring": colouring}
    made = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, environment)
    return SANITISER.clean(_with_citations(made) if has_marks else made)


def _with_citations(made: str) -> str:
    return _STRAY_SIGNS.sub("", _CITED.sub(r'<sup class="cite">[\1]</sup>', made))
