"""Builds databases as the predecessor's versions wrote them, for tests."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

SECRET_KEY = "the old secret"
PASSWORD = "correct horse"

# All tables in their last form; types as a Flask application declares them.
TABLES = {
    "users": "id TEXT PRIMARY KEY, username TEXT, email TEXT, password_hash TEXT,"
    " password_hint TEXT, created_at INTEGER, is_admin BOOLEAN",
    "projects": "id TEXT PRIMARY KEY, name TEXT, api_key TEXT, api_key_hash TEXT,"
    " is_visible BOOLEAN, version INTEGER, created_at INTEGER",
    "project_owners": "project_id TEXT, user_id TEXT",
    "project_tags": "project_id TEXT, tag_id TEXT",
    "tags": "id TEXT PRIMARY KEY, name TEXT",
    "threads": "id INTEGER PRIMARY KEY, thread_id TEXT, project_id TEXT, created_at TEXT,"
    " remark TEXT, last_synced_at INTEGER, message_count INTEGER, total_tokens INTEGER,"
    " last_message_timestamp INTEGER, stale_refresh_count INTEGER, refresh_priority TEXT",
    "messages": "id INTEGER PRIMARY KEY, thread_id INTEGER, role TEXT, content TEXT,"
    " created_at INTEGER, assistant_id TEXT",
    "assistants": "id TEXT PRIMARY KEY, name TEXT, project_id TEXT, last_synced_at INTEGER",
    "user_bookmarks": "user_id TEXT, thread_id INTEGER, created_at INTEGER",
    "search_history": "id INTEGER PRIMARY KEY, timestamp INTEGER, project_name TEXT,"
    " target_query TEXT, date_range TEXT, match_count INTEGER, total_scanned INTEGER,"
    " api_results_json TEXT",
    "audit_logs": "id INTEGER PRIMARY KEY, timestamp TEXT, user_name TEXT, action TEXT,"
    " target TEXT, status TEXT, details TEXT, ip_address TEXT",
    "ip_bans": "ip TEXT PRIMARY KEY, reason TEXT, expires_at INTEGER",
    "login_attempts": "ip TEXT PRIMARY KEY, count INTEGER, lockout_until INTEGER,"
    " last_attempt INTEGER",
    "sys_metrics": "id INTEGER PRIMARY KEY, timestamp INTEGER, cpu_percent REAL,"
    " memory_percent REAL, memory_used REAL, memory_total REAL, total_managed_tokens INTEGER",
    "refresh_history": "id INTEGER PRIMARY KEY, timestamp INTEGER, duration REAL,"
    " result_status TEXT, total_scanned INTEGER, updated_count INTEGER, error_count INTEGER,"
    " log_json TEXT",
    "system_settings": "key TEXT PRIMARY KEY, value TEXT, updated_at INTEGER",
    "search_result_chunks": "id INTEGER PRIMARY KEY, task_id TEXT, chunk TEXT, progress_data TEXT",
}
AT = 1_760_000_000  # Unix seconds of the first message


def seal(key: str, secret_key: str = SECRET_KEY) -> str:
    """Return an API key as the predecessor kept it."""
    derived = base64.urlsafe_b64encode(hashlib.sha256(secret_key.encode()).digest())
    return Fernet(derived).encrypt(key.encode()).decode()


def hash_password(password: str = PASSWORD) -> str:
    """Return a password as Werkzeug keeps it, cheaply."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"pepper", 10)
    return f"pbkdf2:sha256:10$pepper${digest.hex()}"


def rows() -> dict[str, list[dict[str, Any]]]:
    """Return a little of everything: two projects, three threads, and their surroundings."""
    user = {"password_hash": hash_password(), "password_hint": "horse", "created_at": AT}
    return {
        "users": [
            {"id": "u-1", "username": "ada", "email": "ada@example.org", "is_admin": 1, **user},
            {"id": "u-2", "username": "李明", "email": "", "is_admin": 0, **user},
        ],
        "projects": [
            {"id": "p-1", "name": "Support", "is_visible": 1, "version": 3, "created_at": AT}
            | {"api_key": seal("sk-first-0123456789")},
            {"id": "p-2", "name": "內部", "is_visible": 0, "version": 1, "created_at": AT}
            | {"api_key": "sk-plain-0123456789"},
        ],
        "project_owners": [{"project_id": "p-1", "user_id": "u-2"}],
        "project_tags": [{"project_id": "p-1", "tag_id": "t-1"}],
        "tags": [{"id": "t-1", "name": "urgent"}],
        "threads": [
            {"id": 1, "thread_id": "thread_a", "project_id": "p-1", "remark": "call back"}
            | {"created_at": "2025-10-09 16:53:20", "total_tokens": 12, "stale_refresh_count": 5},
            {"id": 2, "thread_id": "thread_b", "project_id": "p-1", "remark": None}
            | {"created_at": "2025-10-10 08:00:00.250000"},
            {"id": 3, "thread_id": "thread_a", "project_id": "p-2", "created_at": None},
        ],
        "messages": [
            {"id": 1, "thread_id": 1, "role": "user", "content": "Where is my parcel?"}
            | {"created_at": AT},
            {"id": 2, "thread_id": 1, "role": "assistant", "created_at": AT + 5}
            | {"content": "Here: ![photo](/file/file-Abc?group_id=p-1)", "assistant_id": "asst_1"},
            {"id": 3, "thread_id": 1, "role": "user", "content": "ok", "created_at": AT + 9},
            {"id": 4, "thread_id": 1, "role": "user", "content": "ok", "created_at": AT + 9},
            {"id": 5, "thread_id": 2, "role": "user", "content": "退款 please", "created_at": AT},
            {"id": 6, "thread_id": 3, "role": "user", "content": "Internal", "created_at": None},
        ],
        "assistants": [{"id": "asst_1", "name": "Parcel helper", "project_id": "p-1"}],
        "user_bookmarks": [{"user_id": "u-2", "thread_id": 2, "created_at": AT}],
        "search_history": [
            {"id": 1, "timestamp": AT, "project_name": "Support", "target_query": "parcel"}
            | {"match_count": 3, "total_scanned": 40}
        ],
        "audit_logs": [
            {"id": 1, "timestamp": "2025-10-09 10:00:00", "user_name": "ada", "action": "Login"}
            | {"status": "success", "ip_address": "192.0.2.7"},
            {"id": 2, "timestamp": "2025-10-09 10:01:00", "user_name": "eve", "action": "Login"}
            | {"status": "failed", "ip_address": "unknown"},
        ],
        "ip_bans": [{"ip": "192.0.2.66", "reason": "guessing", "expires_at": -1}],
        "sys_metrics": [
            {"id": 1, "timestamp": AT, "cpu_percent": 12.5, "memory_percent": 40.0}
            | {"memory_used": 1.5, "memory_total": 4.0, "total_managed_tokens": 12}
        ],
        "refresh_history": [
            {"id": 1, "timestamp": AT, "duration": 12.5, "result_status": "success"}
            | {"total_scanned": 2, "updated_count": 1, "error_count": 0, "log_json": "[]"}
        ],
        "system_settings": [
            {"key": "refresh_days", "value": "3"},
            {"key": "openai_api_key", "value": '"sk-global"'},
        ],
    }


def build(
    path: Path,
    given: dict[str, list[dict[str, Any]]] | None = None,
    *,
    without: Iterable[str] = (),
) -> Path:
    """Write a database. `without` names tables, and columns as "table.column", it has not yet."""
    lacking = set(without)
    connection = sqlite3.connect(path)
    for table, declared in TABLES.items():
        if table in lacking:
            continue
        columns = [
            column.strip()
            for column in declared.split(",")
            if f"{table}.{column.split()[0]}" not in lacking
        ]
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        there = {column.split()[0] for column in columns}
        for row in (rows() if given is None else given).get(table, []):
            kept = {name: value for name, value in row.items() if name in there}
            marks = ", ".join("?" * len(kept))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({marks})",  # noqa: S608
                list(kept.values()),
            )
    connection.commit()
    connection.close()
    return path
