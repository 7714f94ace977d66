"""Is this installation fit to serve? One question for each thing it stands on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from monitoring.prepare import pending_migrations
from projects.rotation import lost_keys
from threadhub.lib.cluster import worker_count
from threads.search import setup

# Below this a database cannot even delete: SQLite needs room for the pages that it changes.
LEAST_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question; `message` is a sentence for the operator, no secret in it."""

    name: str
    is_ok: bool
    message: str


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    if count := pending_migrations():
        return _("%(count)d migrations are pending. Run: manage.py migrate") % {"count": count}
    return ""


def _worker() -> str:
    if worker_count() == 0:
        return _("No background worker is running. Start it with: manage.py qcluster")
    return ""


def _disk() -> str:
    free = shutil.disk_usage(settings.THREADHUB_DATA_DIR).free
    if free < LEAST_FREE_BYTES:
        return _("Only %(megabytes)d MB are free on the disk.") % {"megabytes": free // 2**20}
    return ""


def _keys() -> str:
    """Open one stored API key for each master key that sealed one."""
    if lost_keys():
        return _("Stored API keys cannot be opened. See THREADHUB_ENCRYPTION_KEYS.")
    return ""


def _index() -> str:
    module = setup.keeper(connection)
    if module.version(connection) != module.SCHEMA:
        return _("The search index is missing or too old. Run: manage.py rebuild_index")
    return ""


QUESTIONS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "worker": _worker,
    "disk": _disk,
    "keys": _keys,
    "index": _index,
}


def examine() -> list[Finding]:
    """Ask everything; a handful of queries. A question that fails to be answered is not fine."""
    findings = []
    for name, question in QUESTIONS.items():
        try:
            problem = question()
        except Exception as error:  # noqa: BLE001 - that it fails is the answer
            problem = _("It cannot be examined: %(kind)s.") % {"kind": type(error).__name__}
        findings.append(Finding(name=name, is_ok=not problem, message=problem or _("Fine.")))
    return findings
