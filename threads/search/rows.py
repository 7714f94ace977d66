"""Rows of the page: only the columns that are shown, without the ORM, which costs more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.results import FoundProject, FoundThread
from threads.search.statements import rows_of

_THREAD_COLUMNS = (
    "t.id, t.short_id, t.external_id, t.store, t.title, t.remark, t.model, t.message_count,"
    " t.item_count, t.upstream_state, t.is_held, t.last_error, {t.created_at},"
    " {t.last_message_timestamp}, {t.gone_at}, p.id, p.slug, p.name"
)
_MESSAGE_COLUMNS = (
    "m.search_key, m.id, m.remote_id, m.position, m.role, m.kind, {m.created_at}, m.text"
)
_TIME = re.compile(r"\{([\w.]+)\}")
_THREADS = "threads_thread t ON t.id = {number} JOIN projects_project p ON p.id = t.project_id"
_MESSAGES = "threads_message m ON m.search_key = {number}"


def threads(connection: BaseDatabaseWrapper, pks: Iterable[int]) -> dict[int, FoundThread]:
    """Return threads with their projects by id; one query."""
    rows = _chosen(connection, _THREAD_COLUMNS, _THREADS, pks)
    projects: dict[int, FoundProject] = {}
    found = {}
    for row in rows:
        project = projects.get(row[15])
        if project is None:
            project = projects[row[15]] = FoundProject(*row[15:18])
        times = map(moment, row[12:15])
        found[row[0]] = FoundThread._make((*row[:10], bool(row[10]), row[11], *times, project))
    return found


def messages(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    """Return messages by search key: their key, id, store's id, position, role, kind, time, text.

    The time is for moment() to read. One query.
    """
    rows = _chosen(connection, _MESSAGE_COLUMNS, _MESSAGES, keys)
    return {row[0]: row for row in rows}


def texts(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> dict[int, str]:
    """Return the texts of messages by search key; one query."""
    return dict(_chosen(connection, "m.search_key, m.text", _MESSAGES, keys))


def _chosen(
    connection: BaseDatabaseWrapper, columns: str, rows: str, numbers: Iterable[int]
) -> list[Any]:
    """Read the rows with these numbers. The statement is always the same, so it stays prepared."""
    listed = list(numbers)
    if not listed:
        return []
    return rows_of(connection, _statement(connection.vendor, columns, rows), [str(listed)])


@cache
def _statement(vendor: str, columns: str, rows: str) -> str:
    if vendor == "sqlite":
        # As text with a zone, a time is read in 0.2 µs; Django takes 3.
        columns, rows = _TIME.sub(r"\1 || '+00:00'", columns), rows.format(number="j.value")
        return f"SELECT {columns} FROM json_each(%s) j CROSS JOIN {rows}"  # noqa: S608
    columns, rows = _TIME.sub(r"\1", columns), rows.format(number="j.value::bigint")
    return f"SELECT {columns} FROM json_array_elements_text(%s) j JOIN {rows}"  # noqa: S608


def moment(value: Any) -> datetime | None:
    """Return the time that a row has; SQLite gives it as text."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value  # type: ignore[no-any-return]
