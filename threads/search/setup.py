"""Prepares each database connection and keeps the index's tables beside the archive's.

The index is derived from the archive and no part of Django's migrations. Before a migration
that may touch its tables it is taken away, because SQLite cannot remake a table that views and
triggers refer to; afterwards it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.db.utils import DatabaseError

from threads.search import postgres, sqlite
from threads.search.fold import fold

_APPS = {"threads", "projects"}  # whose tables the views read


def connect(config: AppConfig) -> None:
    """Hook into connections and migrations; called once, when the app is ready."""
    connection_created.connect(_prepare, dispatch_uid="search_prepare")
    pre_migrate.connect(_before_migrate, sender=config, dispatch_uid="search_before")
    post_migrate.connect(_after_migrate, sender=config, dispatch_uid="search_after")
    checks.register(check_index, checks.Tags.database)


def keeper(connection: BaseDatabaseWrapper) -> ModuleType:
    """Return the module that looks after the index on this kind of database."""
    return sqlite if connection.vendor == "sqlite" else postgres


def rebuild(
    *, using: str = "default", progress: Callable[[int], None] = lambda _count: None
) -> None:
    """Make the index anew while searches go on; `progress` hears of every batch's size."""
    connection = connections[using]
    module = keeper(connection)
    if module.version(connection) == module.SCHEMA:
        module.rebuild(connection, progress)
    else:
        _make(module, connection)


def problems(*, using: str = "default") -> list[str]:
    """Return what is wrong with the index, in sentences. Reads the whole archive."""
    connection = connections[using]
    module = keeper(connection)
    found = module.version(connection)
    if not found:
        return ["There is no search index."]
    if found != module.SCHEMA:
        return [f"The search index is of version {found}; this program wants {module.SCHEMA}."]
    problems: list[str] = module.check(connection)
    return problems


def optimize(*, using: str = "default") -> None:
    """Tidy the index up; for a nightly task."""
    connection = connections[using]
    keeper(connection).optimize(connection)


def _make(module: ModuleType, connection: BaseDatabaseWrapper) -> None:
    module.create(connection)
    module.fill(connection)
    module.optimize(connection)


def _prepare(connection: BaseDatabaseWrapper, **_kwargs: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("th_fold", 1, fold, deterministic=True)


def _before_migrate(using: str, plan: Sequence[tuple[Any, bool]] = (), **_kwargs: Any) -> None:
    if any(migration.app_label in _APPS for migration, _is_backwards in plan):
        connection = connections[using]
        keeper(connection).drop(connection)


def _after_migrate(using: str, **_kwargs: Any) -> None:
    connection = connections[using]
    module = keeper(connection)
    tables = set(connection.introspection.table_names())
    # Migrated backwards, or only in part: there is nothing to index.
    if not {"threads_message", "threads_thread_tags", "projects_tag"} <= tables:
        return
    # With another fold the triggers could not even take the old rows out.
    if module.version(connection) != module.SCHEMA:
        _make(module, connection)


def check_index(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **_kwargs: Any,
) -> list[checks.CheckMessage]:
    """Warn when the index was made by another version of the program."""
    found: list[checks.CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        module = keeper(connection)
        try:
            version = module.version(connection)
        except DatabaseError:
            continue  # no database yet, or not reachable: others say so
        if version and version != module.SCHEMA:
            found.append(
                checks.Warning(
                    f"The search index is of version {version}, not {module.SCHEMA}.",
                    hint="Run `manage.py rebuild_index`.",
                    id="threads.W001",
                )
            )
    return found
