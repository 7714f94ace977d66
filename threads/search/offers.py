"""What else could be asked where a query found nothing, or not all of its words together.

Everything is looked up in what the reader may see: a word is only ever offered because it stands
in a message that they could open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice

from django.db.models import QuerySet

from projects.models import Project
from threads.search.finder import find
from threads.search.fold import words_of
from threads.search.prepared import Prepared, prepare
from threads.search.query import Node, Or, Phrase, Prefix, Query, Token, Word, parse
from threads.search.query.editing import (
    dates_of,
    parts_of,
    values_of,
    with_dates,
    without_filter,
    without_parts,
)
from threads.search.results import SearchPage
from threads.search.rows import texts
from threads.search.tally import COUNT_CAP

_COMPARED = 1_000  # messages that are counted to find the rarest word
_MISSPELT = 3  # words that are looked at
_LETTERS = range(4, 21)  # shorter ones are near to everything, longer ones are no words
_TWO_OFF = 7  # letters from which two may be wrong
_BEGINNING = 3  # letters that are right then
_SAMPLE = 300  # newest messages in which a better word is looked for
_PLAIN = re.compile(r"[^\W\d_]+")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Offer:
    """Another query and what it finds. `kind`: spelling, word, dates, project or tools.

    `page` is the one that opens, without its messages: it tells how much there is.
    """

    kind: str
    query: str
    words: str  # what is changed: the better spelling, or the word that is left out
    page: SearchPage


def offers(
    query: Query,
    *,
    within: QuerySet[Project],
    now: datetime,
    zone: tzinfo,
    limit: int = 20,
    counted: int = COUNT_CAP,
) -> list[Offer]:
    """Return other queries that find something, those nearest to what was asked first.

    `limit` and `counted` are those of the page that opens, see `find`. Each costs some ten
    queries, and a misspelt word four more. A query that has to look into texts is offered
    nothing: each offer would look through them again.
    """
    if query.expression is None or query.needs_scan:
        return []
    found = []
    for kind, text, words in _others(query, within=within, now=now):
        other = parse(text, now=now, zone=zone)
        is_spelling = kind == "spelling"
        if not is_spelling and not prepare(other, within=within, now=now).count(1):
            continue
        page = find(other, within=within, limit=limit, hits_shown=0, counted=counted, now=now)
        # A page that has some of the words only is what the reader sees already. With a better
        # word it is not.
        if page.results and (is_spelling or page.is_whole):
            found.append(Offer(kind, text, words, page))
    return list({offer.query: offer for offer in reversed(found)}.values())[::-1]


def _others(
    query: Query, *, within: QuerySet[Project], now: datetime
) -> Iterator[tuple[str, str, str]]:
    archive = prepare(Query(), within=within, now=now)
    words = [part for part in parts_of(query) if isinstance(part, Word)]
    better = [
        (word, spelt)
        for word in words[:_MISSPELT]
        if _PLAIN.fullmatch(word.text) and (spelt := _spelt(word.text.lower(), archive))
    ]
    if better:
        text = query.text
        for word, spelt in reversed(better):
            start, end = word.span or (0, 0)
            text = f"{text[:start]}{spelt}{text[end:]}"
        yield "spelling", text, " ".join(spelt for _word, spelt in better)
    terms = [p for p in parts_of(query) if isinstance(p, (Word, Phrase, Prefix, Token))]
    if len(terms) > 1:
        rarest = min(terms[:8], key=lambda term: _hits(archive, term, _COMPARED))
        yield "word", without_parts(query, [rarest]), _text_of(rarest)
    if dates_of(query):
        yield "dates", with_dates(query), ""
    if values_of(query, "project"):
        yield "project", without_filter(query, "project"), ""


def _text_of(node: Node) -> str:
    match node:
        case Word(text) | Phrase(text) | Prefix(text) | Token(text):
            return text
    raise TypeError(node)


def _hits(archive: Prepared, node: Node, cap: int) -> int:
    return archive.lookup(archive.plan.with_text(node)).count(cap)


def _spelt(word: str, archive: Prepared) -> str:
    """Return the word that was probably meant; "" where `word` is there, or nothing is near."""
    if len(word) not in _LETTERS or not archive.scope.visible:
        return ""
    lookup = archive.lookup(archive.plan.with_text(Word(word)))
    if lookup.count(1) or next(iter(lookup.titles(newest_first=True)), None):
        return ""
    near = _one_off(word)
    found = _words_in(archive, Or(tuple(Word(other) for other in sorted(near))))
    best = _most(Counter({other: count for other, count in found.items() if other in near}))
    if not best and len(word) >= _TWO_OFF:
        found = _words_in(archive, Prefix(word[:_BEGINNING]))
        close = {other: n for other, n in found.items() if _distance(word, other) == 2}
        best = _most(Counter(close))
    return best


def _most(words: Counter[str]) -> str:
    return max(words, key=lambda word: (words[word], word), default="")


def _words_in(archive: Prepared, node: Node) -> Counter[str]:
    """Count the words of the newest messages in which `node` holds."""
    lookup = archive.lookup(archive.plan.with_text(node))
    keys = [key for key, _thread in islice(lookup.hits(newest_first=True), _SAMPLE)]
    if not keys:
        return Counter()
    return Counter(
        word for text in texts(archive.connection, keys).values() for word in words_of(text)
    )


def _one_off(word: str) -> set[str]:
    """Return what one slip makes of `word`: a letter more, less, other, or two exchanged."""
    pairs = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    near = {left + right[1:] for left, right in pairs if right}
    near |= {left + right[1] + right[0] + right[2:] for left, right in pairs if len(right) > 1}
    near |= {left + letter + right[1:] for left, right in pairs if right for letter in _ALPHABET}
    near |= {left + letter + right for left, right in pairs for letter in _ALPHABET}
    return near - {word}


def _distance(one: str, other: str) -> int:
    """Return how many slips lie between two words; 3 stands for all that is more."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)
