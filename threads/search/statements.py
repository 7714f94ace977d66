"""Runs the statements of a search with as little around them as can be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper


def rows_of(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Return all rows of a statement."""
    try:
        cursor = _run(connection, sql, parameters)
        rows: list[Any] = cursor.fetchall()
    except sqlite3.Error:
        with connection.wrap_database_errors:
            raise
    cursor.close()
    return rows


def stream_of(
    connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any], sizes: Iterable[int]
) -> Iterator[Any]:
    """Yield rows as the database finds them, `sizes` at once: who stops early pays no more."""
    try:
        cursor = _run(connection, sql, parameters)
    except sqlite3.Error:
        with connection.wrap_database_errors:
            raise
    try:
        for size in sizes:
            rows = cursor.fetchmany(size)
            yield from rows
            if len(rows) < size:
                return
    except sqlite3.Error:
        with connection.wrap_database_errors:
            raise
    finally:
        cursor.close()


def _run(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> Any:
    """Return a cursor on which the statement has been started.

    Django's cursor adds 18 µs to each statement, which is more than many of these take; on
    SQLite it is used only where somebody listens, as the debug page and tests do. What else
    stands around a statement is left out as well: where searches come seconds apart, each
    function that is called costs a few µs, because nothing of it is in the processor's cache.
    """
    if (
        connection.vendor != "sqlite"
        or connection.force_debug_cursor
        or connection.execute_wrappers
        or settings.DEBUG
    ):
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        return cursor
    if connection.connection is None:
        connection.ensure_connection()
    return connection.connection.execute(sql % (("?",) * len(parameters)), parameters)
