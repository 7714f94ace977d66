"""Measures the search: ThreadHub's own find(), the same over HTTP, the bare engine, and LIKE.

    python benchmarks/search.py --messages 100000
    python benchmarks/search.py --messages 1000000 --corpus dialogues.jsonl.gz --keep /some/folder

Without --corpus it makes dialogues of its own, the same ones every time. All figures are CPU
milliseconds per query, p50 / p95 over the queries of a class, warm; on a quiet machine the time
on the wall is the same. The columns take turns in one run, so their ratios hold on a busy
machine too. What is read is told as find() gets it: parsed, with the reader's projects; over
HTTP all of that is in the figure. SQLite only: the bare engine is FTS5 typed by hand.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIRST = datetime(2020, 6, 1, tzinfo=UTC)
LAST = datetime(2026, 10, 31, tzinfo=UTC)
BATCH = 5_000
STOP_WORDS = set(
    "the a an and or of to in is it you i for on that this with be are as at have has can not do "
    "if but my your we me was will so would what there from by they he she his her its our".split()
)
CLASSES = ("rare", "mid", "common", "and2", "phrase", "prefix", "ident", "question")


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments.keep or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["THREADHUB_DATA_DIR"] = str(folder)
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'search.sqlite3'}"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        _prepare(arguments)
        queries = _queries(arguments.queries)
        _measure(queries, arguments.rounds, http=arguments.http)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--corpus", type=Path, help="JSONL of threads, may be gzipped; repeated")
    parser.add_argument("--queries", type=int, default=10, help="in each class")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--keep", type=Path, help="folder for the database; used again if filled")
    parser.add_argument("--http", action="store_true", help="measure the JSON API as well")
    return parser.parse_args()


# The archive.

# ruff: noqa: SIM905 - word lists are read as text


def _prepare(arguments: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection

    from threads.models import Message
    from threads.search import setup

    call_command("migrate", verbosity=0)
    if Message.objects.count() < arguments.messages:
        keeper = setup.keeper(connection)
        keeper.drop(connection)
        characters = _fill(arguments)
        keeper.create(connection)
        started = time.process_time()
        keeper.fill(connection)
        spent = time.process_time() - started
        setup.optimize()
        print(f"index built: {arguments.messages / spent:,.0f} messages per CPU second")
        _sizes(characters)
    _writes()


def _fill(arguments: argparse.Namespace) -> int:
    from django.db import transaction

    from projects.models import Project
    from threads.models import Message, Thread
    from threads.search import keys

    rng = random.Random(7)  # noqa: S311 - the same archive every time
    projects = [
        Project.objects.create(name=f"Project {n}", slug=f"project-{n}", visibility="public")
        for n in range(8)
    ]
    source = _corpus(arguments.corpus) if arguments.corpus else _dialogues(rng)
    written = characters = number = 0
    span = (LAST - FIRST).total_seconds()
    while written < arguments.messages:
        threads: list[Thread] = []
        rows: list[Message] = []
        while len(rows) < BATCH and written + len(rows) < arguments.messages:
            title, texts = next(source)
            number += 1
            begun = FIRST + timedelta(seconds=rng.random() * span)
            thread = Thread(
                project=rng.choice(projects),
                external_id=f"thread_{number:08d}",
                store="import",
                title=title[:300],
                created_at=begun,
                last_message_timestamp=begun + timedelta(minutes=len(texts)),
                message_count=len(texts),
            )
            threads.append(thread)
            for position, (role, text) in enumerate(texts, start=1):
                if rng.random() < 0.08:
                    text += f" Reference {_identifier(rng)}."  # noqa: PLW2901
                characters += len(text.encode())
                rows.append(
                    Message(
                        thread=thread,
                        project=thread.project,
                        position=position,
                        remote_id=f"msg_{number}_{position}",
                        role=role,
                        text=text,
                        created_at=begun + timedelta(minutes=position),
                    )
                )
        with transaction.atomic():
            Thread.objects.bulk_create(threads)
            for row in rows:
                row.thread_id = row.thread.pk
            times = [row.created_at for row in rows if row.created_at]
            for row, key in zip(rows, keys.allocate(times), strict=True):
                row.search_key = key
            Message.objects.bulk_create(rows, batch_size=500)
        written += len(rows)
        print(f"\r{written:,} messages", end="", file=sys.stderr)
    print(file=sys.stderr)
    return characters


def _identifier(rng: random.Random) -> str:
    letters = "".join(rng.choices("abcdefghjkmnpqrstvwxyz0123456789", k=8))
    return f"{rng.choice(['ord', 'ERR', 'inv', 'req'])}-{rng.randint(100, 999)}-{letters}"


def _corpus(path: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Threads of a JSONL file, over and over."""
    while True:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            for line in lines:
                thread = json.loads(line)
                texts = [(m["role"], m["content"]) for m in thread["messages"]]
                if texts:
                    yield thread.get("title", ""), texts


def _dialogues(rng: random.Random) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Made-up dialogues whose words are as unevenly frequent as in a language."""
    syllables = "ba be bi bo bu da de di do ka ke ki ko la le li lo ma me mi mo na ne no".split()
    words = list(
        dict.fromkeys("".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(60_000))
    )
    weights = [1 / (rank + 2.7) for rank in range(len(words))]
    cumulative = [sum(weights[:1])]
    for weight in weights[1:]:
        cumulative.append(cumulative[-1] + weight)
    while True:
        turns = rng.randint(2, 16)
        texts = []
        for turn in range(turns):
            length = rng.randint(4, 25) if turn % 2 == 0 else rng.randint(15, 120)
            text = " ".join(rng.choices(words, cum_weights=cumulative, k=length))
            texts.append(("assistant" if turn % 2 else "user", text.capitalize() + "."))
        yield texts[0][1][:60], texts


def _sizes(characters: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for table in ("search_message", "search_thread"):
            cursor.execute(f"SELECT sum(length(block)) FROM {table}_data")
            (size,) = cursor.fetchone()
            print(f"{table}: {size / 1e6:,.1f} MB, {size / characters:.2f} times the text")


def _writes() -> None:
    """What the index adds to writing threads in small transactions, in CPU time."""
    from django.db import connection, transaction

    from threads.models import Message, Thread
    from threads.search import keys, setup

    newest = Thread.objects.order_by("-pk").first()
    assert newest is not None
    sample = list(Message.objects.order_by("pk")[:3_000])
    spent = {}
    for what in ("with index", "without"):
        with transaction.atomic():
            if what == "without":
                setup.keeper(connection).drop(connection)
            started = time.process_time()
            for at in range(0, len(sample), 10):
                rows = sample[at : at + 10]
                with transaction.atomic():
                    given = keys.allocate([LAST + timedelta(seconds=at + n) for n in range(10)])
                    Message.objects.bulk_create(
                        Message(
                            thread=newest,
                            project_id=newest.project_id,
                            position=1_000_000 + at + n,
                            remote_id=f"w{at + n}",
                            role=row.role,
                            text=row.text,
                            search_key=key,
                        )
                        for n, (row, key) in enumerate(zip(rows, given, strict=True))
                    )
            spent[what] = (time.process_time() - started) / len(sample) * 1e6
            transaction.set_rollback(True)
    print(
        f"writing: {spent['with index']:.0f} µs of CPU a message,"
        f" {spent['without']:.0f} without the index"
    )


# The queries.


def _queries(count: int) -> dict[str, list[str]]:
    from django.db import connection

    rng = random.Random(11)  # noqa: S311 - the same queries every time
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(id) FROM threads_message")
        total, last = cursor.fetchone()
        picks = ", ".join(str(rng.randint(1, last)) for _ in range(30_000))
        cursor.execute(f"SELECT text FROM threads_message WHERE id IN ({picks})")
        texts = [row[0] for row in cursor.fetchall() if row[0].isascii()]
    split = [re.findall(r"[a-z]{3,}", text.lower()) for text in texts]
    frequency = Counter(word for words in split for word in set(words))
    words = [word for word in frequency if word not in STOP_WORDS and len(word) > 3]
    rng.shuffle(words)

    def hits(match: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM search_message WHERE search_message MATCH %s",
                [f"{{body}} : ({match})"],
            )
            return int(cursor.fetchone()[0])

    def between(low: float, high: float, candidates: Iterable[str]) -> list[str]:
        found = []
        for word in candidates:
            if low <= hits(f'"{word}"') / total <= high:
                found.append(word)
            if len(found) == count:
                break
        return found

    scarce = [word for word in words if frequency[word] <= max(6, len(texts) // 4_000)]
    middling = [word for word in words if 0.002 < frequency[word] / len(texts) < 0.025]
    common = sorted(words, key=lambda word: -frequency[word])[:count]
    mid = between(0.004, 0.012, middling)
    pairs, phrases, questions = [], [], []
    for row in rng.sample(split, len(split)):
        known = [word for word in row if 0.002 < frequency[word] / len(texts) < 0.05]
        if len(pairs) < count and len(set(known)) >= 2:
            pairs.append(" ".join(rng.sample(sorted(set(known)), 2)))
        starts = [n for n in range(len(row) - 1) if row[n] in known and row[n + 1] in known]
        if len(phrases) < count and starts:
            at = rng.choice(starts)
            phrases.append(f'"{row[at]} {row[at + 1]}"')
        if len(questions) < count and len(row) >= 7:
            at = rng.randint(0, len(row) - 6)
            questions.append(f"what {' '.join(row[at : at + rng.randint(3, 6)])}?")
    idents = [found[1] for text in texts if (found := re.search(r"Reference (\S+)\.", text))]
    return {
        "rare": between(0.00005, 0.0002, scarce),
        "mid": mid,
        "common": common,
        "and2": pairs,
        "phrase": phrases,
        "prefix": [f"{word[: rng.randint(4, 5)]}*" for word in middling[:count]],
        "ident": idents[:count],
        "question": questions,
    }


# The measuring.


def _measure(queries: dict[str, list[str]], rounds: int, *, http: bool) -> None:
    from django.db import connection

    from projects.models import Project
    from threads.search import find
    from threads.search.facets import facets
    from threads.search.match import fts5
    from threads.search.query import parse

    now = LAST + timedelta(days=10)
    connection.ensure_connection()
    engine = connection.connection

    within = Project.objects.visible_to(None)
    parsed = {text: parse(text, now=now, zone=UTC) for texts in queries.values() for text in texts}

    def ours(sort: str, match: str = "all") -> Callable[[str], Any]:
        def run(text: str) -> Any:
            return find(parsed[text], within=within, sort=sort, match=match, now=now)

        return run

    def bare(order: str) -> Callable[[str], Any]:
        def run(text: str) -> Any:
            expression = parsed[text].expression
            assert expression is not None
            match = prepared.setdefault(text, f"{{body}} : ({fts5(expression)})")
            sql = f"SELECT rowid FROM search_message WHERE search_message MATCH ? {order} LIMIT 20"
            started = time.process_time()
            engine.execute(sql, [match]).fetchall()
            return time.process_time() - started

        return run

    def like(text: str) -> Any:
        return engine.execute(
            "SELECT id FROM threads_message WHERE text LIKE ? ORDER BY search_key DESC LIMIT 20",
            ["%" + text.strip('"*') + "%"],
        ).fetchall()

    prepared: dict[str, str] = {}
    methods: dict[str, Callable[[str], Any]] = {
        "newest page": ours("newest"),
        "bare newest": bare("ORDER BY rowid DESC"),
        "best page": ours("relevance"),
        "bare best": bare("ORDER BY rank"),
        "any word": ours("relevance", "any"),
        "facets": lambda text: facets(parsed[text], within=within, now=now, zone=UTC),
        "LIKE": like,
    }
    if http:
        methods["API newest"] = _over_http()
    print(f"\n{'CPU ms p50 / p95':<10}" + "".join(f"{name:>20}" for name in methods))
    for kind, texts in queries.items():
        cells = []
        medians = {}
        figures: dict[str, list[float]] = {name: [] for name in methods}
        figures |= _by_turns(methods, texts, kind, rounds)
        for name, values in figures.items():
            if not values:
                cells.append(f"{'–':>20}")
                continue
            values.sort()
            medians[name] = statistics.median(values)
            p95 = values[min(len(values) - 1, round(0.95 * len(values)))]
            cells.append(f"{medians[name]:>11.2f} / {p95:>6.2f}")
        ratios = [
            f"{label} {medians[ours_] / medians[theirs]:.4g}"
            for label, ours_, theirs in (
                ("newest/bare", "newest page", "bare newest"),
                ("best/bare", "best page", "bare best"),
                ("newest/LIKE", "newest page", "LIKE"),
            )
            if ours_ in medians and theirs in medians
        ]
        print(f"{kind:<10}" + "".join(cells) + "   " + ", ".join(ratios))


def _by_turns(
    methods: dict[str, Callable[[str], Any]], texts: list[str], kind: str, rounds: int
) -> dict[str, list[float]]:
    """Median CPU milliseconds of each text by method, warm.

    Texts, pages and the bare engine take turns, as searches do that different people make:
    repeated on the spot, everything would stay in the processor's cache. What reads much more
    comes after that, and LIKE, which reads the whole archive, once and last.
    """
    asked = [
        name
        for name in methods
        if not (name == "any word" and kind != "question")
        and not (kind == "question" and name.startswith(("bare", "LIKE")))
    ]
    times: dict[str, dict[str, list[float]]] = {
        name: {text: [] for text in texts} for name in asked
    }
    apart = ("facets", "API newest")
    turns = [[name for name in asked if name not in (*apart, "LIKE")]]
    turns += [[name] for name in apart if name in asked]
    for names, number in ((names, number) for names in turns for number in range(rounds + 1)):
        for text, name in ((text, name) for text in texts for name in names):
            spent = _cpu(methods[name], text)
            if number:
                times[name][text].append(spent)
    for text in texts if "LIKE" in asked else ():
        times["LIKE"][text].append(_cpu(methods["LIKE"], text))
    return {
        name: [statistics.median(spent) for spent in by_text.values()]
        for name, by_text in times.items()
    }


def _cpu(run: Callable[[str], Any], text: str) -> float:
    """CPU milliseconds of running it; a float it returns is its own time in seconds."""
    started = time.process_time()
    result = run(text)
    spent = time.process_time() - started
    return (result if isinstance(result, float) else spent) * 1000


def _over_http() -> Callable[[str], Any]:
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "1000000/m")
    client = Client()

    def run(text: str) -> Any:
        answer = client.get("/api/v1/threads", {"q": text, "sort": "newest"})
        assert answer.status_code == 200, answer.content[:300]
        return None

    return run


if __name__ == "__main__":
    main()
