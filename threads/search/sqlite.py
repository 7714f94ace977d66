"""Makes, fills, tidies and checks the index in SQLite; sqlite_schema.py says what it is."""

# ruff: noqa: S608 - every statement is made of the schema's constants, values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseError

from threads.search.fold import FOLD_VERSION
from threads.search.sqlite_schema import (
    ALL_MESSAGES,
    TABLES,
    THREAD_COLUMNS,
    THREAD_SELECT,
    TOKENIZER,
    VIEWS,
    message_table,
    message_triggers,
    thread_triggers,
)

SCHEMA = f"sqlite-4.{FOLD_VERSION}"
_BATCH = 5_000  # messages in one transaction of a rebuild: writers wait 0.2 s at most
# How FTS5 collects words and merges what it has written: by itself, and while all is indexed at
# once. Merged on the way, everything is written four times. The first messages are, so that there
# are levels: what optimize() makes lies below them, and without any it would be among the first
# that small writes merge, which then took 391 µs a message, not 97.
_USUAL = {"hashsize": 1 << 20, "automerge": 4, "crisismerge": 16}
_AT_ONCE = {"hashsize": 32 << 20, "automerge": 0, "crisismerge": 64}
_FIRST = 2 * _BATCH


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _objects(connection: BaseDatabaseWrapper, kind: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            r"SELECT name FROM sqlite_master WHERE type = %s AND name LIKE 'search\_%%' ESCAPE '\'",
            [kind],
        )
        return [row[0] for row in cursor.fetchall()]


def _set(connection: BaseDatabaseWrapper, name: str, value: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT OR REPLACE INTO search_meta VALUES(%s, %s)", [name, str(value)])


def version(connection: BaseDatabaseWrapper) -> str:
    """Return the version of the index that is there; empty when there is none."""
    if "search_meta" not in _objects(connection, "table"):
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM search_meta WHERE name = 'version'")
        row = cursor.fetchone()
    return row[0] if row else ""


def drop(connection: BaseDatabaseWrapper) -> None:
    """Take triggers, views and tables away: SQLite remakes tables only when nothing refers."""
    triggers, views = _objects(connection, "trigger"), _objects(connection, "view")
    tables = set(_objects(connection, "table")) & set(TABLES)
    with transaction.atomic(using=connection.alias):
        _run(connection, [f"DROP TRIGGER {name}" for name in triggers])
        _run(connection, [f"DROP TABLE {name}" for name in sorted(tables)])
        _run(connection, [f"DROP VIEW {name}" for name in views])


def _configure(connection: BaseDatabaseWrapper, table: str, values: Mapping[str, int]) -> None:
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"INSERT INTO {table}({table}, rank) VALUES(%s, %s)", [name, value])


def create(connection: BaseDatabaseWrapper) -> None:
    """Lay the whole index out, empty and without its version; drop what was there."""
    with transaction.atomic(using=connection.alias):
        drop(connection)
        _run(
            connection,
            [
                "CREATE TABLE search_meta(name TEXT PRIMARY KEY, value TEXT NOT NULL)",
                *(f"CREATE VIEW {name} AS {select}" for name, select in VIEWS.items()),
                *message_table("search_message"),
                (
                    "CREATE VIRTUAL TABLE search_thread USING"
                    f' fts5(title, remark, other, tags, tokenize="{TOKENIZER}")'
                ),
                (
                    "INSERT INTO search_thread(search_thread, rank)"
                    " VALUES('rank', 'bm25(4.0, 2.0, 1.0, 0.0)')"
                ),
                *(
                    f"CREATE TRIGGER {name} {body}"
                    for name, body in (
                        message_triggers("search_message") | thread_triggers()
                    ).items()
                ),
            ],
        )


def fill(connection: BaseDatabaseWrapper) -> None:
    """Index everything at once, into an index that create() has just laid out."""
    with transaction.atomic(using=connection.alias):
        insert = f"INSERT INTO search_message(rowid, body, aside, tags) {ALL_MESSAGES}"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(search_key) FROM (SELECT search_key FROM threads_message"
                " ORDER BY search_key LIMIT %s)",
                [_FIRST],
            )
            (mark,) = cursor.fetchone()  # None, and with it nothing, where there are no messages
            cursor.execute(f"{insert} AND m.search_key <= %s ORDER BY m.search_key", [mark])
            _configure(connection, "search_message", _AT_ONCE)
            cursor.execute(f"{insert} AND m.search_key > %s ORDER BY m.search_key", [mark])
            cursor.execute(
                f"INSERT INTO search_thread({THREAD_COLUMNS}) {THREAD_SELECT} ORDER BY thread_key"
            )
        _configure(connection, "search_message", _USUAL)
        _set(connection, "version", SCHEMA)


def rebuild(connection: BaseDatabaseWrapper, progress: Callable[[int], None]) -> None:
    """Build the message index beside the one in use and swap; searches and writers go on.

    Batches run in the order of keys. Triggers of the new table follow every change to what was
    already read; what comes behind is read later.
    """
    upto = "(SELECT CAST(value AS INTEGER) FROM search_meta WHERE name = 'rebuilt_to')"
    new = message_triggers("search_message_new", upto=upto)
    with transaction.atomic(using=connection.alias):
        _forget_new(connection)
        _run(connection, message_table("search_message_new"))
        _set(connection, "rebuilt_to", -(1 << 62))
        _run(connection, [f"CREATE TRIGGER {name} {body}" for name, body in new.items()])
    read = 0
    for done in _batches(connection):
        progress(done)
        read += done
        if read == _FIRST:
            _configure(connection, "search_message_new", _AT_ONCE)
    with transaction.atomic(using=connection.alias):
        # Whoever inserted since the last batch is behind the mark; the lock is held now.
        for _ in _batches(connection):
            pass
        _run(
            connection,
            [
                *(f"DROP TRIGGER {name}" for name in _objects(connection, "trigger")),
                "DROP TABLE search_message",
                "ALTER TABLE search_message_new RENAME TO search_message",
                *(
                    f"CREATE TRIGGER {name} {body}"
                    for name, body in (
                        message_triggers("search_message") | thread_triggers()
                    ).items()
                ),
                "DELETE FROM search_meta WHERE name = 'rebuilt_to'",
                "DELETE FROM search_thread",
                (
                    f"INSERT INTO search_thread({THREAD_COLUMNS}) {THREAD_SELECT}"
                    " ORDER BY thread_key"
                ),
            ],
        )
        _configure(connection, "search_message", _USUAL)
        _set(connection, "version", SCHEMA)
    optimize(connection)


def _forget_new(connection: BaseDatabaseWrapper) -> None:
    """Clear away a rebuild that was interrupted."""
    triggers = _objects(connection, "trigger")
    _run(
        connection,
        [f"DROP TRIGGER {name}" for name in triggers if name.startswith("search_message_new")],
    )
    _run(connection, ["DROP TABLE IF EXISTS search_message_new"])


def _batches(connection: BaseDatabaseWrapper) -> Iterator[int]:
    """Index what lies behind the mark, a transaction each; yield how many rows were read."""
    while True:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                "SELECT CAST(value AS INTEGER) FROM search_meta WHERE name = 'rebuilt_to'"
            )
            (mark,) = cursor.fetchone()
            cursor.execute(
                "SELECT max(search_key), count(*) FROM (SELECT search_key FROM threads_message"
                " WHERE search_key > %s ORDER BY search_key LIMIT %s)",
                [mark, _BATCH],
            )
            end, count = cursor.fetchone()
            if not count:
                return
            cursor.execute(
                "INSERT INTO search_message_new(rowid, body, aside, tags)"
                " SELECT search_key, body, aside, tags FROM search_message_source"
                " WHERE search_key > %s AND search_key <= %s ORDER BY search_key",
                [mark, end],
            )
            _set(connection, "rebuilt_to", end)
        yield count


def optimize(connection: BaseDatabaseWrapper) -> None:
    """Merge the index's parts into one: lookups of rare words get twice to six times faster."""
    for table in ("search_message", "search_thread"):
        _run(connection, [f"INSERT INTO {table}({table}) VALUES('optimize')"])


def check(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what is wrong with the index, in sentences; reads every row."""
    problems = []
    for table, level in (("search_message", 1), ("search_thread", 0)):
        try:
            with transaction.atomic(using=connection.alias):
                _run(
                    connection,
                    [f"INSERT INTO {table}({table}, rank) VALUES('integrity-check', {level})"],
                )
        except DatabaseError as problem:
            problems.append(f"{table} does not agree with the archive ({problem}).")
    with connection.cursor() as cursor:
        for what, first, second in (
            ("missing", THREAD_SELECT, f"SELECT {THREAD_COLUMNS} FROM search_thread"),
            ("superfluous", f"SELECT {THREAD_COLUMNS} FROM search_thread", THREAD_SELECT),
        ):
            cursor.execute(f"SELECT count(*) FROM ({first} EXCEPT {second})")
            (count,) = cursor.fetchone()
            if count:
                problems.append(f"search_thread: {count} rows are {what}.")
    return problems
