"""Blocks of code: which languages are coloured, and how."""

from __future__ import annotations

import json
import re
from functools import cache

from django.utils.html import escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, _TokenType

MAX_HIGHLIGHTED = 20_000  # characters of one block: some lexers are slow on long odd input
MAX_SHOWN = 256_000  # characters; a browser needs seconds to lay more out

# Lexers that are loaded on demand; a language that is not named here is shown without colours.
LANGUAGES = {
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

# What the first page of a new process should not have to wait for: each takes 10 to 50 ms.
_COMMON = ("python", "javascript", "json", "bash", "sql", "html")


@cache
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False)


@cache
def _css(kind: _TokenType) -> str:
    """Return the short class of a kind of token, or of the kind that it belongs to."""
    at: _TokenType | None = kind
    while at is not None:
        if (name := STANDARD_TYPES.get(at)) is not None:
            return name
        at = at.parent
    return ""


def warm_up() -> None:
    """Load the common languages, whose patterns are compiled at the first use."""
    for name in _COMMON:
        colour("x = 1", name)


def can_colour(code: str, language: str) -> bool:
    return language in LANGUAGES and len(code) <= MAX_HIGHLIGHTED


def colour(code: str, language: str) -> str:
    """Return `code` as escaped HTML, coloured where the language is known and it is not long."""
    if not can_colour(code, language):
        return escape(code)
    made: list[str] = []
    run, css = "", ""
    for kind, text in _lexer(LANGUAGES[language]).get_tokens(code):
        if not text.isspace() and (here := _css(kind)) != css:
            made.append(_span(run, css))
            run, css = "", here
        run += text
    made.append(_span(run, css))
    return "".join(made)


def _span(text: str, css: str) -> str:
    return f'<span class="{css}">{escape(text)}</span>' if css and text else escape(text)


def label_of(language: str) -> str:
    """Return what stands above a block: the language, if it looks like the name of one."""
    return language if re.fullmatch(r"[a-z0-9_+#.-]{1,30}", language) else ""


def code_block(code: str, language: str, *, coloured: bool = True) -> str:
    label = label_of(language)
    css = f' class="language-{label}"' if label in LANGUAGES else ""
    inside = colour(code, label) if coloured else escape(code)
    return (
        f'<div class="code"><div class="code-head">{escape(label)}</div>'
        f"<pre><code{css}>{inside}</code></pre></div>\n"
    )


def pretty_json(text: str) -> str | None:
    """Return JSON with indents and readable characters; None: `text` is no object or list."""
    if len(text) > MAX_SHOWN or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, indent=2, ensure_ascii=False)
