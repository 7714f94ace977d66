"""The database of the Flask application that ThreadHub replaces: its tables, and its threads.

Columns were added over the years, so any but a table's first may be missing. The file comes from
strangers: it is opened for reading only, and only real tables in it are read.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from threads.imports.base import UNNAMED, ImportedThread, Place, Problem, UnreadableFile
from threads.sources import Part, RemoteMessage, RemoteThread
from threads.sources.times import moment

# The application showed and wrote its times in this zone.
ZONE = ZoneInfo("Asia/Taipei")
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\]\(/file/([A-Za-z0-9_-]{1,100})(?:\?[^)\s]{0,200})?\)")
_ROLES = {"user", "assistant", "system", "tool", "developer"}
_BATCH = 1_000  # rows fetched at once

# What is read of each table. The first column is the one that it cannot be without.
TABLES: dict[str, tuple[str, ...]] = {
    "users": ("id", "username", "email", "password_hash", "created_at", "is_admin"),
    "projects": ("id", "name", "api_key", "is_visible", "created_at"),
    "project_owners": ("project_id", "user_id"),
    "project_tags": ("project_id", "tag_id"),
    "tags": ("id", "name"),
    "threads": ("thread_id", "id", "project_id", "created_at", "remark"),
    "messages": ("thread_id", "id", "role", "content", "created_at", "assistant_id"),
    "assistants": ("id", "name", "project_id", "last_synced_at"),
    "user_bookmarks": ("user_id", "thread_id", "created_at"),
    "search_history": (
        *("id", "timestamp", "project_name", "target_query", "date_range", "match_count"),
        "total_scanned",
    ),
    "audit_logs": (
        *("id", "timestamp", "user_name", "action", "target", "status", "details", "ip_address"),
    ),
    "ip_bans": ("ip", "reason", "expires_at"),
    "sys_metrics": (
        *("id", "timestamp", "cpu_percent", "memory_percent", "memory_used", "memory_total"),
        "total_managed_tokens",
    ),
    "refresh_history": (
        *("id", "timestamp", "duration", "result_status", "total_scanned", "updated_count"),
        *("error_count", "log_json"),
    ),
    "system_settings": ("key", "value"),
}
_NEEDED = ("projects", "threads", "messages")


class Row(NamedTuple):
    """A row of one table, its columns by their names; None where a column is missing."""

    values: dict[str, Any]

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else None  # type: ignore[arg-type]

    def is_true(self, name: str) -> bool:
        return str(self.values.get(name)).lower() in {"1", "true", "t", "1.0"}

    def moment(self, name: str, zone: ZoneInfo) -> datetime | None:
        """Return Unix seconds, or local text in `zone`, as a time; None when it is neither."""
        value = self.values.get(name)
        if not isinstance(value, str) or value.replace(".", "", 1).isdigit():
            return moment(value)
        try:
            when = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        return moment((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())


class Database:
    """An opened file of the predecessor. A context manager."""

    def __init__(self, path: Path, *, zone: ZoneInfo = ZONE) -> None:
        """Open the file and see what it holds.

        :param zone: of the times that are written without one.
        :raises UnreadableFile: when it is no such database.
        """
        self.path, self.zone = path, zone
        if not path.is_file():
            raise UnreadableFile(f"There is no file {path.name}.")
        try:
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            self._connection.text_factory = lambda value: value.decode("utf-8", "replace")
            # Nothing that the file defines may run.
            self._connection.execute("PRAGMA trusted_schema=OFF")
            self._connection.execute("PRAGMA query_only=ON")
            self._columns = self._columns_there()
        except sqlite3.Error as error:
            raise UnreadableFile(
                f"{path.name} cannot be read as an SQLite database: {error}."
            ) from error
        missing = [name for name in _NEEDED if name not in self._columns]
        if missing:
            self._connection.close()
            raise UnreadableFile(
                f"{path.name} is no database of the predecessor: it has no table {missing[0]}."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def _columns_there(self) -> dict[str, set[str]]:
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in found if name in TABLES}
        columns = {}
        for table in tables:
            names = {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}
            if TABLES[table][0] in names:
                columns[table] = names
        return columns

    @property
    def missing(self) -> list[str]:
        """The tables and columns that this file does not have yet, as "table.column"."""
        lacking = [name for name in TABLES if name not in self._columns]
        for table, there in self._columns.items():
            lacking += [f"{table}.{name}" for name in TABLES[table] if name not in there]
        return sorted(lacking)

    def count(self, table: str) -> int:
        """Return how many rows a table has; 0 when there is no such table."""
        if table not in self._columns:
            return 0
        (count,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        return int(count)

    def rows(self, table: str) -> Iterator[Row]:
        """Yield a table's rows, oldest first, without holding them all."""
        if table not in self._columns:
            return
        names = TABLES[table]
        listed = ", ".join(self._column(table, name) for name in names)
        yield from self._read(f"SELECT {listed} FROM {table} ORDER BY rowid", names)  # noqa: S608

    def _column(self, table: str, name: str, alias: str = "") -> str:
        if name not in self._columns.get(table, set()):
            return "NULL"
        return f"{alias}.{name}" if alias else name

    def _read(
        self, statement: str, names: Sequence[str], parameters: Sequence[Any] = ()
    ) -> Iterator[Row]:
        try:
            cursor = self._connection.execute(statement, parameters)
            while rows := cursor.fetchmany(_BATCH):
                for row in rows:
                    yield Row(dict(zip(names, row, strict=True)))
        except sqlite3.Error as error:
            raise UnreadableFile(f"{self.path.name} is damaged: {error}.") from error

    def threads(self, project_id: object = None) -> Iterator[ImportedThread | Problem]:
        """Yield a project's threads (of all projects if None) in the order of their rows.

        A place's line is the thread's number in that order, its offset the share of the file.
        """
        key = "id" if "id" in self._columns["threads"] else "rowid"
        threads = [f"t.{key}", *(self._column("threads", n, "t") for n in TABLES["threads"])]
        messages = [self._column("messages", name, "m") for name in TABLES["messages"]]
        names = ["row", *(f"t.{n}" for n in TABLES["threads"])]
        names += [f"m.{n}" for n in TABLES["messages"]]
        where = "" if project_id is None else "WHERE t.project_id = ?"
        # With an index on messages.thread_id it is walked; without one SQLite makes its own for
        # the query.
        statement = (
            f"SELECT {', '.join(threads + messages)} FROM threads t"  # noqa: S608 - names of ours
            f" LEFT JOIN messages m ON m.thread_id = t.{key} {where}"
            f" ORDER BY t.{key}, {self._order()}"
        )
        parameters = () if project_id is None else (project_id,)
        rows = self._read(statement, names, parameters)
        groups = itertools.groupby(rows, key=lambda row: row.values["row"])
        size, count = self.path.stat().st_size, max(1, self.count("threads"))
        for number, (_, group) in enumerate(groups, 1):
            yield self._thread(list(group), Place(number, min(size, size * number // count)))

    def _order(self) -> str:
        there = self._columns["messages"]
        return ", ".join(f"m.{name}" for name in ("created_at", "id") if name in there) or "1"

    def _thread(self, rows: list[Row], place: Place) -> ImportedThread | Problem:
        identity = rows[0].text("t.thread_id").strip()
        if not identity or len(identity) > 200:
            return Problem(place, f"Thread {rows[0].text('row')} has no id that can be kept.")
        repeated: Counter[str] = Counter()
        messages = tuple(
            _message(row, self.zone, repeated)
            for row in rows
            if row.values["m.thread_id"] is not None
        )
        thread = RemoteThread(
            remote_id=identity,
            upstream_state="imported",
            created_at=rows[0].moment("t.created_at", self.zone),
            store="assistants",
            remark=rows[0].text("t.remark"),
        )
        return ImportedThread(place, thread, messages)


def _message(row: Row, zone: ZoneInfo, repeated: Counter[str]) -> RemoteMessage:
    content, role = row.text("m.content"), row.text("m.role").lower()
    created_at = row.moment("m.created_at", zone)
    second = None if created_at is None else created_at.astimezone(UTC).isoformat()
    digest = hashlib.sha256(json.dumps([role, second, content]).encode()).hexdigest()[:32]
    repeated[digest] += 1
    number = f"-{repeated[digest]}" if repeated[digest] > 1 else ""
    images = [Part("image", text=match[1], file_id=match[2]) for match in _IMAGE.finditer(content)]
    text = _IMAGE.sub("", content).strip() if images else content
    # The row as it was. No message in the interchange format: its images are Markdown.
    kept = {
        "author": role,
        "content": content,
        "created_at": row.values["m.created_at"],
        "assistant_id": row.values["m.assistant_id"],
    }
    return RemoteMessage(
        remote_id=f"{UNNAMED}{digest}{number}",
        role=role if role in _ROLES else "unknown",
        text=text,
        parts=(*([Part("text", text)] if text else []), *images) if images else (),
        assistant_id=row.text("m.assistant_id")[:200],
        created_at=created_at,
        time_source="given" if created_at else "unknown",
        raw=json.dumps(kept, ensure_ascii=False, default=str),
    )


def read_predecessor(path: Path, *, start: Place = Place()) -> Iterator[ImportedThread | Problem]:  # noqa: B008 - frozen
    """Read the threads of all projects, and nothing else: `import_predecessor` brings the rest."""
    with Database(path) as database:
        for item in database.threads():
            if item.place.line > start.line:
                yield item
