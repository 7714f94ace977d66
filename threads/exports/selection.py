"""Which threads an export holds: those of a search, in its order, or chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from django.db.models import QuerySet

from projects.models import Project
from threads import search
from threads.models import Thread
from threads.search.query import parse

MOST_THREADS = 200_000  # in one export; their ids alone are some megabytes
_PAGE = 200


def found_threads(
    text: str,
    *,
    within: QuerySet[Project],
    now: datetime,
    zone: tzinfo,
    allow_scans: bool,
    most: int = MOST_THREADS,
) -> list[int]:
    """Return the primary keys of all threads that the search page shows for `text`, in its order.

    The same search as on the screen, page after page: nothing is found here that is not found
    there. A query that asks for messages still gives threads, each once.
    """
    query = parse(text, now=now, zone=zone)
    found: dict[int, None] = {}
    cursor: str | None = None
    while len(found) < most:
        page = search.find(
            query, within=within, limit=_PAGE, cursor=cursor, now=now, allow_scans=allow_scans
        )
        found |= dict.fromkeys(result.thread.pk for result in page.results)
        cursor = page.next_cursor
        if cursor is None:
            break
    return list(found)[:most]


def chosen_threads(ids: Sequence[str], *, within: QuerySet[Project]) -> list[int]:
    """Return the primary keys of threads by their short ids, in the order given.

    Ids of threads that are not there, in the trash, or in other projects are left out.
    """
    rows = Thread.objects.filter(project__in=within, trashed_at__isnull=True, short_id__in=ids)
    found = dict(rows.values_list("short_id", "pk"))
    return [found[short_id] for short_id in dict.fromkeys(ids) if short_id in found]
