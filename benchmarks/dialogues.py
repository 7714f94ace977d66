"""Archives for the search benchmarks: dialogues made up or read from a file, and filled in.

Published dialogues are mostly short. Where a length is asked for, their turns are joined until
messages have it on average, short questions and long answers as assistants write them.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FIRST = datetime(2020, 6, 1, tzinfo=UTC)
LAST = datetime(2026, 10, 31, tzinfo=UTC)
BATCH = 5_000  # messages written in one transaction
_IDENTIFIED = 0.08  # share of messages that name something by an identifier
_QUESTION = 0.35  # length of what people write, as a share of the average
_SPREAD = 0.7  # of the logarithm of lengths

Dialogue = tuple[str, list[tuple[str, str]]]  # title; role and text of each message


def from_file(path: Path, rng: random.Random, *, length: int = 0) -> Iterator[Dialogue]:
    """Yield the threads of a JSONL file, gzipped or not, over and over.

    `length`: characters that messages have on average; 0 leaves them as they are.
    """
    while True:
        threads = _read(path)
        yield from _lengthened(threads, rng, length) if length else threads


def _read(path: Path) -> Iterator[Dialogue]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            thread = json.loads(line)
            texts = [(message["role"], message["content"]) for message in thread["messages"]]
            if texts:
                yield thread.get("title", ""), texts


def _lengthened(threads: Iterator[Dialogue], rng: random.Random, length: int) -> Iterator[Dialogue]:
    """Join turns, and dialogues where one is not enough, until messages are long enough."""
    turns = ((title, text) for title, texts in threads for _role, text in texts)
    for title, text in turns:
        messages: list[tuple[str, str]] = []
        pending = text
        for place in range(rng.randint(2, 16)):
            is_answer = place % 2 == 1
            share = 2 - _QUESTION if is_answer else _QUESTION
            wanted = share * length * rng.lognormvariate(-(_SPREAD**2) / 2, _SPREAD)
            parts = [pending]
            size = len(pending)
            pending = ""
            for _title, more in turns:
                if size >= wanted:
                    pending = more
                    break
                parts.append(more)
                size += len(more) + 1
            messages.append(("assistant" if is_answer else "user", " ".join(parts)))
            if not pending:
                break
        yield title, messages


def made_up(rng: random.Random, *, length: int = 0) -> Iterator[Dialogue]:
    """Yield dialogues whose words are as unevenly frequent as in a language, without end."""
    syllables = [first + second for first in "bdklmnrst" for second in "aeiou"]
    words = list(
        dict.fromkeys("".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(60_000))
    )
    weights = [1 / (rank + 2.7) for rank in range(len(words))]
    total, cumulative = 0.0, []
    for weight in weights:
        total += weight
        cumulative.append(total)
    stretch = length / 270 if length else 1.0  # 270 characters is what they have as they are
    while True:
        texts = []
        for turn in range(rng.randint(2, 16)):
            count = rng.randint(4, 25) if turn % 2 == 0 else rng.randint(15, 120)
            chosen = rng.choices(words, cum_weights=cumulative, k=math.ceil(count * stretch))
            texts.append(("assistant" if turn % 2 else "user", " ".join(chosen).capitalize() + "."))
        yield texts[0][1][:60], texts


def fill(count: int, source: Iterator[Dialogue], rng: random.Random) -> None:
    """Write threads of `source` to the database until it has `count` messages more."""
    from django.db import transaction

    from projects.models import Project
    from threads.models import Message, Thread
    from threads.search import keys

    projects = [
        Project.objects.create(name=f"Project {n}", slug=f"project-{n}", visibility="public")
        for n in range(8)
    ]
    span = (LAST - FIRST).total_seconds()
    written = number = 0
    while written < count:
        threads: list[Thread] = []
        messages: list[dict[str, Any]] = []
        while len(messages) < BATCH and written + len(messages) < count:
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
                named = f" Reference {identifier(rng)}." if rng.random() < _IDENTIFIED else ""
                messages.append(
                    {
                        "thread_id": len(threads) - 1,  # until it has one
                        "project_id": thread.project_id,
                        "position": position,
                        "remote_id": f"msg_{number}_{position}",
                        "role": role,
                        "text": text + named,
                        "created_at": begun + timedelta(minutes=position),
                    }
                )
        with transaction.atomic():
            Thread.objects.bulk_create(threads)
            given = keys.allocate([message["created_at"] for message in messages])
            for message, key in zip(messages, given, strict=True):
                message |= {"thread_id": threads[message["thread_id"]].pk, "search_key": key}
            _insert(Message, messages)
        written += len(messages)
        if sys.stderr.isatty():
            print(f"\r{written:,} messages", end="", file=sys.stderr)


def _insert(model: Any, rows: list[dict[str, Any]]) -> None:
    """Write rows past the ORM, whose objects take ten times as long; the rest are defaults."""
    from django.db import connection

    def prepared(field: Any, value: Any) -> Any:
        return field.get_db_prep_save(value, connection)

    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    defaults = [prepared(field, field.pre_save(model(), add=True)) for field in fields]
    places = {field.attname: place for place, field in enumerate(fields)}
    values = []
    for row in rows:
        listed = list(defaults)
        for name, value in row.items():
            listed[places[name]] = prepared(fields[places[name]], value)
        values.append(listed)
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {model._meta.db_table}({columns}) VALUES({marks})",
            values,
        )


def identifier(rng: random.Random) -> str:
    """Return what looks like the number of an order or the code of an error."""
    letters = "".join(rng.choices("abcdefghjkmnpqrstvwxyz0123456789", k=8))
    return f"{rng.choice(['ord', 'ERR', 'inv', 'req'])}-{rng.randint(100, 999)}-{letters}"
