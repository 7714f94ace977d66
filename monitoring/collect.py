"""Reads how the machine and the archive stand. Every figure that cannot be read is None."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from socket import gethostname
from time import monotonic
from typing import TypedDict, TypeVar

import psutil
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Sum

from threadhub.lib import cluster, telemetry
from threads.models import Job, Thread

log = logging.getLogger(__name__)
T = TypeVar("T")

# The totals read every thread's row. They may take this share of the time, so a small archive
# is counted every minute and one that takes 3 s to count every 10 minutes.
_TOTALS_SHARE = 1 / 200
_TOTALS_KEY = "monitoring:totals"


class Totals(TypedDict):
    thread_count: int
    message_count: int
    total_tokens: int | None


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - one figure must not cost all the others
        log.warning("A system figure could not be read: %s", error)
        return None


def cpu_percent() -> float:
    """Return the load of all cores since the last call on this machine, 0 to 100.

    The last call's counters are in the cache, because any worker process may be the next.
    """
    key = f"monitoring:cpu:{gethostname()}"
    times = psutil.cpu_times()
    total = sum(times[:8])  # user … steal; guest time is in user already
    idle = times.idle + getattr(times, "iowait", 0.0)
    before = cache.get(key)
    cache.set(key, (idle, total), 600)
    if before is None or total - before[1] < 0.5:
        return float(psutil.cpu_percent(interval=0.1))
    busy: float = 1 - (idle - before[0]) / (total - before[1])
    return round(100 * min(1.0, max(0.0, busy)), 1)


def database_bytes() -> int:
    """Return the size of the database on disk; one query."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        else:
            cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def totals() -> Totals:
    """Return how much the archive holds, trash excluded; now and then a little old."""
    kept = cache.get(_TOTALS_KEY)
    if kept is not None and time.time() < kept["good_until"]:
        known: Totals = kept["totals"]
        return known
    began = monotonic()
    row = Thread.objects.filter(trashed_at__isnull=True).aggregate(
        thread_count=Count("pk"),
        message_count=Sum("message_count", default=0),
        total_tokens=Sum("total_tokens"),
    )
    took_seconds = monotonic() - began
    good_until = time.time() + took_seconds / _TOTALS_SHARE
    found = Totals(
        thread_count=row["thread_count"],
        message_count=row["message_count"],
        total_tokens=row["total_tokens"],
    )
    cache.set(_TOTALS_KEY, {"totals": found, "good_until": good_until}, None)
    return found


def _last_minute(now: datetime) -> dict[str, float | int | None]:
    """Return what the minute before this one brought: it is complete."""
    minute = now - timedelta(minutes=1)
    searches = telemetry.observed("search", minute)
    return {
        "search_count": searches.total,
        "search_p50_ms": searches.percentile(0.5),
        "search_p95_ms": searches.percentile(0.95),
        "error_count": telemetry.counted("error", minute),
    }


def system_figures(now: datetime) -> dict[str, float | int | None]:
    """Return the figures of one SystemMetric row, by the names of its columns."""
    memory = _or_none(psutil.virtual_memory)
    disk = _or_none(lambda: psutil.disk_usage(str(settings.THREADHUB_DATA_DIR)))
    failed = Job.objects.filter(state=Job.State.FAILED, finished_at__gte=now - timedelta(days=1))
    figures: dict[str, float | int | None] = {
        "cpu_percent": _or_none(cpu_percent),
        "memory_percent": memory.percent if memory else None,
        "memory_used_bytes": memory.used if memory else None,
        "memory_total_bytes": memory.total if memory else None,
        "disk_percent": disk.percent if disk else None,
        "disk_free_bytes": disk.free if disk else None,
        "database_bytes": _or_none(database_bytes),
        "queue_length": _or_none(cluster.queue_length),
        "running_jobs": _or_none(Job.objects.filter(state=Job.State.RUNNING).count),
        "failed_jobs": _or_none(failed.count),
        "worker_count": _or_none(cluster.worker_count),
    }
    figures |= _or_none(lambda: _last_minute(now)) or {}
    archive = _or_none(totals)
    if archive is not None:
        figures["thread_count"] = archive["thread_count"]
        figures["message_count"] = archive["message_count"]
        figures["total_tokens"] = archive["total_tokens"]
    return figures
