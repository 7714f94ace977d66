"""What people do with many threads at once: trash, hold, tags. A transaction a few hundred rows."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from projects.models import Tag
from threadhub.lib import audit
from threads.models import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHUNK = 500  # rows of one transaction: a fifth of a second on SQLite, search index included
_MOST_NAMED = 100  # short ids that one audit event lists


class Change(enum.StrEnum):
    """What is done; also the verb on the audit log."""

    TRASH = "trash"
    RESTORE = "restore"
    HOLD = "hold"
    RELEASE = "release"
    TAG = "tag"
    UNTAG = "untag"


@dataclass(slots=True)
class Changed:
    """How far a change is: threads that were looked at, and those that changed."""

    seen: int = 0
    changed: int = 0
    _named: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, project_id: int, short_id: str) -> None:
        self.changed += 1
        self._counts[project_id] += 1
        if len(self._named[project_id]) < _MOST_NAMED:
            self._named[project_id].append(short_id)


def change_threads(
    thread_ids: Sequence[int],
    change: Change,
    *,
    now: datetime,
    by: User | None,
    tags: Sequence[str] = (),
    keep_going: Callable[[Changed], bool] = lambda _changed: True,
) -> Changed:
    """Change threads; one audit event for each project when it ends.

    What is on legal hold does not go to the trash. Threads that are so already are left alone,
    so that doing it twice changes nothing.

    :param tags: the words to put on or take off; new ones are made.
    :param keep_going: asked after each transaction; False stops.
    """
    total = Changed()
    rows = _tags(tags, change)
    for start in range(0, len(thread_ids), CHUNK):
        chunk = list(thread_ids[start : start + CHUNK])
        with transaction.atomic():
            wanted = _wanted(Thread.objects.filter(pk__in=chunk), change, rows)
            found = list(wanted.order_by("pk").values_list("pk", "project_id", "short_id"))
            _apply([pk for pk, _project, _short_id in found], change, now=now, tags=rows)
        total.seen += len(chunk)
        for _pk, project_id, short_id in found:
            total.note(project_id, short_id)
        if not keep_going(total):
            break
    for project_id, count in total._counts.items():
        details: dict[str, Any] = {"count": count, "threads": total._named[project_id]}
        if tags:
            details["tags"] = list(tags)
        audit.record(action=f"thread.{change}", actor=by, project_id=project_id, **details)
    return total


def _tags(words: Sequence[str], change: Change) -> list[Tag]:
    if change == Change.TAG:
        Tag.objects.bulk_create([Tag(name=word) for word in words], ignore_conflicts=True)
    return list(Tag.objects.filter(name__in=words)) if words else []


def _wanted(threads: QuerySet[Thread], change: Change, tags: list[Tag]) -> QuerySet[Thread]:
    """Keep the threads that the change does something to."""
    match change:
        case Change.TRASH:
            return threads.filter(trashed_at__isnull=True, is_held=False, project__is_held=False)
        case Change.RESTORE:
            return threads.filter(trashed_at__isnull=False)
        case Change.HOLD:
            return threads.filter(is_held=False)
        case Change.RELEASE:
            return threads.filter(is_held=True)
        case Change.UNTAG:
            return threads.filter(tags__in=tags).distinct()
        case Change.TAG:
            lacks = Q(pk__in=[])
            for tag in tags:
                on_it = Thread.tags.through.objects.filter(thread=OuterRef("pk"), tag=tag)
                lacks = Q(~Exists(on_it)) | lacks
            return threads.filter(lacks)


def _apply(pks: list[int], change: Change, *, now: datetime, tags: list[Tag]) -> None:
    chosen = Thread.objects.filter(pk__in=pks)
    through = Thread.tags.through
    match change:
        case Change.TRASH:
            chosen.update(trashed_at=now)
        case Change.RESTORE:
            chosen.update(trashed_at=None)
        case Change.HOLD | Change.RELEASE:
            chosen.update(is_held=change == Change.HOLD)
        case Change.UNTAG:
            through.objects.filter(thread__in=pks, tag__in=tags).delete()
        case Change.TAG:
            pairs = [through(thread_id=pk, tag_id=tag.pk) for pk in pks for tag in tags]
            through.objects.bulk_create(pairs, ignore_conflicts=True)
