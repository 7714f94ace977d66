"""Measures how often the search finds the messages that answer a question.

    python benchmarks/recall.py
    python benchmarks/recall.py --corpus threads.jsonl --questions questions.jsonl

Recall among the first k: the share of a question's evidence that is among the first k messages,
averaged over the questions. ThreadHub's own find() stands beside FTS5 typed by hand over the same
texts: all the words, any of the words, and any with the neighbours mixed in. --corpus holds threads
in the interchange format, --questions a line for each question:
`{"question": "Where does Ada live?", "evidence": ["message id", …], "project"?: "short name"}`.
Without them it makes long conversations of its own, the same ones every time, whose answers mostly
share few words with what is asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

DEPTHS = (1, 5, 10, 25, 50)
PROJECT = "recall"
Question = dict[str, Any]
Ranked = Callable[[str], list[str]]  # ids of messages for a question, best first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--questions", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["THREADHUB_DATA_DIR"] = str(folder)
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'recall.sqlite3'}"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        import django

        django.setup()
        if arguments.corpus:
            corpus = arguments.corpus
            lines = arguments.questions.read_text(encoding="utf-8").splitlines()
            questions = [json.loads(line) for line in lines if line.strip()]
        else:
            corpus = folder / "threads.jsonl"
            questions = _made_up(corpus)
        _import(corpus)
        _measure(questions)


def _import(corpus: Path) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("add_project", "Recall", verbosity=0)
    call_command("import_threads", str(corpus), project=PROJECT, verbosity=0)


def _measure(questions: list[Question]) -> None:
    from projects.models import Project
    from threads.models import Message
    from threads.search import find
    from threads.search.query import parse

    now = datetime.now(tz=UTC)

    def ours(**options: Any) -> Ranked:
        def ranked(question: str) -> list[str]:
            page = find(
                parse(question, now=now, zone=UTC),
                within=Project.objects.all(),
                group="message",
                limit=max(DEPTHS),
                now=now,
                **options,
            )
            return [hit.message_id for result in page.results for hit in result.hits]

        return ranked

    rows = Message.objects.order_by("pk").values_list("remote_id", "thread_id", "position", "text")
    bare = _Bare(list(rows))
    print(f"{len(bare.rows):,} messages, {len(questions):,} questions")
    methods: dict[str, Ranked] = {
        "FTS5, all words": lambda text: bare.ranked(text, "AND"),
        "FTS5, any word": lambda text: bare.ranked(text, "OR"),
        "… with neighbours": lambda text: bare.ranked(text, "OR", mix=True),
        "find(), match any": ours(match="any"),
        "find()": ours(),
    }
    print(f"{'recall at':<20}" + "".join(f"{depth:>8}" for depth in DEPTHS) + f"{'CPU ms':>10}")
    for name, ranked in methods.items():
        found: dict[int, float] = defaultdict(float)
        started = time.process_time()
        for question in questions:
            ids = ranked(question["question"])
            evidence = set(question["evidence"])
            for depth in DEPTHS:
                found[depth] += len(evidence & set(ids[:depth])) / len(evidence)
        spent = (time.process_time() - started) / len(questions) * 1000
        shares = "".join(f"{100 * found[depth] / len(questions):>8.1f}" for depth in DEPTHS)
        print(f"{name:<20}{shares}{spent:>10.2f}")


class _Bare:
    """FTS5 by itself, ranked by BM25; the method of the search written down a second time."""

    DEPTH = 200

    def __init__(self, rows: list[tuple[str, int, int, str]]) -> None:
        self.rows = rows
        self._at = {(thread, place): n for n, (_, thread, place, _) in enumerate(rows)}
        self._engine = sqlite3.connect(":memory:")
        self._engine.execute("CREATE VIRTUAL TABLE m USING fts5(text, tokenize='porter unicode61')")
        self._engine.executemany(
            "INSERT INTO m(rowid, text) VALUES(?, ?)",
            [(number + 1, text) for number, (_, _, _, text) in enumerate(rows)],
        )

    def ranked(self, question: str, operator: str, *, mix: bool = False) -> list[str]:
        words = [f'"{word}"' for word in re.findall(r"\w+", question)]
        rows = self._engine.execute(
            "SELECT rowid - 1, -rank FROM m WHERE m MATCH ? ORDER BY rank LIMIT ?",
            [f" {operator} ".join(words), self.DEPTH],
        ).fetchall()
        scores = dict(rows)
        if mix:
            scores = self._mixed(scores)
        best = sorted(scores, key=lambda number: -scores[number])
        return [self.rows[number][0] for number in best]

    def _mixed(self, scores: dict[int, float]) -> dict[int, float]:
        best: dict[int, float] = defaultdict(float)
        for number, score in scores.items():
            thread = self.rows[number][1]
            best[thread] = max(best[thread], score)
        mixed: dict[int, float] = {}
        for number, score in scores.items():
            _, thread, place, _ = self.rows[number]
            for step, share in ((0, 1.0), (-1, 0.5), (1, 0.5), (-2, 0.25), (2, 0.25)):
                other = self._at.get((thread, place + step))
                if other is not None:
                    mixed.setdefault(other, 0.2 * best[thread])
                    mixed[other] += share * score
        return mixed


# Conversations made up: two friends talk now and then, and later somebody asks about them.

_NAMES = "Ada Boris Clara Dmitri Elena Farid Greta Hugo Irene Jonas Karla Luis Mina Nils Olga Pablo"
_CHAT = [
    "Hey {other}! How have you been? It has been a while since we last talked.",
    "I am doing well, thanks. Work keeps me busy but I try to take it easy.",
    "That sounds great, I am really happy for you!",
    "Wow, that is amazing. Tell me more about it when you have time.",
    "The weekend went by so fast, I hardly got any rest.",
    "I know what you mean. It is hard to find time for everything.",
    "Thanks for your support, it means a lot to me.",
    "We should get together soon and catch up over a cup of tea.",
    "The weather has been so nice, I went for a walk in the park.",
    "I totally agree with you. Family and friends come first.",
    "Good luck with that! You have worked so hard for it.",
    "Let me know how it goes, I am looking forward to hearing from you.",
    "It was a tough day, but talking to you always cheers me up.",
    "Take care of yourself, and see you next week!",
]
# What is said in two turns, and what is asked later; the evidence is the second turn.
_FACTS = [
    ("Do you have any animals at home?", "Yes, we got a {pet} last month. It sleeps on the sofa.",
     "Which animal does {name} have at home?"),
    ("So where did you end up on your holiday?", "We drove all the way to {place}, kids and all.",
     "Where did {name} go on holiday?"),
    ("What do you do to unwind after work?", "Lately I go {hobby} twice a week, it clears my head.",
     "What does {name} do to relax after work?"),
    ("Did you cook anything special?", "I made {dish} from my grandmother's recipe.",
     "What did {name} cook from a family recipe?"),
    ("How is the new job?", "Being a {job} is more demanding than I expected, but I learn a lot.",
     "What is {name}'s new job?"),
    ("What are you reading at the moment?", "A novel about {theme}, I cannot put it down.",
     "What is {name}'s novel about?"),
    ("Was the concert any good?", "The {instrument} player stole the show, I had tears in my eyes.",
     "Which musician impressed {name} at the concert?"),
    ("What happened to your arm?", "I fell while {sport} and broke my wrist.",
     "How did {name} break a wrist?"),
    ("Any plans for the garden this year?", "I want to grow {plant} along the fence.",
     "What does {name} want to grow in the garden?"),
    ("What did you give your sister?", "I found a {gift} at the flea market, she was thrilled.",
     "What did {name} give to the sister?"),
]  # fmt: skip
_SLOTS = {
    "pet": "parrot tortoise spaniel kitten rabbit hamster ferret",
    "place": "Norway Lisbon Tuscany Morocco Iceland Vienna Cornwall",
    "hobby": "swimming climbing pottery-making jogging fishing rowing dancing",
    "dish": "dumplings lasagne paella goulash ratatouille pancakes curry",
    "job": "nurse carpenter translator surveyor pharmacist gardener librarian",
    "theme": "sailors refugees astronomers smugglers painters monks spies",
    "instrument": "cello trumpet harp clarinet violin flute accordion",
    "sport": "skating skiing cycling surfing bouldering riding fencing",
    "plant": "tomatoes roses beans lavender sunflowers pumpkins peas",
    "gift": "teapot necklace camera clock lamp globe mirror",
}


def _made_up(path: Path) -> list[Question]:
    """Write conversations to `path`; return the questions about them."""
    rng = random.Random(5)  # noqa: S311 - the same ones every time
    names = _NAMES.split()
    questions: list[Question] = []
    with path.open("w", encoding="utf-8") as file:
        for first, second in zip(names[::2], names[1::2], strict=True):
            begun = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=rng.randint(0, 60))
            # Each tells each thing once, so that a question has one answer.
            told = [(fact, speaker) for fact in _FACTS for speaker in (0, 1)]
            rng.shuffle(told)
            for session in range(24):
                facts, told = told[:1], told[1:]
                turns = list(_session(rng, (first, second), facts, questions, f"{first}{session}"))
                at = begun + timedelta(days=9 * session)
                thread = {
                    "id": f"{first}-{second}-{session}",
                    "messages": [
                        {**turn, "created_at": (at + timedelta(minutes=n)).isoformat()}
                        for n, turn in enumerate(turns)
                    ],
                }
                file.write(json.dumps(thread) + "\n")
    return questions


def _session(
    rng: random.Random,
    names: tuple[str, str],
    facts: list[tuple[tuple[str, str, str], int]],
    questions: list[Question],
    prefix: str,
) -> Iterator[dict[str, str]]:
    """Yield the messages of one meeting, and note what could be asked about it."""
    told = {rng.randint(3, 18): fact for fact in facts}
    said: list[tuple[int, str]] = []  # who of the two, and what
    for place in range(22):
        if place in told:
            (lead, answer, question), speaker = told[place]
            values = {slot: rng.choice(words.split()) for slot, words in _SLOTS.items()}
            said += [(1 - speaker, lead), (speaker, answer.format(**values))]
            text = question.format(name=names[speaker])
            questions.append({"question": text, "evidence": [f"{prefix}:{len(said) - 1}"]})
        else:
            said.append((place % 2, rng.choice(_CHAT)))
    for number, (speaker, text) in enumerate(said):
        name, other = names[speaker], names[1 - speaker]
        yield {
            "id": f"{prefix}:{number}",
            "role": "user" if speaker == 0 else "assistant",
            "content": f"{name}: {text.format(other=other)}",
        }


if __name__ == "__main__":
    main()
