"""Measures imports: messages per CPU second with the index on, beside a bare executemany.

    python benchmarks/import.py --messages 100000 --per-thread 20

The bare one writes the same rows into the same tables with the same triggers: what is beyond it
is the price of reading JSON, comparing, counting and keeping every transaction short.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = [
    *("the", "of", "order", "refund", "parcel", "card", "payment", "please", "thanks", "could"),
    *("account", "password", "invoice", "blue", "green", "café", "退款", "訂單", "delivery"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--per-thread", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["THREADHUB_DATA_DIR"] = scratch
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/import.sqlite3"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        _measure(Path(scratch) / "threads.jsonl", arguments.messages, arguments.per_thread)


def _write(path: Path, messages: int, per_thread: int) -> None:
    chance = random.Random(1)  # noqa: S311 - the same file every time
    with path.open("w", encoding="utf-8") as file:
        for number in range(messages // per_thread):
            begin = 1_700_000_000 + number * 3_000
            said = [
                {
                    "id": f"m{number}_{i}",
                    "role": ("user", "assistant")[i % 2],
                    "created_at": begin + 40 * i,
                    "content": " ".join(chance.choices(WORDS, k=chance.randint(5, 90))),
                }
                for i in range(per_thread)
            ]
            record = {"id": f"conv_{number}", "created_at": begin, "messages": said}
            file.write(json.dumps(record) + "\n")


def _measure(path: Path, messages: int, per_thread: int) -> None:
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from projects.models import Project
    from threads.archive import ImportReport, ingest
    from threads.imports import reader
    from threads.models import Message

    call_command("migrate", verbosity=0)
    project = Project.objects.create(name="Benchmark", slug="benchmark")
    _write(path, messages, per_thread)
    print(f"{path.stat().st_size / 2**20:.1f} MiB of JSON Lines")
    for label, is_dry_run in (("rehearsal", True), ("import", False), ("again", False)):
        report, cpu = ImportReport(is_dry_run=is_dry_run), time.process_time()
        ingest(reader(path)(path), project=project, now=timezone.now(), report=report)
        cpu = time.process_time() - cpu
        print(f"{label}: {messages / cpu:,.0f} messages per CPU second. {report}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} MiB resident at most")

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM threads_message ORDER BY id")
        rows = cursor.fetchall()
        names = ", ".join(f'"{column[0]}"' for column in cursor.description)
        cursor.execute("SELECT * FROM threads_messagesource ORDER BY message_id")
        sources = cursor.fetchall()
    with transaction.atomic():
        Message.objects.all().delete()
    cpu = time.process_time()
    marks = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        for start in range(0, len(rows), 500):
            with transaction.atomic():
                cursor.executemany(
                    f"INSERT INTO threads_message ({names}) VALUES ({marks})",
                    rows[start : start + 500],
                )
                cursor.executemany(
                    "INSERT INTO threads_messagesource (raw, parts, message_id)"
                    " VALUES (%s, %s, %s)",
                    [_source(connection, row) for row in sources[start : start + 500]],
                )
    cpu = time.process_time() - cpu
    print(f"bare executemany: {len(rows) / cpu:,.0f} messages per CPU second")


def _source(connection: object, row: tuple[object, ...]) -> tuple[object, ...]:
    """Put the columns of a message's source into the order of the statement."""
    identity = next(value for value in row if isinstance(value, int))
    raw, parts = [value for value in row if isinstance(value, str)]
    return raw, parts, identity


if __name__ == "__main__":
    main()
