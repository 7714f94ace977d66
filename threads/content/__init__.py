"""Message text to safe HTML, and short fields to plain text: the one place where HTML is made.

What people and models wrote is stored as it came and made harmless on the way out: Markdown
without raw HTML, images as words (a picture that a model wrote can carry a secret to its host),
then an allow-list, so that a mistake in one of the two does no harm.
"""

from __future__ import annotations

from threads.content.characters import MAX_PLAIN, plain, safe_link, visible
from threads.content.code import MAX_SHOWN, pretty_json, warm_up
from threads.content.kept import Piece, markdown, preformatted, render_many
from threads.content.markdown import CITE, CITE_END, MAX_MARKDOWN
from threads.content.markup import fill, joined, stamp
from threads.content.matches import Spans, highlight, marked

__all__ = [
    "CITE",
    "CITE_END",
    "MAX_MARKDOWN",
    "MAX_PLAIN",
    "MAX_SHOWN",
    "Piece",
    "Spans",
    "fill",
    "highlight",
    "joined",
    "markdown",
    "marked",
    "plain",
    "preformatted",
    "pretty_json",
    "render_many",
    "safe_link",
    "stamp",
    "visible",
    "warm_up",
]
