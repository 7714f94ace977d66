"""Rendered texts, kept by their hash in Django's cache, where every process finds them.

The cache has a fixed number of places, and a text's hash says which one is its own: it needs no
clearing and never grows beyond them, whoever reads through the whole archive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.core.cache import cache
from django.utils.safestring import SafeString

from threads.content.allowed import SANITISER
from threads.content.characters import visible
from threads.content.code import MAX_SHOWN, code_block
from threads.content.markdown import Colouring, render

# Goes into the hash: raise it when the same text should give different HTML.
VERSION = 2
_PLACES = 1 << 15
_SECONDS = 7 * 24 * 60 * 60
# Characters of code that one page colours for the first time, some 15 ms of work. What is beyond
# is shown plain and coloured when it is read again.
COLOURED_AT_ONCE = 5_000

Piece = tuple[str, str]  # "markdown", or "code:" with a language; the text
_Kept = tuple[bytes, str]  # the hash and the HTML


def _digest(piece: Piece) -> bytes:
    kind, text = piece
    whole = f"{VERSION}:{kind}:{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, digest_size=16).digest()


def _place(digest: bytes) -> str:
    return f"content:{int.from_bytes(digest[:4], 'big') % _PLACES}"


def _make(piece: Piece, colouring: Colouring | None) -> str:
    kind, text = piece
    if kind == "markdown":
        return render(text, colouring)
    language = kind.removeprefix("code:").lower()
    return SANITISER.clean(code_block(visible(text[:MAX_SHOWN]), language))


def render_many(pieces: Sequence[Piece]) -> list[SafeString]:
    """Return the pieces of a page as safe HTML; what was rendered before comes from the cache.

    One look into the cache, and one write when something was new.
    """
    digests = [_digest(piece) for piece in pieces]
    kept: dict[str, _Kept] = cache.get_many({_place(digest) for digest in digests})
    colouring = Colouring(COLOURED_AT_ONCE)
    made: list[SafeString] = []
    new: dict[str, _Kept] = {}
    for piece, digest in zip(pieces, digests, strict=True):
        found = kept.get(_place(digest))
        if found is not None and found[0] == digest:
            made.append(SafeString(found[1]))  # made below, by this version
            continue
        colouring.is_cut = False
        html = _make(piece, colouring)
        if not colouring.is_cut:
            new[_place(digest)] = (digest, html)
        made.append(SafeString(html))  # escaped text and the allow-list
    if new:
        cache.set_many(new, _SECONDS)
    return made


def markdown(text: str) -> SafeString:
    """Return a text as safe HTML; above MAX_MARKDOWN as plain text, cut at MAX_SHOWN."""
    return SafeString(_make(("markdown", text), None))  # as above


def preformatted(text: str, language: str = "") -> SafeString:
    """Return `text` as one block of code, coloured as `language`, cut at MAX_SHOWN."""
    return SafeString(_make((f"code:{language}", text), None))  # as above
