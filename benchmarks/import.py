"""Measures imports: messages per CPU second with the index on, and the memory of large files.

    python benchmarks/import.py --messages 40000
    python benchmarks/import.py --gigabytes 2 --form chatgpt --rehearse

The first imports long and short messages in threads of 20 and of 4, and beside each import, in
the same run, a bare `executemany` writes the same rows into the same tables with the same
triggers. The second makes a file of that size, of the same long messages and now and then a
pasted file, and tells how much memory its import takes at most, ten times on the way.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
WORDS = [
    *("the", "of", "order", "refund", "parcel", "card", "payment", "please", "thanks", "could"),
    *("account", "password", "invoice", "blue", "green", "café", "退款", "訂單", "delivery"),
]
LONG, SHORT = (20, 120), (2, 14)  # words a message: some 400 bytes of text, and 50
_PASTED = 10_000  # bytes in hexadecimal digits after a few words
_FORMS = ("jsonl", "chatgpt", "chatgpt-split")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000, help="of each kind")
    parser.add_argument("--gigabytes", type=float, help="measure memory with a file of this size")
    parser.add_argument("--form", choices=_FORMS, default="jsonl", help="of the large file")
    parser.add_argument("--long", action="store_true", help="each of its messages is a file")
    parser.add_argument("--rehearse", action="store_true", help="of the large file: a dry run")
    parser.add_argument("--scratch", help="folder for files that are deleted at the end")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/import.sqlite3"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        if arguments.gigabytes:
            size = int(arguments.gigabytes * 1e9)
            texts = _texts(is_long=arguments.long)
            _large(Path(scratch), size, arguments.form, texts, is_dry_run=arguments.rehearse)
            return
        for what, words in (("long", LONG), ("short", SHORT)):
            for per_thread in (20, 4):
                path = Path(scratch) / "threads.jsonl"
                _write(path, arguments.messages, per_thread, words)
                size = path.stat().st_size // arguments.messages
                print(f"{what} messages, {size} bytes of JSON each, {per_thread} a thread")
                _measure(path, arguments.messages)


# Speed.


def _write(path: Path, messages: int, per_thread: int, words: tuple[int, int] = LONG) -> None:
    chance = random.Random(1)  # noqa: S311 - the same file every time
    with path.open("w", encoding="utf-8") as file:
        for number in range(messages // per_thread):
            begin = 1_700_000_000 + number * 3_000
            said = [
                {
                    "id": f"m{number}_{i}",
                    "role": ("user", "assistant")[i % 2],
                    "created_at": begin + 40 * i,
                    "content": " ".join(chance.choices(WORDS, k=chance.randint(*words))),
                }
                for i in range(per_thread)
            ]
            record = {"id": f"conv_{number}", "created_at": begin, "messages": said}
            file.write(json.dumps(record) + "\n")


def _measure(path: Path, messages: int) -> None:
    from django.utils import timezone

    from projects.models import Project
    from threads.archive import ImportReport, ingest
    from threads.imports import reader

    project, _ = Project.objects.get_or_create(slug="benchmark", name="Benchmark")

    def bring(*, is_dry_run: bool = False) -> None:
        report = ImportReport(is_dry_run=is_dry_run)
        ingest(reader(path)(path), project=project, now=timezone.now(), report=report)

    measured = {
        "rehearsal": _cpu(lambda: bring(is_dry_run=True)),
        "import": _cpu(bring),
        "again": _cpu(bring),
    }
    rows = _taken_out()
    measured["bare executemany"] = _cpu(lambda: _put_back(*rows))
    _clear()
    for label, seconds in measured.items():
        print(f"  {label + ':':18}{messages / seconds:8,.0f} messages per CPU second")


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _clear() -> None:
    """Empty the archive, and lay out its index anew: both sides begin with nothing."""
    from django.db import connection, transaction

    from threads.search import sqlite

    with transaction.atomic(), connection.cursor() as cursor:
        sqlite.drop(connection)
        for table in ("messagesource", "message", "thread"):
            cursor.execute(f"DELETE FROM threads_{table}")
        sqlite.create(connection)


_Rows = tuple[list[str], list[tuple[Any, ...]]]


def _taken_out() -> list[_Rows]:
    from django.db import connection

    found: list[_Rows] = []
    with connection.cursor() as cursor:
        for table, order in (("thread", "id"), ("message", "id"), ("messagesource", "message_id")):
            cursor.execute(f"SELECT * FROM threads_{table} ORDER BY {order}")
            found.append(([column[0] for column in cursor.description], cursor.fetchall()))
    _clear()
    return found


def _put_back(threads: _Rows, messages: _Rows, sources: _Rows) -> None:
    from django.db import transaction

    with transaction.atomic():
        _insert("thread", *threads)
    for start in range(0, len(messages[1]), 500):
        with transaction.atomic():
            _insert("message", messages[0], messages[1][start : start + 500])
            _insert("messagesource", sources[0], sources[1][start : start + 500])


def _insert(table: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    from django.db import connection

    marks = ", ".join(["%s"] * len(names))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO threads_{table} ({', '.join(names)}) VALUES ({marks})", rows
        )


# Memory.


def _large(folder: Path, size: int, form: str, texts: list[str], *, is_dry_run: bool) -> None:
    from django.utils import timezone

    from projects.models import Project
    from threads.archive import ImportReport, ingest
    from threads.imports import Place, reader

    path = folder / ("large.jsonl" if form == "jsonl" else "large.zip")
    write = _write_jsonl if form == "jsonl" else _write_zip
    unpacked = write(path, size, texts, 20 if form == "chatgpt-split" else 1)
    on_disk = path.stat().st_size
    print(f"{form}: {unpacked / 1e9:.2f} GB, {on_disk / 1e9:.2f} GB on the disk", flush=True)
    project = Project.objects.create(name="Benchmark", slug="benchmark")
    report, told = ImportReport(is_dry_run=is_dry_run), 0

    def show(place: Place) -> bool:
        nonlocal told
        if place.offset * 10 >= (told + 1) * on_disk:
            told += 1
            print(f"  {place.offset / on_disk:4.0%}: {_resident():.0f} MiB resident", flush=True)
        return True

    seconds = _cpu(
        lambda: ingest(  # type: ignore[arg-type]
            reader(path)(path), project=project, now=timezone.now(), report=report, keep_going=show
        )
    )
    messages = report.messages_new
    print(f"{report}\n{seconds:.0f} CPU seconds, {messages / seconds:,.0f} messages a second")
    print(f"{_peak():.0f} MiB resident at most")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _texts(*, is_long: bool) -> list[str]:
    """Return 997 texts, a prime number, so that threads begin with different ones."""
    chance = random.Random(2)  # noqa: S311 - the same file every time
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(*LONG))) for _ in range(987)]
    pasted = [f"{text} {chance.randbytes(_PASTED).hex(' ', 16)}" for text in texts[:10]]
    return pasted if is_long else chance.sample(texts + pasted, 997)


def _write_jsonl(path: Path, size: int, texts: list[str], _parts: int) -> int:
    texts = [json.dumps(text, ensure_ascii=False) for text in texts]
    with path.open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < size:
            said = ", ".join(
                f'{{"id": "m{i}", "role": "user", "created_at": {1_700_000_000 + number * 90 + i},'
                f' "content": {texts[(number + i) % len(texts)]}}}'
                for i in range(40)
            )
            file.write(f'{{"id": "conv_{number}", "messages": [{said}]}}\n')
            number += 1
        return file.tell()


def _write_zip(path: Path, size: int, texts: list[str], parts: int) -> int:
    conversations = _conversations(texts)
    written = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for part in range(parts):
            name = "conversations.json" if parts == 1 else f"conversations-{part:03}.json"
            with archive.open(name, "w", force_zip64=True) as file:
                written += _write_array(file, size // parts, conversations)
    return written


def _write_array(file: IO[bytes], size: int, conversations: Iterator[bytes]) -> int:
    written = file.write(b"[")
    while written < size:
        written += file.write(next(conversations) + b",\n")
    return written + file.write(b"{}]")  # the last one is broken, as one always is


def _conversations(texts: list[str]) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        mapping: dict[str, Any] = {}
        for i in range(40):
            content = {"content_type": "text", "parts": [texts[(number + i) % len(texts)]]}
            message = {
                "id": f"m{number}-{i}",
                "author": {"role": ("user", "assistant")[i % 2]},
                "create_time": 1_700_000_000.5 + number * 90 + i,
                "content": content,
            }
            parent = f"n{i - 1}" if i else None
            mapping[f"n{i}"] = {
                "id": f"n{i}",
                "message": message,
                "parent": parent,
                "children": [f"n{i + 1}"] if i < 39 else [],
            }
        talk = {"id": f"conv_{number}", "title": f"Talk {number}", "mapping": mapping}
        yield json.dumps(talk | {"current_node": "n39"}, ensure_ascii=False).encode()


if __name__ == "__main__":
    main()
