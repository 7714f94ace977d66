"""Rows of the page: only the columns that are shown, without the ORM, which costs more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.results import FoundThread
from threads.search.statements import rows_of

_THREAD_COLUMNS = (
    "t.id, t.short_id, t.external_id, t.store, t.title, t.remark, t.model, t.message_count,"
    " t.item_count, t.upstream_state, {t.is_held}, t.last_error, {t.created_at},"
    " {t.last_message_timestamp}, {t.gone_at}, p.id, p.slug, p.name"
)
_MESSAGE_COLUMNS = (
    "m.search_key, m.id, m.remote_id, m.position, m.role, m.kind, {m.created_at}, m.text"
)
_DECLARED = re.compile(r"\{([\w.]+)\}")
TEXT = _MESSAGE_COLUMNS.count(",")  # places in a row
THREAD = TEXT + 1
PROJECT = THREAD + FoundThread._fields.index("project_id")
_THREADS = "threads_thread t ON t.id = {number} JOIN projects_project p ON p.id = t.project_id"
_WITH_ASSISTANTS = f"{_THREADS} LEFT JOIN threads_assistant a ON a.id = t.assistant_id"
_TAGS = (
    "threads_thread_tags tt ON tt.thread_id = {number}"
    " CROSS JOIN projects_tag g ON g.id = tt.tag_id"
)
_MESSAGES = "threads_message m ON m.search_key = {number}"
# In this order, or SQLite might begin with all the projects.
_MESSAGES_IN_THREADS = (
    f"{_MESSAGES} CROSS JOIN threads_thread t ON t.id = m.thread_id"
    " CROSS JOIN projects_project p ON p.id = t.project_id"
)


def threads(connection: BaseDatabaseWrapper, pks: Iterable[int]) -> dict[int, FoundThread]:
    """Return threads with their projects by id; one query."""
    rows = _chosen(connection, _THREAD_COLUMNS, _THREADS, pks)
    return {row[0]: FoundThread._make(row) for row in rows}


def messages(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> list[tuple[Any, ...]]:
    """Return messages with their threads, in the order of `keys`; one query.

    A row is the message's key, id, store's id, position, role, kind, time (for moment()) and
    text; what follows from THREAD on is a FoundThread.
    """
    columns = f"{_MESSAGE_COLUMNS}, {_THREAD_COLUMNS}"
    return _chosen(connection, columns, _MESSAGES_IN_THREADS, keys)


def texts(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> dict[int, str]:
    """Return the texts of messages by search key; one query."""
    return dict(_chosen(connection, "m.search_key, m.text", _MESSAGES, keys))


def positions(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> list[int]:
    """Return the places of messages in their threads by search key, in any order; one query."""
    return [position for (position,) in _chosen(connection, "m.position", _MESSAGES, keys)]


def spoken(connection: BaseDatabaseWrapper, keys: Iterable[int]) -> list[tuple[int, str, int]]:
    """Return thread, role and features of messages by search key; one query."""
    return _chosen(connection, "m.thread_id, m.role, m.features", _MESSAGES, keys)


def sources(connection: BaseDatabaseWrapper, pks: Iterable[int]) -> list[tuple[Any, ...]]:
    """Return where threads are from; one query.

    A row: the project's short name and name, the store, the model, the assistant's name, or its id
    where it has none, or None, and whether there is a remark.
    """
    assistant = "COALESCE(NULLIF(a.name, ''), a.external_id)"
    columns = f"p.slug, p.name, t.store, t.model, {assistant}, t.remark <> ''"
    return _chosen(connection, columns, _WITH_ASSISTANTS, pks)


def tags(connection: BaseDatabaseWrapper, pks: Iterable[int]) -> list[str]:
    """Return the tags of threads, each as often as a thread has it; one query."""
    return [name for (name,) in _chosen(connection, "g.name", _TAGS, pks)]


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
        # As it is declared, a column goes through a converter of Django's: 3 µs for each value.
        columns = _DECLARED.sub(r"\1 || ''", columns)
        rows = rows.format(number="j.value")
        return f"SELECT {columns} FROM json_each(%s) j CROSS JOIN {rows}"  # noqa: S608
    columns = _DECLARED.sub(r"\1", columns)
    rows = rows.format(number="j.value::bigint")
    rows = rows.replace("CROSS JOIN", "JOIN")  # which takes no condition here
    return f"SELECT {columns} FROM json_array_elements_text(%s) j JOIN {rows}"  # noqa: S608
