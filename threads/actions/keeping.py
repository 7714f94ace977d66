"""What people do with threads that are here: trash, hold, tags, bookmarks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils import timezone

from threads.actions.jobs import queue_job
from threads.archive.keeping import CHUNK, Change, change_threads
from threads.models import Bookmark, Job, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

MOST_AT_ONCE = CHUNK  # in a request; more become a job


def change_chosen(
    threads: QuerySet[Thread], change: Change, *, by: User | None, tags: Sequence[str] = ()
) -> int | Job:
    """Change `threads` at once, or as a job where they are many.

    What is on legal hold, itself or by its project, does not go to the trash. Whoever puts a hold
    on asks once; nothing is deleted by any of these.

    :param tags: the words to put on or take off.
    :returns: how many changed, or the job that changes them.
    """
    pks = list(threads.order_by("pk").values_list("pk", flat=True))
    if len(pks) <= MOST_AT_ONCE:
        return change_threads(pks, change, now=timezone.now(), by=by, tags=tags).changed
    job, _is_new = queue_job(
        Job.Kind.CHANGE_THREADS,
        f"{change}:{digest_of(pks)}",
        by=by,
        parameters={"thread_ids": pks, "change": change.value, "tags": list(tags)},
    )
    return job


def digest_of(pks: Sequence[int]) -> str:
    """Return what stands for a choice of threads in a job's key: 32 hex digits."""
    return hashlib.sha256(",".join(map(str, pks)).encode()).hexdigest()[:32]


def bookmark_threads(threads: QuerySet[Thread], *, is_kept: bool, by: User) -> int:
    """Put `threads` among the bookmarks of `by`, or take them out. Returns how many changed."""
    mine = Bookmark.objects.filter(user=by)
    if not is_kept:
        count, _models = mine.filter(thread__in=threads.order_by().values("pk")).delete()
        return count
    new = threads.exclude(pk__in=mine.values("thread")).values_list("pk", flat=True)
    made = [Bookmark(user=by, thread_id=pk) for pk in new]
    Bookmark.objects.bulk_create(made, ignore_conflicts=True, batch_size=CHUNK)
    return len(made)
