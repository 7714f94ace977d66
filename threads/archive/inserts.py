"""Writes new messages in bulk, past the model instances: three times as fast.

The columns come from the models, so a new one that has no value here fails at once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model

from threads.archive.rows import CHANGEABLE, Content
from threads.models import Message, MessageSource, Thread

_OWN = ("thread_id", "project_id", "position", "remote_id", "archived_at", "search_key")
_EMPTY = ("removed_at", "edited_at")
_COLUMNS = (*_OWN, *_EMPTY, *CHANGEABLE)
_TIME = CHANGEABLE.index("created_at")


def insert_messages(
    thread: Thread,
    contents: Sequence[Content],
    *,
    identities: Iterable[str],
    keys: Iterable[int],
    first_position: int,
    archived_at: datetime,
) -> list[int]:
    """Insert new messages of a thread; return their primary keys in the order given."""
    adapt = connection.ops.adapt_datetimefield_value
    archived = adapt(archived_at)
    rows = []
    for position, (content, identity, key) in enumerate(
        zip(contents, identities, keys, strict=True), first_position
    ):
        values = [getattr(content, name) for name in CHANGEABLE]
        values[_TIME] = adapt(content.created_at)
        own = (thread.pk, thread.project_id, position, identity, archived, key)
        rows.append((*own, None, None, *values))
    with connection.cursor() as cursor:
        cursor.executemany(_statement(Message, _COLUMNS), rows)
        cursor.execute(
            "SELECT id FROM threads_message WHERE thread_id = %s AND position >= %s"
            " ORDER BY position",
            [thread.pk, first_position],
        )
        return [pk for (pk,) in cursor.fetchall()]


def insert_sources(rows: Iterable[tuple[int, str, list[dict[str, Any]]]]) -> None:
    """Insert what upstream sent: (message's primary key, raw JSON, parts)."""
    values = [(pk, raw, json.dumps(parts) if parts else "[]") for pk, raw, parts in rows]
    with connection.cursor() as cursor:
        cursor.executemany(_statement(MessageSource, ("message_id", "raw", "parts")), values)


@functools.cache
def _statement(model: type[Model], names: tuple[str, ...]) -> str:
    wanted = {field.attname for field in model._meta.concrete_fields} - {"id"}
    if wanted != set(names):
        raise TypeError(f"{model.__name__} has other columns: {sorted(wanted ^ set(names))}")
    columns = {field.attname: str(field.column) for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    listed = ", ".join(quote(columns[name]) for name in names)
    marks = ", ".join(["%s"] * len(names))
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({listed}) VALUES ({marks})"  # noqa: S608 - the models' own names
