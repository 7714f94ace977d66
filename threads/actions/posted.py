"""Threads that a program sends, whole: written as an import would, and idempotent like one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from projects.models import Project
from threadhub.lib import audit
from threads.archive import ImportReport, ingest
from threads.imports import ImportedThread, Place, Problem
from threads.imports.jsonl import Wrong, threads_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def store_records(project: Project, records: Iterable[dict[str, Any]], *, by: User) -> ImportReport:
    """Write threads in the interchange format; sending them again changes nothing.

    :returns: what came of them; a problem's line is the record's number, from 1.
    """
    report = ImportReport()
    ingest(_read(records), project=project, now=timezone.now(), report=report)
    audit.record(
        action="thread.post",
        actor=by,
        target=project,
        project_id=project.pk,
        threads=report.thread_count,
        refused=report.problem_count,
    )
    return report


def _read(records: Iterable[dict[str, Any]]) -> Iterator[ImportedThread | Problem]:
    for number, record in enumerate(records, 1):
        place = Place(number, number)
        try:
            found = list(threads_in(record))
        except Wrong as wrong:
            yield Problem(place, str(wrong))
            continue
        for thread, messages in found:
            yield ImportedThread(place, thread, messages)
