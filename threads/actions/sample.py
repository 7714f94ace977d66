"""The sample archive: something to search before anything was connected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from projects.models import Project
from threadhub.lib import audit
from threads.actions.removal import refuse_held
from threads.archive import ImportReport, ingest
from threads.imports import ImportedThread, Problem
from threads.imports.jsonl import read_jsonl
from threads.models import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SAMPLE_FOLDER = Path(__file__).resolve().parent.parent / "sample"
SLUG = "sample"


def load_sample(
    *, by: User | None = None, folder: Path = SAMPLE_FOLDER, now: datetime | None = None
) -> Project:
    """Load the sample threads into a public project of their own; all of them or none.

    Their times are moved by whole days so that the newest is of the last 24 hours: "last week"
    finds something at every first start. A sample that is there stays as it is.
    """
    existing = Project.objects.filter(is_sample=True).first()
    if existing is not None:
        return existing
    moment = now or timezone.now()
    files = sorted(folder.glob("*.jsonl"))
    shift = _shift(files, moment)
    report = ImportReport()
    with transaction.atomic():
        project = Project.objects.create(
            name="Sample archive",
            slug=SLUG if not Project.objects.filter(slug=SLUG).exists() else Project.slug_for(SLUG),
            description="Invented conversations to try ThreadHub with. Remove them any time.",
            visibility=Project.Visibility.PUBLIC,
            is_sample=True,
        )
        for path in files:
            ingest(_moved(path, shift), project=project, now=moment, report=report)
        audit.record(
            action="sample.load",
            actor=by,
            target=project,
            project_id=project.pk,
            threads=report.threads_new,
        )
    return project


def remove_sample(*, by: User | None = None) -> int:
    """Remove the sample project with all that is in it. Returns how many threads that were.

    :raises Refused: when it is on legal hold, or a thread in it is.
    """
    with transaction.atomic():
        count = 0
        for project in Project.objects.filter(is_sample=True):
            refuse_held(project)
            count += Thread.objects.filter(project=project).count()
            audit.record(action="sample.remove", actor=by, target=project, project_id=project.pk)
            project.delete()
    return count


def _times(item: ImportedThread) -> Iterator[datetime]:
    for moment in (item.thread.created_at, *(message.created_at for message in item.messages)):
        if moment is not None:
            yield moment


def _shift(files: list[Path], now: datetime) -> timedelta:
    newest = max(
        (
            moment
            for path in files
            for item in read_jsonl(path)
            if isinstance(item, ImportedThread)
            for moment in _times(item)
        ),
        default=now,
    )
    return timedelta(days=(now - newest) // timedelta(days=1))


def _moved(path: Path, shift: timedelta) -> Iterator[ImportedThread | Problem]:
    for item in read_jsonl(path):
        if isinstance(item, Problem):
            yield item
            continue
        thread, messages = item.thread, item.messages
        if thread.created_at is not None:
            thread = replace(thread, created_at=thread.created_at + shift)
        moved = tuple(
            message
            if message.created_at is None
            else replace(message, created_at=message.created_at + shift)
            for message in messages
        )
        yield replace(item, thread=thread, messages=moved)
