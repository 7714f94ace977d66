"""Makes, fills, tidies and checks the index in PostgreSQL; postgres_schema.py says what it is."""

# ruff: noqa: S608 - every statement is made of the schema's constants, values are parameters

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.fold import FOLD_VERSION
from threads.search.postgres_schema import (
    FUNCTIONS,
    INDEXES,
    MESSAGE_COLUMNS,
    MESSAGE_SELECT,
    TABLES,
    THREAD_COLUMNS,
    THREAD_SELECT,
    TRIGGERS,
    put_functions,
)

SCHEMA = f"postgresql-2.{FOLD_VERSION}"
_BATCH = 5_000  # messages in one transaction of a rebuild, during which writers wait


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def version(connection: BaseDatabaseWrapper) -> str:
    """Return the version of the index that is there; empty when there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('search_meta') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return ""
        cursor.execute("SELECT value FROM search_meta WHERE name = 'version'")
        row = cursor.fetchone()
    return row[0] if row else ""


def drop(connection: BaseDatabaseWrapper) -> None:
    """Take triggers, functions and tables of the index away."""
    functions = (
        "search_message_changed(), search_thread_changed(), search_thread_tagged(),"
        " search_tag_renamed(), search_assistant_renamed(), search_message_put(bigint),"
        " search_thread_put(bigint), th_tsv(text), th_fold(text)"
    )
    with transaction.atomic(using=connection.alias):
        _run(
            connection,
            [
                "SET LOCAL client_min_messages = warning",
                f"DROP FUNCTION IF EXISTS {functions} CASCADE",  # takes the triggers along
                (
                    "DROP TABLE IF EXISTS search_message, search_message_new, search_thread,"
                    " search_meta"
                ),
                "DROP TEXT SEARCH CONFIGURATION IF EXISTS public.threadhub",
                "DROP TEXT SEARCH DICTIONARY IF EXISTS public.threadhub_stem",
                "SET LOCAL client_min_messages = notice",
            ],
        )


def create(connection: BaseDatabaseWrapper) -> None:
    """Lay the whole index out, empty and without its version; drop what was there."""
    with transaction.atomic(using=connection.alias):
        drop(connection)
        _run(
            connection,
            [
                # The stems of English without its stop words: "the who" finds The Who.
                (
                    "CREATE TEXT SEARCH DICTIONARY public.threadhub_stem"
                    " (TEMPLATE = snowball, LANGUAGE = english)"
                ),
                "CREATE TEXT SEARCH CONFIGURATION public.threadhub (COPY = simple)",
                (
                    "ALTER TEXT SEARCH CONFIGURATION public.threadhub"
                    " ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword,"
                    " hword_part WITH public.threadhub_stem"
                ),
                *TABLES,
                *FUNCTIONS[:2],
                *put_functions(),
                *FUNCTIONS[2:],
                *INDEXES,
                *(
                    f"CREATE TRIGGER {name} {body}"
                    for triggers in TRIGGERS.values()
                    for name, body in triggers.items()
                ),
            ],
        )


def _set_version(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO search_meta VALUES ('version', %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [SCHEMA],
        )


def fill(connection: BaseDatabaseWrapper) -> None:
    """Index everything at once, into an index that create() has just laid out."""
    with transaction.atomic(using=connection.alias):
        _run(
            connection,
            [
                f"INSERT INTO search_message ({MESSAGE_COLUMNS}) {MESSAGE_SELECT}",
                f"INSERT INTO search_thread ({THREAD_COLUMNS}) {THREAD_SELECT}",
            ],
        )
        _set_version(connection)


def rebuild(connection: BaseDatabaseWrapper, progress: Callable[[int], None]) -> None:
    """Build the message index beside the one in use and swap; searches go on.

    While it is filled every change is written to both. A batch keeps writers out, so that none
    of them is between the rows it has read and those it writes.
    """
    with transaction.atomic(using=connection.alias):
        _run(
            connection,
            [
                "LOCK TABLE threads_message IN SHARE ROW EXCLUSIVE MODE",
                "SET LOCAL client_min_messages = warning",
                "DROP TABLE IF EXISTS search_message_new",
                "SET LOCAL client_min_messages = notice",
                "CREATE TABLE search_message_new (LIKE search_message INCLUDING ALL)",
                *put_functions("search_message_new"),
                (
                    "CREATE OR REPLACE FUNCTION search_message_gone() RETURNS trigger"
                    " LANGUAGE plpgsql AS $f$ BEGIN"
                    " DELETE FROM search_message_new WHERE message_id = old.message_id;"
                    " RETURN NULL; END $f$"
                ),
                (
                    "CREATE TRIGGER search_message_gone AFTER DELETE ON search_message"
                    " FOR EACH ROW EXECUTE FUNCTION search_message_gone()"
                ),
            ],
        )
    mark = -(1 << 62)
    while True:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE threads_message IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(
                "SELECT max(search_key), count(*) FROM (SELECT search_key FROM threads_message"
                " WHERE search_key > %s ORDER BY search_key LIMIT %s) batch",
                [mark, _BATCH],
            )
            end, count = cursor.fetchone()
            if not count:
                break
            cursor.execute(
                f"INSERT INTO search_message_new ({MESSAGE_COLUMNS}) {MESSAGE_SELECT}"
                " AND m.search_key > %s AND m.search_key <= %s ON CONFLICT DO NOTHING",
                [mark, end],
            )
            mark = end
        progress(count)
    with transaction.atomic(using=connection.alias):
        _run(
            connection,
            [
                "LOCK TABLE threads_message IN SHARE ROW EXCLUSIVE MODE",
                "DROP TABLE search_message",
                "DROP FUNCTION search_message_gone()",
                "ALTER TABLE search_message_new RENAME TO search_message",
                *put_functions(),
                "TRUNCATE search_thread",
                f"INSERT INTO search_thread ({THREAD_COLUMNS}) {THREAD_SELECT}",
            ],
        )
        _set_version(connection)


def optimize(connection: BaseDatabaseWrapper) -> None:
    """Move what waits in the indexes' lists of news into place, and count the words anew."""
    _run(
        connection,
        [
            (
                "SELECT gin_clean_pending_list(indexrelid) FROM pg_index"
                " JOIN pg_class i ON i.oid = indexrelid JOIN pg_am a ON a.oid = i.relam"
                " WHERE a.amname = 'gin'"
                " AND indrelid IN ('search_message'::regclass, 'search_thread'::regclass)"
            ),
            "ANALYZE search_message",
            "ANALYZE search_thread",
        ],
    )


def check(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what is wrong with the index, in sentences; reads every row."""
    problems = []
    with connection.cursor() as cursor:
        for table, columns, select in (
            ("search_message", MESSAGE_COLUMNS, MESSAGE_SELECT),
            ("search_thread", THREAD_COLUMNS, THREAD_SELECT),
        ):
            held = f"SELECT {columns} FROM {table}"
            for what, first, second in (
                ("missing or old", select, held),
                ("superfluous", held, select),
            ):
                cursor.execute(f"SELECT count(*) FROM ({first} EXCEPT {second}) AS difference")
                (count,) = cursor.fetchone()
                if count:
                    problems.append(f"{table}: {count} rows are {what}.")
    return problems
