"""Brings along everything that is in the database of the predecessor, and says what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction

from monitoring.predecessor import logs
from monitoring.predecessor.bans import bring_bans
from monitoring.predecessor.people import bring_people
from monitoring.predecessor.projects import Projects
from monitoring.predecessor.report import Report
from monitoring.predecessor.settings import bring_settings
from threadhub.lib import audit
from threads.imports import UnreadableFile
from threads.imports.predecessor import ZONE, Database

__all__ = ["Report", "carry_over"]


def carry_over(
    path: Path,
    *,
    now: datetime,
    secret_key: str = "",
    zone: ZoneInfo = ZONE,
    is_dry_run: bool = False,
    progress: Callable[[int], None] = lambda _count: None,
) -> Report:
    """Import the database at `path`. Doing it again changes nothing.

    :param secret_key: of the old installation; without it the API keys stay behind.
    :param zone: in which it wrote its times.
    :param is_dry_run: keep nothing, and report the same. On SQLite other writers wait meanwhile,
        some seconds at a time.
    :param progress: hears of the number of threads so far.
    :raises UnreadableFile: when the file is no such database.
    """
    report = Report(is_dry_run=is_dry_run)
    with Database(path, zone=zone) as database:
        if "threads.project_id" in database.missing:
            raise UnreadableFile(
                f"The threads in {path.name} name no project: import_threads brings them into one."
            )
        if database.missing:
            report.note(
                "The file is of an older version, without "
                + ", ".join(database.missing)
                + ". What is missing stays empty."
            )
        with transaction.atomic():
            people = bring_people(database, report)
            transaction.set_rollback(is_dry_run)
        projects = Projects(
            database,
            people=people,
            secret_key=secret_key,
            report=report,
            now=now,
            progress=progress,
        )
        for row in database.rows("projects"):
            projects.bring(row)
        logs.bring_audit_log(database, people, report)
        logs.bring_metrics(database, report)
        logs.bring_refreshes(database, report)
        bring_bans(database, report, now=now)
        bring_settings(database, report)
    if not is_dry_run and report.new_count:
        audit.record(
            action="predecessor.import",
            file=path.name,
            threads=report.of("threads").new,
            messages=report.of("messages").new,
        )
    return report
