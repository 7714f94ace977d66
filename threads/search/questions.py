"""Questions in plain words: which words a message should have, and which only help to rank.

Nobody writes an answer in all the words of the question. Messages with some of them will do,
the rarest first; what a word is worth is told by how many messages have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.fold import CJK, words_of
from threads.search.query import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    NumberRange,
    Or,
    Phrase,
    Prefix,
    Query,
    Token,
    Word,
)
from threads.search.statements import rows_of

_MOST_TERMS = 40  # that are counted: one query each
_LEAST_WORDS = 3  # of a question
# The rarest words until so many messages have one of them; the others only help to rank.
# 19 ms at a million messages, where all the words would take 134.
_RARE_HITS = 8_000
_ENOUGH_HITS = 2_000
# A word in more than this share of a large archive tells little, and looking at every place of
# "the" takes as long as all the rest: 48 ms with it, 23 without.
_EVERYWHERE = 0.05
# Of a term and a number: in about how many messages the term is, at most so many, and the lowest
# search key of the newest of them; None where there are fewer.
Newest = Callable[[Node, int], tuple[int, int | None]]
_ASKING = frozenset(("who", "whom", "whose", "what", "when", "where", "which", "why", "how"))
_APOSTROPHE = re.compile("['’ʼ`]")
_CJK_RUN = re.compile(f"[{CJK}]{{3,}}")


def is_question(query: Query) -> bool:
    """Whether `query` is a sentence that asks, and not a list of words that must all be there.

    It has three words or more, no operators, and ends in a question mark or begins as questions
    do in English. Filters do not count.
    """
    parts = query.expression.children if isinstance(query.expression, And) else (query.expression,)
    conditions = (Filter, NumberRange, DateRange)
    terms = [
        part
        for part in parts
        if not isinstance(part, conditions)
        and not (isinstance(part, Not) and isinstance(part.child, conditions))
    ]
    if not all(isinstance(term, (Word, Token, Phrase)) for term in terms):
        return False
    words = [word for term in terms for word in words_of(term.text)]  # type: ignore[union-attr]
    if len(words) < _LEAST_WORDS:
        return False
    return query.text.rstrip().endswith(("?", "？", "؟")) or words[0] in _ASKING


def loosened(terms: Iterable[Node]) -> list[Node]:
    """Return what a message may have of `terms`: their parts, too, where they have some.

    `Anna's` is Anna; "late delivery" and `error-401` are also their words; Chinese without
    spaces is cut into pairs of signs, as nothing tells where its words end.
    """
    found: list[Node] = []
    for term in terms:
        match term:
            case Word(text):
                found += _pairs(text) or [term]
            case Token(text) | Phrase(text):
                parts = [word for word in words_of(text) if len(word) > 1 or word.isdigit()]
                is_possessive = isinstance(term, Token) and _APOSTROPHE.search(text)
                if not is_possessive or not parts:
                    found.append(term)
                if not _CJK_RUN.search(text):
                    found += [Word(part) for part in parts if [part] != words_of(text)]
            case _:
                found.append(term)
    return list(dict.fromkeys(found))[:_MOST_TERMS]


def _pairs(text: str) -> list[Node]:
    """Return the pairs of neighbouring signs in `text`, and what is no sign; [] for short runs."""
    if not _CJK_RUN.search(text):
        return []
    found: list[Node] = []
    for run in re.findall(f"[{CJK}]+|[^{CJK}]+", text):
        if _CJK_RUN.match(run):
            found += [Word(run[at : at + 2]) for at in range(len(run) - 1)]
        else:
            found.append(Word(run))
    return found


def any_of(terms: Iterable[Node], newest: Newest) -> tuple[list[Node], list[Node]] | None:
    """Return those of `terms` of which a message must have one, and those that only help to rank.

    None: none is in any message. A query for each.
    """
    counted = [(*newest(term, _RARE_HITS), term) for term in dict.fromkeys(terms)]
    # Of words that reach the cap, those whose newest hits reach further back are rarer.
    found = sorted(
        (one for one in counted if one[0]),
        key=lambda one: (one[0], one[1] or 0),
    )
    rare: list[Node] = []
    covered = 0
    for hits, _key, term in found:
        # A word that would bring more than all before it together is left for the ranking.
        if covered >= _RARE_HITS or (covered >= _ENOUGH_HITS and covered + hits > _RARE_HITS):
            break
        rare.append(term)
        covered += hits
    return (rare, [term for _hits, _key, term in found[len(rare) :]]) if rare else None


def telling(terms: Iterable[Node], newest: Newest, connection: BaseDatabaseWrapper) -> list[Node]:
    """Return `terms` without those that nearly every message has; a query each, and one.

    How far back the newest hits reach tells how many there are in all.
    """
    kept = list(terms)
    if not kept:
        return kept
    ((first, last, count),) = rows_of(
        connection,
        "SELECT (SELECT min(search_key) FROM threads_message),"
        " (SELECT max(search_key) FROM threads_message),"
        " (SELECT max(id) FROM threads_message) - (SELECT min(id) FROM threads_message) + 1",
    )

    def is_everywhere(term: Node) -> bool:
        _hits, key = newest(term, _RARE_HITS)
        if key is None or first is None or last == first:
            return False
        return bool(_RARE_HITS / max((last - key) / (last - first), 1e-9) > _EVERYWHERE * count)

    return [term for term in kept if not is_everywhere(term)]


def either(nodes: list[Node]) -> Node:
    """Return the condition that one of `nodes` holds."""
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def can_be_loosened(text: Node | None) -> bool:
    """Whether a message may have some of `text` only: several terms, or one with parts."""
    terms = text.children if isinstance(text, And) else (text,)
    if not all(isinstance(term, (Word, Phrase, Prefix, Token)) for term in terms):
        return False
    return len(terms) > 1 or (isinstance(text, Word) and bool(_pairs(text.text)))
