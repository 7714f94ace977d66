"""Where in one thread a query's words stand: from the index, without reading its texts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from threads.models import Thread
from threads.search.match import fts5, tsquery
from threads.search.query import Node, Or
from threads.search.rows import positions
from threads.search.statements import rows_of, stream_of

# Hits of the thread's project that are looked through for those of the thread, 1.5 µs each. A
# word that has more is in most messages, and their texts are quicker to read than this.
_MOST_HITS = 30_000
_AT_ONCE = 2_000


def positions_in(thread: Thread, terms: Sequence[Node]) -> list[int] | None:
    """Return where in the thread messages have any of `terms`, tool calls included, in order.

    Two queries; their cost grows with the hits in the thread's project, not with the thread.
    None when the words are so frequent that reading the thread is quicker.
    """
    connection = connections[thread.messages.db]
    keys = _keys_in(connection, thread, terms)
    return None if keys is None else sorted(positions(connection, keys))


def _keys_in(
    connection: BaseDatabaseWrapper, thread: Thread, terms: Sequence[Node]
) -> list[int] | None:
    either = terms[0] if len(terms) == 1 else Or(tuple(terms))
    if connection.vendor != "sqlite":
        found = rows_of(
            connection,
            "SELECT search_key FROM search_message WHERE thread_id = %s"
            " AND tsv @@ to_tsquery('public.threadhub', %s)",
            [thread.pk, tsquery(either)],
        )
        return [key for (key,) in found]
    rows = stream_of(
        connection,
        "SELECT m.search_key, m.thread_id FROM search_message f CROSS JOIN threads_message m"
        " INDEXED BY message_grouping ON m.search_key = f.rowid WHERE f.search_message MATCH %s",
        [f'({{body aside}} : ({fts5(either)})) AND {{tags}} : "p{thread.project_id}"'],
        iter(lambda: _AT_ONCE, 0),
    )
    entries = list(islice(rows, _MOST_HITS + 1))
    if len(entries) > _MOST_HITS:
        return None
    return [key for key, thread_id in entries if thread_id == thread.pk]
