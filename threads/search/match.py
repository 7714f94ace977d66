"""Text conditions as FTS5 and tsquery expressions.

What a person typed enters them only as folded words inside quotes; operators, columns and
brackets are ours alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from threads.search.fold import camel_parts, fold_query, words_of
from threads.search.query import And, Node, Not, Or, Phrase, Prefix, Token, Word

# The last part of `error-401` is read as a beginning; a single letter would begin too much.
_MIN_LAST_PART = 2


def is_indexed(node: Node) -> bool:
    """Whether the index can answer `node` by itself: words, with something to look for."""
    match node:
        case Word() | Phrase() | Prefix() | Token():
            return True
        case Or(children):
            return all(map(is_indexed, children))
        case And(children):
            return any(map(is_indexed, children)) and all(
                is_indexed(child) or (isinstance(child, Not) and is_indexed(child.child))
                for child in children
            )
        case _:
            return False


def opens_at_the_end(node: Node) -> bool:
    """Whether the last word of a term stands for everything that begins so."""
    match node:
        case Prefix():
            return True
        case Token(text):
            words = words_of(text)
            return bool(words) and len(words[-1]) >= _MIN_LAST_PART
        case _:
            return False


def readings(node: Node) -> list[Node]:
    """Return the ways in which a term is looked up: a camelCase word also by its parts.

    `HttpResponse` is thus found inside `parseHttpResponse`, whose parts the index has as well.
    """
    if isinstance(node, Word) and len(parts := camel_parts(node.text)) > 1:
        return [node, Phrase(" ".join(parts))]
    return [node]


@lru_cache(maxsize=1_000)
def fts5(node: Node) -> str:
    """Return `node`, for which is_indexed() holds, as an FTS5 expression in brackets."""
    match node:
        case Word(text) | Phrase(text) | Prefix(text) | Token(text):
            quoted = '"' + fold_query(text).replace('"', '""') + '"'
            written = quoted + ("*" if opens_at_the_end(node) else "")
            others = [fts5(way) for way in readings(node)[1:]]
            return f"({' OR '.join([written, *others])})" if others else written
        case Or(children):
            return f"({' OR '.join(map(fts5, children))})"
        case And(children):
            wanted, unwanted = _split(children)
            expression = " AND ".join(map(fts5, wanted))
            if unwanted:
                return f"(({expression}) NOT ({' OR '.join(map(fts5, unwanted))}))"
            return f"({expression})"
    raise TypeError(node)


def tsquery(node: Node, weights: str = "") -> str:
    """Return the same for to_tsquery(); `weights` limits it to titles (A), remarks (B), …"""
    match node:
        case Word(text) | Phrase(text) | Prefix(text) | Token(text):
            words = words_of(text)
            labels = [weights] * len(words)
            if labels and opens_at_the_end(node):
                labels[-1] = f"*{weights}"
            if not words:
                return "'\u00a0'"  # a lexeme that no text has
            parts = [
                f"'{word}'" + (f":{label}" if label else "")
                for word, label in zip(words, labels, strict=True)
            ]
            others = [tsquery(way, weights) for way in readings(node)[1:]]
            return f"({' | '.join([' <-> '.join(parts), *others])})"
        case Or(children):
            return f"({' | '.join(tsquery(child, weights) for child in children)})"
        case And(children):
            wanted, unwanted = _split(children)
            parts = [tsquery(child, weights) for child in wanted]
            parts += [f"!{tsquery(child, weights)}" for child in unwanted]
            return f"({' & '.join(parts)})"
    raise TypeError(node)


def _split(children: Iterable[Node]) -> tuple[list[Node], list[Node]]:
    wanted, unwanted = [], []
    for child in children:
        if isinstance(child, Not):
            unwanted.append(child.child)
        else:
            wanted.append(child)
    return wanted, unwanted
