"""Chooses what the search benchmark asks, out of the archive that it has: the same every time.

The classes and the shares that make them are those of the search's design: a word is rare in
0.005–0.02 % of the messages, middling in 0.4–1.2 %, common are the most frequent ones.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC

CLASSES = ("rare", "mid", "common", "and2", "phrase", "prefix", "ident", "question")
_STOP_WORDS = (
    "the a an and or of to in is it you i for on that this with be are as at have has can not do"
    " if but my your we me was will so would what there from by they he she his her its our"
)
_SAMPLE = 30_000  # messages that are read to choose from
_RARE = (0.00005, 0.0002)  # share of messages
_MID = (0.004, 0.012)


def choose(count: int) -> dict[str, list[str]]:
    """Return `count` queries for each class."""
    return _Chooser(count).queries()


class _Chooser:
    def __init__(self, count: int) -> None:
        from django.db import connection

        self._count = count
        self._rng = random.Random(11)  # noqa: S311 - the same queries every time
        self._cursor = connection.cursor()
        self._cursor.execute("SELECT count(*), max(id) FROM threads_message")
        self._total, last = self._cursor.fetchone()
        picks = ", ".join(str(self._rng.randint(1, last)) for _ in range(_SAMPLE))
        self._cursor.execute(f"SELECT text FROM threads_message WHERE id IN ({picks})")
        self._texts = [row[0] for row in self._cursor.fetchall() if row[0].isascii()]
        self._rows = [re.findall(r"[a-z]{3,}", text.lower()) for text in self._texts]
        frequency = Counter(word for words in self._rows for word in set(words))
        self._share = {word: number / len(self._texts) for word, number in frequency.items()}
        self._words = [
            word for word in frequency if word not in _STOP_WORDS.split() and len(word) > 3
        ]
        self._rng.shuffle(self._words)

    def queries(self) -> dict[str, list[str]]:
        rng, count, share = self._rng, self._count, self._share
        scarce = [word for word in self._words if share[word] <= 3 * _RARE[1]]
        middling = [word for word in self._words if _MID[0] / 2 < share[word] < _MID[1] * 2]
        pairs, phrases, questions = self._from_rows()
        named = [re.search(r"Reference (\S+)\.", text) for text in self._texts]
        return {
            "rare": self._between(*_RARE, scarce),
            "mid": self._between(*_MID, middling),
            "common": sorted(self._words, key=lambda word: -share[word])[:count],
            "and2": pairs,
            "phrase": phrases,
            "prefix": [f"{word[: rng.randint(4, 5)]}*" for word in middling[:count]],
            "ident": [found[1] for found in named if found][:count],
            "question": questions,
        }

    def _from_rows(self) -> tuple[list[str], list[str], list[str]]:
        """Two words, two words in a row, and questions of three to seven words, as they occur."""
        rng, count = self._rng, self._count
        pairs: list[str] = []
        phrases: list[str] = []
        questions: list[str] = []
        for row in rng.sample(self._rows, len(self._rows)):
            known = {word for word in row if 0.002 < self._share[word] < 0.05}
            if len(pairs) < count and len(known) >= 2:
                pairs.append(" ".join(rng.sample(sorted(known), 2)))
            starts = [n for n in range(len(row) - 1) if {row[n], row[n + 1]} <= known]
            if len(phrases) < count and starts:
                at = rng.choice(starts)
                phrases.append(f'"{row[at]} {row[at + 1]}"')
            if len(questions) < count and len(row) >= 7:
                at = rng.randint(0, len(row) - 6)
                questions.append(f"what {' '.join(row[at : at + rng.randint(3, 6)])}?")
        return pairs, phrases, questions

    def _between(self, low: float, high: float, candidates: Iterable[str]) -> list[str]:
        from django.utils import timezone

        from projects.models import Project
        from threads.search.prepared import prepare
        from threads.search.query import parse

        within, now = Project.objects.visible_to(None), timezone.now()
        found: list[str] = []
        for word in candidates:
            query = parse(word, now=now, zone=UTC)
            hits = prepare(query, within=within, now=now).lookup().count(self._total)
            if low <= hits / self._total <= high:
                found.append(word)
            if len(found) == self._count:
                break
        return found
