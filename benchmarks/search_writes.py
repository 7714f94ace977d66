"""What the search index costs: to build, to keep on disk, and with every message written."""

from __future__ import annotations

import time
from datetime import timedelta

from dialogues import LAST

BUILD_AIM = 30_000  # messages per CPU second
SIZE_AIMS = {"search_message": 0.65, "search_thread": 0.4}  # times the text
WRITE_AIM = 150  # µs of CPU a message
_SAMPLE = 3_000  # messages that are written to measure
_TOGETHER = 10  # in one transaction


def measure_build(count: int) -> None:
    """Build the index over `count` messages, beside FTS5 alone over the same texts.

    Once at once, as migrations do, and once as `rebuild_index` does: in batches between which
    others write, with the merging at the end.
    """
    from django.db import connection

    from threads.search import setup

    keeper = setup.keeper(connection)
    bare = _seconds_bare()
    keeper.create(connection)
    started = time.process_time()
    keeper.fill(connection)
    spent = time.process_time() - started
    started = time.process_time()
    setup.rebuild()
    again = time.process_time() - started
    print(
        f"index built: {count / spent:,.0f} messages per CPU second (aim {BUILD_AIM:,});"
        f" rebuild_index {count / again:,.0f}; FTS5 alone {count / bare:,.0f}"
    )


def _seconds_bare() -> float:
    """CPU seconds that FTS5 takes for the same texts, without tags, folding and titles."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE VIRTUAL TABLE bare USING fts5(text, content='threads_message',"
            " content_rowid='search_key', tokenize='porter unicode61 remove_diacritics 2')"
        )
        started = time.process_time()
        cursor.execute(
            "INSERT INTO bare(rowid, text)"
            " SELECT search_key, text FROM threads_message ORDER BY search_key"
        )
        spent = time.process_time() - started
        cursor.execute("DROP TABLE bare")
    return spent


def measure_sizes() -> None:
    """Print how large the index is against the text that it is of."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(length(CAST(text AS BLOB))), count(*) FROM threads_message")
        bytes_, count = cursor.fetchone()
        print(f"text: {bytes_ / count:,.0f} bytes a message")
        for table, aim in SIZE_AIMS.items():
            cursor.execute(f"SELECT sum(length(block)) FROM {table}_data")
            (size,) = cursor.fetchone()
            print(f"{table}: {size / 1e6:,.1f} MB, {size / bytes_:.2f} times the text (aim {aim})")


def measure_writes() -> None:
    """Print what the index adds to writing a message, ten at a time, in CPU time.

    Rows go in by the ORM with and without the index's triggers, in turns; nothing stays.
    """
    from django.db import connection, transaction

    from threads.search import setup

    spent = {}
    for what in ("with", "without"):
        with transaction.atomic():
            if what == "without":
                setup.keeper(connection).drop(connection)
            spent[what] = _write() * 1e6
            transaction.set_rollback(True)
    print(
        f"writing: {spent['with'] - spent['without']:.0f} µs of CPU a message for the index"
        f" (aim {WRITE_AIM}), {spent['without']:.0f} for its row"
    )


def _write() -> float:
    """Write messages in small transactions; return the CPU seconds that each took."""
    from django.db import transaction

    from threads.models import Message, Thread
    from threads.search import keys

    newest = Thread.objects.order_by("-pk")[0]
    sample = list(Message.objects.order_by("pk")[:_SAMPLE])
    started = time.process_time()
    for at in range(0, len(sample), _TOGETHER):
        times = [LAST + timedelta(seconds=at + n) for n in range(_TOGETHER)]
        with transaction.atomic():
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
                for n, (row, key) in enumerate(
                    zip(sample[at : at + _TOGETHER], keys.allocate(times), strict=True)
                )
            )
    return (time.process_time() - started) / len(sample)
