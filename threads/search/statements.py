"""Runs the statements of a search with as little around them as can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def rows_of(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Return all rows of a statement."""
    with closing(_run(connection, sql, parameters)) as cursor:
        return cursor.fetchall()  # type: ignore[no-any-return]


def stream_of(
    connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any], sizes: Iterable[int]
) -> Iterator[Any]:
    """Yield rows as the database finds them, `sizes` at once: who stops early pays no more."""
    with closing(_run(connection, sql, parameters)) as cursor:
        for size in sizes:
            rows = cursor.fetchmany(size)
            yield from rows
            if len(rows) < size:
                return


def _run(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> Any:
    """Return a cursor on which the statement has been started.

    Django's cursor adds 18 µs to each statement, which is more than many of these take; on
    SQLite it is used only where somebody listens, as the debug page and tests do.
    """
    if connection.vendor != "sqlite" or connection.queries_logged or connection.execute_wrappers:
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        return cursor
    if connection.connection is None:
        connection.ensure_connection()
    with connection.wrap_database_errors:
        return connection.connection.execute(sql % (("?",) * len(parameters)), parameters)
