"""What people do with threads that are here: into the trash and back, on hold and off it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from threadhub.lib import audit
from threads.models import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

_CHUNK = 500  # rows of one UPDATE
_MOST_NAMED = 100  # short ids that one audit event lists


def trash_threads(threads: QuerySet[Thread], *, by: User | None) -> int:
    """Take `threads` out of search and out of every list but the console's trash.

    Those on legal hold, or of a project on hold, stay. Returns how many went.
    """
    free = threads.filter(trashed_at__isnull=True, is_held=False, project__is_held=False)
    return _change(free, "thread.trash", by=by, trashed_at=timezone.now())


def restore_threads(threads: QuerySet[Thread], *, by: User | None) -> int:
    """Bring `threads` back from the trash. Returns how many came."""
    gone = threads.filter(trashed_at__isnull=False)
    return _change(gone, "thread.restore", by=by, trashed_at=None)


def hold_threads(threads: QuerySet[Thread], *, is_held: bool, by: User | None) -> int:
    """Put `threads` on legal hold, or release them. Returns how many changed."""
    action = "thread.hold" if is_held else "thread.release"
    return _change(threads.exclude(is_held=is_held), action, by=by, is_held=is_held)


def _change(threads: QuerySet[Thread], action: str, *, by: User | None, **changes: Any) -> int:
    with transaction.atomic():
        rows = list(threads.order_by("pk").values_list("pk", "project_id", "short_id"))
        pks = [pk for pk, _project, _short_id in rows]
        for start in range(0, len(pks), _CHUNK):
            Thread.objects.filter(pk__in=pks[start : start + _CHUNK]).update(**changes)
        by_project: defaultdict[int, list[str]] = defaultdict(list)
        for _pk, project_id, short_id in rows:
            by_project[project_id].append(short_id)
        for project_id, short_ids in by_project.items():
            audit.record(
                action=action,
                actor=by,
                project_id=project_id,
                count=len(short_ids),
                threads=short_ids[:_MOST_NAMED],
            )
    return len(rows)
