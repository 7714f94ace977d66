"""Every schema that the predecessor ever had, generated: what is in the file is in the archive."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from monitoring.models import AuditEvent, CarriedOver, RequestBan, SystemMetric
from monitoring.predecessor import carry_over
from monitoring.tests.predecessor_file import PASSWORD, SECRET_KEY, TABLES, build
from projects.models import Connection, Project
from threads.imports import UnreadableFile
from threads.imports.predecessor import TABLES as READ
from threads.imports.predecessor import ZONE, read_predecessor
from threads.models import Bookmark, Message, SyncRun, Thread

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)

# What came in one after the other, as the predecessor's own scripts and versions added it.
FEATURES = {
    "refresh": [
        "threads.last_message_timestamp",
        "threads.stale_refresh_count",
        "threads.refresh_priority",
    ],
    "tokens": ["threads.total_tokens", "sys_metrics.total_managed_tokens"],
    "assistants": ["messages.assistant_id"],
    "keys": ["projects.api_key_hash"],
    "bookmarks": ["user_bookmarks"],
    "progress": ["search_result_chunks.progress_data"],
}
HISTORY = [
    tuple(chosen)
    for count in range(len(FEATURES) + 1)
    for chosen in itertools.combinations(FEATURES, count)
]
# Beyond its history: any column but those that a table cannot be without, alone.
ALONE = [f"{table}.{column}" for table, columns in READ.items() for column in columns[1:]]

# What is worth telling: the figures of its own refresh are not carried over.
MATTERING = {*READ, *ALONE}

Said = tuple[str, str, str, list[tuple[Any, ...]]]


def in_file(path: Path, without: Iterable[str]) -> list[Said]:
    """Return (project, thread, remark, its messages as they were), read past the importer."""
    speaker = "NULL" if "messages.assistant_id" in set(without) else "assistant_id"
    with closing(sqlite3.connect(path)) as file:
        threads = file.execute(
            "SELECT t.id, p.name, t.thread_id, coalesce(t.remark, '') FROM threads t"
            " JOIN projects p ON p.id = t.project_id"
        ).fetchall()
        return sorted(
            (
                *names,
                file.execute(
                    f"SELECT role, content, created_at, {speaker} FROM messages"  # noqa: S608
                    " WHERE thread_id = ? ORDER BY created_at, id",
                    [key],
                ).fetchall(),
            )
            for key, *names in threads
        )


def in_archive() -> list[Said]:
    """Return the same from the archive; of each message what came and where it went."""

    def kept(message: Message) -> tuple[Any, ...]:
        raw = json.loads(message.source.raw)
        at = None if message.created_at is None else int(message.created_at.timestamp())
        assistant = message.assistant.external_id if message.assistant else None
        assert raw["content"].startswith(message.text)
        assert (raw["created_at"], raw["assistant_id"]) == (at, assistant)
        return message.role, raw["content"], at, assistant

    threads = Thread.objects.select_related("project")
    return sorted(
        (
            thread.project.name,
            thread.external_id,
            thread.remark,
            [
                kept(message)
                for message in thread.messages.select_related("source", "assistant").order_by(
                    "position"
                )
            ],
        )
        for thread in threads
    )


def counts() -> dict[str, int]:
    tables = (User, Project, Connection, Thread, Message, Bookmark, AuditEvent, SystemMetric)
    more = (SyncRun, RequestBan, CarriedOver)
    return {table.__name__: table._default_manager.count() for table in (*tables, *more)}


def bring(path: Path, *, is_dry_run: bool = False) -> Any:
    return carry_over(path, now=NOW, secret_key=SECRET_KEY, is_dry_run=is_dry_run)


def rolled_back(names: Iterable[Any]) -> Iterator[Any]:
    """Yield each of `names` with an empty archive."""
    for name in names:
        with transaction.atomic():
            yield name
            transaction.set_rollback(True)


def test_it_knows_the_predecessors_columns() -> None:
    known = {f"{table}.{column}" for table, columns in READ.items() for column in columns}
    built = {
        f"{table}.{column.split()[0]}"
        for table, declared in TABLES.items()
        for column in declared.split(",")
    }

    assert known <= built
    assert {name for names in FEATURES.values() for name in names} <= built | set(TABLES)


@pytest.mark.parametrize("count", range(len(FEATURES) + 1))
def test_it_brings_every_message_out_of_every_version(tmp_path: Path, count: int) -> None:
    for lacking in rolled_back(each for each in HISTORY if len(each) == count):
        without = [name for feature in lacking for name in FEATURES[feature]]
        path = build(tmp_path / f"{'-'.join(lacking) or 'newest'}.db", without=without)
        empty = counts()

        rehearsal = bring(path, is_dry_run=True)
        assert counts() == empty, lacking
        report = bring(path)

        assert rehearsal.counts == report.counts, lacking
        assert in_archive() == in_file(path, without), lacking
        full = counts()
        assert bring(path).new_count == 0, lacking
        assert counts() == full, lacking
        user = User.objects.get(username="ada")
        assert (user.email, user.is_superuser) == ("ada@example.org", True)
        assert user.check_password(PASSWORD)
        keys = {each.open_key() for each in Connection.objects.all()}
        assert keys == {"sk-first-0123456789", "sk-plain-0123456789"}
        began = Thread.objects.get(external_id="thread_b").created_at
        assert began is not None
        assert f"{began.astimezone(ZONE):%Y-%m-%d %H:%M:%S.%f}" == "2025-10-10 08:00:00.250000"
        assert full["Bookmark"] == ("bookmarks" not in lacking)
        told = " ".join(report.notes)
        assert {name for name in without if name in told} == set(without) & MATTERING


def test_it_does_without_any_single_column(tmp_path: Path) -> None:
    for name in rolled_back(name for name in ALONE if name != "threads.project_id"):
        path = build(tmp_path / f"{name}.db", without=[name])

        rehearsal, report = bring(path, is_dry_run=True), bring(path)

        assert rehearsal.counts == report.counts, name
        assert name in report.notes[0]
        assert bring(path).new_count == 0, name
        assert Message.objects.count() == 6, name


def test_it_says_when_threads_belong_to_no_project(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db", without=["threads.project_id"])

    with pytest.raises(UnreadableFile, match="import_threads brings them into one"):
        bring(path)

    assert len(list(read_predecessor(path))) == 3
    assert not Project.objects.exists()
