"""Message text to safe HTML, and short fields to plain text: the one place where HTML is made.

What people and models wrote is stored as it came and made harmless on the way out: Markdown
without raw HTML, images as words (a picture that a model wrote can carry a secret to its host),
then an allow-list, so that a mistake in one of the two does no harm.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import bleach
import nh3
from django.core.cache import cache
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments import highlight as pygments_highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

# Goes into cache keys: raise it when the same text should give different HTML.
VERSION = 1
# Finds matches in a text: (start, end) pairs in order, none overlapping.
Spans = Callable[[str], Iterable[tuple[int, int]]]

# In characters. Above the first a message is shown as plain text; above the second it is cut,
# because a browser needs seconds to lay more out. The raw text can always be opened.
MAX_MARKDOWN = 100_000
MAX_SHOWN = 256_000
MAX_HIGHLIGHTED = 20_000  # of code in one block: some lexers are slow on long odd input
MAX_PLAIN = 10_000  # of a short field; bleach is superlinear in some inputs
_MAX_REMEMBERED = 8_000  # longer results go to Django's cache instead of this process's memory
_CACHE_SECONDS = 24 * 60 * 60

# Lexers that are loaded on demand; a language that is not named here is shown without colours.
_LANGUAGES = {
    name: lexer
    for lexer, names in {
        "bash": "bash sh shell zsh console",
        "c": "c h",
        "cpp": "cpp c++ cc",
        "csharp": "csharp cs c#",
        "css": "css scss",
        "diff": "diff patch",
        "docker": "dockerfile docker",
        "go": "go golang",
        "html": "html",
        "http": "http",
        "ini": "ini cfg properties",
        "java": "java",
        "javascript": "javascript js jsx mjs",
        "json": "json json5 jsonc",
        "kotlin": "kotlin kt",
        "lua": "lua",
        "make": "make makefile",
        "nginx": "nginx",
        "perl": "perl pl",
        "php": "php",
        "powershell": "powershell ps1",
        "python": "python py python3",
        "r": "r",
        "ruby": "ruby rb",
        "rust": "rust rs",
        "scala": "scala",
        "sql": "sql postgresql mysql sqlite",
        "swift": "swift",
        "toml": "toml",
        "typescript": "typescript ts tsx",
        "xml": "xml svg",
        "yaml": "yaml yml",
    }.items()
    for name in names.split()
}

_TAGS = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "div", "span"}
_TAGS |= {"h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
_CLASSES = {
    "code": {f"language-{name}" for name in _LANGUAGES} | {"math"},
    "div": {"code", "code-head", "scroll"},
    "span": {name for name in STANDARD_TYPES.values() if name} | {"image"},
    "td": {"end", "center"},
    "th": {"end", "center"},
}
_SANITISER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow noopener noreferrer",
    strip_comments=True,
)
_MARKS_ONLY = nh3.Cleaner(tags={"mark"}, attributes={}, link_rel=None)

# --- characters -------------------------------------------------------------
# Controls have no place in text. Overrides and isolates make a text read differently from what
# it is. Tag characters are invisible and carry hidden instructions; after the black flag they
# spell the flags of England, Scotland and Wales.
_ODD = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f)"
    "|(?P<hidden>[\U000e0000-\U000e007f]+)"
    "|(?P<direction>[\u202a-\u202e\u2066-\u2069])"
    "|(?P<control>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff])"
)


def _show(match: re.Match[str]) -> str:
    if match["flag"]:
        return match[0]
    if match["hidden"]:
        letters = (chr(ord(sign) - 0xE0000) for sign in match[0])
        return f"‹hidden: {''.join(sign for sign in letters if sign.isprintable())}›"
    if match["direction"]:
        return f"‹U+{ord(match[0]):04X}›"
    return "\ufffd"


def visible(text: str) -> str:
    """Return `text` with everything that hides or reorders it made visible; one kind of newline."""
    return _ODD.sub(_show, text.replace("\r\n", "\n").replace("\r", "\n"))


# --- code -------------------------------------------------------------------
_FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


def _colour(code: str, language: str) -> str:
    """Return `code` as escaped HTML, coloured where the language is known and it is not long."""
    lexer = _LANGUAGES.get(language)
    if lexer is None or len(code) > MAX_HIGHLIGHTED:
        return escape(code)
    return pygments_highlight(code, get_lexer_by_name(lexer, stripnl=False), _FORMATTER)


def _code_block(code: str, language: str) -> str:
    label = language if re.fullmatch(r"[a-z0-9_+#.-]{1,30}", language) else ""
    css = f' class="language-{label}"' if label in _LANGUAGES else ""
    return (
        f'<div class="code"><div class="code-head">{escape(label)}</div>'
        f"<pre><code{css}>{_colour(code, label)}</code></pre></div>\n"
    )


# --- Markdown ---------------------------------------------------------------
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


class _Renderer(RendererHTML):
    """markdown-it's renderer with our own code blocks, tables, formulas and images."""

    def fence(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        words = tokens[idx].info.split()
        return _code_block(tokens[idx].content, words[0].lower() if words else "")

    def code_block(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return _code_block(tokens[idx].content, "")

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


def _as_written(text: str) -> str:
    return f'<pre class="long">{escape(text[:MAX_SHOWN])}</pre>'


def _render(text: str) -> str:
    text = visible(text)
    if len(text) > MAX_MARKDOWN:
        return _as_written(text)
    if not _MARKUP.search(text):
        paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text))
        return "\n".join(
            f"<p>{escape(part).replace(chr(10), '<br>' + chr(10))}</p>"
            for part in paragraphs
            if part.strip()
        )
    tokens = _MARKDOWN.parse(text)
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        return _as_written(text)  # the parser leaves out what lies deeper
    return _SANITISER.clean(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


_render_remembered = lru_cache(maxsize=4096)(_render)


def _cached(kind: str, text: str, make: Callable[[str], str]) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    key = f"content:{VERSION}:{kind}:{digest}"
    made = cache.get(key)
    if not isinstance(made, str):
        made = make(text)
        cache.set(key, made, _CACHE_SECONDS)
    return made


def markdown(text: str) -> SafeString:
    """Return a message's text as safe HTML; above MAX_MARKDOWN as plain text, cut at MAX_SHOWN.

    The same text is rendered once: short results are kept in memory, long ones in the cache.
    """
    rendered = (
        _render_remembered(text)
        if len(text) <= _MAX_REMEMBERED
        else _cached("markdown", text, _render)
    )
    return mark_safe(rendered)  # noqa: S308 - made of escaped text and the allow-list above


def _block(text: str, language: str) -> str:
    return _SANITISER.clean(_code_block(visible(text[:MAX_SHOWN]), language))


_block_remembered = lru_cache(maxsize=4096)(_block)


def preformatted(text: str, language: str = "") -> SafeString:
    """Return `text` as one block of code, coloured as `language`, cut at MAX_SHOWN."""
    language = language.lower()
    made = (
        _block_remembered(text, language)
        if len(text) <= _MAX_REMEMBERED
        else _cached(f"block-{language}", text, lambda given: _block(given, language))
    )
    return mark_safe(made)  # noqa: S308 - as above


def pretty_json(text: str) -> str | None:
    """Return JSON with indents and readable characters; None: `text` is no object or list."""
    if len(text) > MAX_SHOWN or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, indent=2, ensure_ascii=False)


# --- short fields -----------------------------------------------------------
def plain(text: str, limit: int = MAX_PLAIN) -> str:
    """Return a title, remark or name as one line of plain text without tags, cut at `limit`.

    The answer is not escaped: the template does that.
    """
    cut = visible(text[:MAX_PLAIN])
    if "<" in cut or "&" in cut:
        cut = html.unescape(bleach.clean(cut, tags=set(), strip=True))
    line = " ".join(cut.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def safe_link(address: str) -> str:
    """Return `address` if a page may link to it (http, https, mailto), else an empty string."""
    address = "".join(sign for sign in address.strip() if sign.isprintable())
    try:
        return address if urlsplit(address).scheme.lower() in {"http", "https", "mailto"} else ""
    except ValueError:
        return ""


# --- matches ----------------------------------------------------------------
_PIECE = re.compile(r"<(?:\"[^\"]*\"|'[^']*'|[^'\">])*>|[^<]+")
_BLOCK = re.compile(r"</?(?:p|h\d|li|tr|t[dh]|pre|div|blockquote|ul|ol|table)\b|<(?:br|hr)\b")


def marked(fragment: str) -> SafeString:
    """Return a search's snippet as safe HTML: nothing but text and <mark> comes through."""
    return mark_safe(_MARKS_ONLY.clean(visible(fragment)))  # noqa: S308 - the allow-list is <mark>


def highlight(safe_html: str, spans: Spans) -> tuple[SafeString, int]:
    """Put <mark> around what `spans` finds in the text of `safe_html`; also count the matches.

    `spans` gets the text without tags, blocks apart by newlines. A match that crosses tags is
    marked in each of its pieces.
    """
    pieces = _PIECE.findall(safe_html)
    starts: list[int] = []
    texts: list[str] = []
    length = 0
    for piece in pieces:
        text = ("\n" if _BLOCK.match(piece) else "") if piece[0] == "<" else html.unescape(piece)
        starts.append(length)
        texts.append(text)
        length += len(text)
    found = [(start, end) for start, end in spans("".join(texts)) if start < end]
    if not found:
        return mark_safe(safe_html), 0  # noqa: S308 - safe as it came
    made: list[str] = []
    first = 0
    for piece, start, text in zip(pieces, starts, texts, strict=True):
        if piece[0] == "<":
            made.append(piece)
            continue
        while first < len(found) and found[first][1] <= start:
            first += 1
        at, index = 0, first
        while index < len(found) and found[index][0] < start + len(text):
            begin, end = max(found[index][0] - start, 0), min(found[index][1] - start, len(text))
            made.append(f"{escape(text[at:begin])}<mark>{escape(text[begin:end])}</mark>")
            at, index = end, index + 1
        made.append(escape(text[at:]))
    return mark_safe("".join(made)), len(found)  # noqa: S308 - the tags as they came, text escaped
