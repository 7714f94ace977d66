"""The newest page as the shortest program that could bring it: how low any find() can go.

Four statements and twenty snippets for queries of plain words, written out for SQLite: nothing is
asked of the reader's rights, no filter, cursor or other order is known, and a thread with more
hits than were read is not noticed. What find() takes on top is what all of that costs.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from threads.search.excerpts import Marker
from threads.search.query import Query
from threads.search.results import FoundThread, Hit, ThreadHits
from threads.search.tally import Counts, Totals

_PAGE = 20
_READ = 24  # hits: some are in the same thread
_COUNTED = 1_001
_MESSAGE = 8  # columns of the message, with its text as the last one
_PROJECTS = "SELECT id, visibility = 'public' FROM projects_project"
_ROWS = """
SELECT m.search_key, m.id, m.remote_id, m.position, m.role, m.kind, m.created_at || '', m.text,
    t.id, t.short_id, t.external_id, t.store, t.title, t.remark, t.model, t.message_count,
    t.item_count, t.upstream_state, t.is_held || '', t.last_error, t.created_at || '',
    t.last_message_timestamp || '', t.gone_at || '', p.id, p.slug, p.name
FROM search_message f
CROSS JOIN threads_message m ON m.search_key = f.rowid
CROSS JOIN threads_thread t ON t.id = m.thread_id
CROSS JOIN projects_project p ON p.id = t.project_id
WHERE f.search_message MATCH ? ORDER BY f.rowid DESC
"""
_TITLES = "SELECT rowid FROM search_thread WHERE search_thread MATCH ? ORDER BY rowid DESC"
_COUNT = (
    "SELECT count(*) FROM (SELECT 1 FROM search_message WHERE search_message MATCH ?"
    f" LIMIT {_COUNTED})"
)


def newest_page(
    engine: sqlite3.Connection, query: Query, expression: str
) -> tuple[list[ThreadHits], int, list[Any]]:
    """Return the threads, the number of hits, and titles; `expression` is the query for FTS5."""
    match = f"{{body}} : ({expression})"
    engine.execute(_PROJECTS).fetchall()
    rows = engine.execute(_ROWS, [match]).fetchmany(_READ)
    titles = engine.execute(_TITLES, [f"{{title remark other}} : ({expression})"]).fetchmany(_PAGE)
    ((count,),) = engine.execute(_COUNT, [match]).fetchall()
    best: dict[int, Any] = {}
    for row in rows:
        best.setdefault(row[_MESSAGE], row)
    shown = list(best.values())[:_PAGE]
    marker = Marker(query.terms)
    counts = Counts.known(Totals(count))
    page = [
        ThreadHits(
            FoundThread._make(row[_MESSAGE:]),
            (Hit._make((*row[1 : _MESSAGE - 1], snippet)),),
            1,
            counts,
            marker,
        )
        for row, snippet in zip(
            shown, marker.snippets([row[_MESSAGE - 1] for row in shown]), strict=True
        )
    ]
    return page, count, titles
