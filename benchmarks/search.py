"""Measures the search: ThreadHub's own find(), the same over HTTP, the bare engine, and LIKE.

    python benchmarks/search.py --messages 100000
    python benchmarks/search.py --messages 1000000 --corpus dialogues.jsonl.gz --keep /some/folder
    python benchmarks/search.py --postgres postgres://postgres@127.0.0.1/search_benchmark

Without --corpus it makes dialogues of its own, the same ones every time. All figures are CPU
milliseconds per query, p50 / p95 over the queries of a class, warm; on a quiet machine the time
on the wall is the same. Texts and methods take turns at random in one run, so that their ratios
hold on a busy machine too. Between two of them other memory is written, as other requests do
where searches come seconds apart: --at-once leaves that out, which makes all of it faster, and
most of all what has least to do. What is searched is told as find() gets it: parsed, with the
reader's projects; over HTTP all of that is in the figure. The bare engine is FTS5 typed by hand,
which brings row ids and nothing else; "by hand" is the page as the shortest program that brings
it, for queries of plain words. With --postgres there is neither, and the time is that on the
clock: most of it is spent in the server.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import dialogues  # noqa: E402 - beside this file
from search_queries import CLASSES, choose  # noqa: E402
from search_writes import measure_build, measure_sizes, measure_writes  # noqa: E402

Method = Callable[[str], Any]
Times = dict[str, dict[str, list[float]]]  # ms of each query, by class and method
_QUESTION_ONLY = "any word"
_BY_HAND = "by hand"
_SQLITE_ONLY = (_BY_HAND, "bare newest", "bare best", "LIKE")
_PLAIN = ("rare", "mid", "common", "and2", "ident")  # classes that it can answer
# What takes turns. The bare ranking of a frequent word sorts for a second and leaves nothing of
# what others had in memory: it is no company for queries of a fifth of a millisecond.
_TURNS = (
    ("newest", _BY_HAND, "bare newest"),
    ("best", "bare best", _QUESTION_ONLY),
    ("facets",),
    ("HTTP newest",),
)


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure to reach: the p50 of `method` against that of `against`, in these classes."""

    method: str
    against: str
    classes: tuple[str, ...]
    most: float


AIMS = (
    Aim("newest", "bare newest", ("rare", "mid", "common"), 4),
    Aim("newest", "bare newest", ("and2", "phrase"), 6),
    Aim("newest", "bare newest", ("ident",), 1.5),
    Aim("best", "bare best", ("mid",), 1.1),
    Aim("best", "bare best", ("common",), 0.1),
    Aim("newest", "LIKE", ("ident",), 0.001),
)
QUESTION_MS = 40  # p95
_OTHERS = bytes(64 << 20)  # more than a processor keeps for itself
_MEMORY = bytearray(_OTHERS)
FACETS_MS = 60  # the slowest
HTTP_MS = 15  # more than find(), p50


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments.keep or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["THREADHUB_DATA_DIR"] = str(folder)
        os.environ["DATABASE_URL"] = arguments.postgres or f"sqlite:///{folder / 'search.sqlite3'}"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        import django

        django.setup()
        _prepare(arguments)
        queries = {name: texts for name, texts in choose(arguments.queries).items() if texts}
        wanted = arguments.classes.split(",")
        queries = {name: texts for name, texts in queries.items() if name in wanted}
        methods = _methods([text for texts in queries.values() for text in texts])
        if arguments.only:
            methods = {name: methods[name] for name in arguments.only.split(",")}
        times = {
            name: _by_turns(methods, texts, name, arguments) for name, texts in queries.items()
        }
        _tell(times, list(methods), on_the_clock=bool(arguments.postgres))
        if not arguments.postgres:
            _tell_aims(times)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--corpus", type=Path, help="JSONL of threads, may be gzipped; repeated")
    parser.add_argument(
        "--length",
        type=int,
        default=400,
        help="characters of a message on average, made by joining turns; 0: as they are",
    )
    parser.add_argument("--queries", type=int, default=10, help="in each class")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--keep", type=Path, help="folder for the database; used again if filled")
    parser.add_argument(
        "--postgres", metavar="URL", help="of a database that is empty, or was filled by this"
    )
    parser.add_argument("--classes", default=",".join(CLASSES), help="of queries, by comma")
    parser.add_argument("--only", help="methods to measure, by comma; all by default")
    parser.add_argument("--at-once", action="store_true", help="one query after the other")
    parser.add_argument("--no-writes", action="store_true", help="leave the writing out")
    return parser.parse_args()


def _prepare(arguments: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection

    from threads.models import Message
    from threads.search import setup

    call_command("migrate", verbosity=0)
    connection.ensure_connection()
    if Message.objects.count() < arguments.messages:
        rng = random.Random(7)  # noqa: S311 - the same archive every time
        source = (
            dialogues.from_file(arguments.corpus, rng, length=arguments.length)
            if arguments.corpus
            else dialogues.made_up(rng, length=arguments.length)
        )
        setup.keeper(connection).drop(connection)
        dialogues.fill(arguments.messages, source, rng)
        if arguments.postgres:
            setup.rebuild()
        else:
            measure_build(arguments.messages)
    if not (arguments.no_writes or arguments.postgres):
        measure_sizes()
        measure_writes()


def _methods(texts: list[str]) -> dict[str, Method]:
    from django.db import connection
    from search_by_hand import newest_page

    from projects.models import Project
    from threads.search import find
    from threads.search.facets import facets
    from threads.search.match import fts5
    from threads.search.query import parse

    now = dialogues.LAST + timedelta(days=10)
    engine = connection.connection
    within = Project.objects.visible_to(None)
    parsed = {text: parse(text, now=now, zone=UTC) for text in texts}
    expressions = {
        text: fts5(query.expression) for text, query in parsed.items() if query.expression
    }
    matches = {text: f"{{body}} : ({expression})" for text, expression in expressions.items()}

    def ours(sort: str, match: str = "all") -> Method:
        return lambda text: find(parsed[text], within=within, sort=sort, match=match, now=now)

    def bare(order: str) -> Method:
        sql = f"SELECT rowid FROM search_message WHERE search_message MATCH ? {order} LIMIT 20"
        return lambda text: engine.execute(sql, [matches[text]]).fetchall()

    def like(text: str) -> Any:
        return engine.execute(
            "SELECT id FROM threads_message WHERE text LIKE ? ORDER BY search_key DESC LIMIT 20",
            ["%" + text.strip('"*') + "%"],
        ).fetchall()

    methods: dict[str, Method] = {
        "newest": ours("newest"),
        _BY_HAND: lambda text: newest_page(engine, parsed[text], expressions[text]),
        "bare newest": bare("ORDER BY rowid DESC"),
        "best": ours("relevance"),
        "bare best": bare("ORDER BY rank"),
        _QUESTION_ONLY: ours("relevance", "any"),
        "facets": lambda text: facets(parsed[text], within=within, now=now, zone=UTC),
        "HTTP newest": _over_http(),
        "LIKE": like,
    }
    if connection.vendor == "sqlite":
        return methods
    return {name: methods[name] for name in methods if name not in _SQLITE_ONLY}


def _over_http() -> Method:
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "1000000/m")
    client = Client()

    def run(text: str) -> Any:
        answer = client.get("/api/v1/threads", {"q": text, "sort": "newest"})
        assert answer.status_code == 200, answer.content[:300]
        return answer

    return run


def _by_turns(
    methods: dict[str, Method], texts: list[str], kind: str, arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the median milliseconds of each text by method, warm, the lowest first.

    Texts, pages and the bare engine take turns in an order that changes every round, as searches
    do that different people make: repeated on the spot, everything would stay in the processor's
    cache. LIKE reads the whole archive, once and last.
    """
    asked = [name for name in methods if _applies(name, kind)]
    clock = time.perf_counter if arguments.postgres else time.process_time
    spent: dict[tuple[str, str], list[float]] = {}
    rng = random.Random(3)  # noqa: S311 - the same turns every time
    for names in _TURNS:
        pairs = [(name, text) for name in names if name in asked for text in texts]
        for number in range(arguments.rounds + 1):
            rng.shuffle(pairs)
            for name, text in pairs:
                if not arguments.at_once:
                    _MEMORY[:] = _OTHERS
                milliseconds = _spent(methods[name], text, clock)
                if number:  # the first round warms up
                    spent.setdefault((name, text), []).append(milliseconds)
    for text in texts if "LIKE" in asked else ():
        spent["LIKE", text] = [_spent(methods["LIKE"], text, clock)]
    return {name: sorted(statistics.median(spent[name, text]) for text in texts) for name in asked}


def _applies(method: str, kind: str) -> bool:
    if method == _BY_HAND:
        return kind in _PLAIN
    if kind == "question":
        return not method.startswith(("bare", "LIKE"))
    return method != _QUESTION_ONLY


def _spent(run: Method, text: str, clock: Callable[[], float]) -> float:
    started = clock()
    run(text)
    return (clock() - started) * 1000


def _p95(values: list[float]) -> float:
    return values[min(len(values) - 1, round(0.95 * len(values)))]


def _tell(times: Times, methods: Iterable[str], *, on_the_clock: bool) -> None:
    head = f"{'' if on_the_clock else 'CPU '}ms, p50 / p95"
    print(f"\n{head:<18}" + "".join(f"{name:>18}" for name in methods))
    for kind, by_method in times.items():
        cells = [
            f"{statistics.median(values):>9.2f} / {_p95(values):>6.2f}" if values else f"{'–':>18}"
            for values in (by_method.get(name) for name in methods)
        ]
        print(f"{kind:<18}" + "".join(cells))


def _tell_aims(times: Times) -> None:
    """Print each figure of this run beside what it is meant to be."""
    print(f"\n{'figure':<44}{'measured':>10}{'aim':>10}")
    for aim in AIMS:
        for kind in aim.classes:
            by_method = times.get(kind, {})
            if aim.method in by_method and aim.against in by_method:
                ratio = statistics.median(by_method[aim.method]) / statistics.median(
                    by_method[aim.against]
                )
                _tell_one(f"{kind}: {aim.method} / {aim.against}", ratio, aim.most)
    for method in ("best", _QUESTION_ONLY):
        if values := times.get("question", {}).get(method):
            _tell_one(f"question: {method}, p95, ms", _p95(values), QUESTION_MS)
    slowest = [values[-1] for by_method in times.values() if (values := by_method.get("facets"))]
    if slowest:
        _tell_one("facets, the slowest, ms", max(slowest), FACETS_MS)
    further = [
        statistics.median(by_method["HTTP newest"]) - statistics.median(by_method["newest"])
        for by_method in times.values()
        if {"HTTP newest", "newest"} <= by_method.keys()
    ]
    if further:
        _tell_one("HTTP on top of find(), ms", max(further), HTTP_MS)


def _tell_one(name: str, measured: float, most: float) -> None:
    verdict = "met" if measured <= most else "not met"
    print(f"{name:<44}{measured:>10.4g}{most:>10.4g}   {verdict}")


if __name__ == "__main__":
    main()
