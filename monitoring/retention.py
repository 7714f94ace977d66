"""How long the system's own records are kept, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q

from monitoring.models import Offence, RequestBan, SystemMetric

KEEP_MINUTES = timedelta(days=2)  # 2,880 rows, then one an hour
KEEP_HOURS = timedelta(days=60)  # 1,440 rows, then one a day, for ever
KEEP_OFFENCES = timedelta(days=30)
KEEP_BANS = timedelta(days=366)  # after their end

_AVERAGED = ("cpu_percent", "memory_percent")
_SUMMED = ("search_count", "error_count")
_HIGHEST = ("queue_length", "running_jobs", "failed_jobs", "search_p50_ms", "search_p95_ms")
_LAST = (
    *("memory_used_bytes", "memory_total_bytes", "disk_percent", "disk_free_bytes"),
    *("database_bytes", "worker_count", "thread_count", "message_count", "total_tokens"),
)


def _start_of_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _start_of_day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _known(rows: Iterable[SystemMetric], name: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, name)) is not None]


def _merged(rows: list[SystemMetric]) -> dict[str, float | None]:
    """Return the figures that stand for all of `rows`; None where none of them knew."""
    merged: dict[str, float | None] = {}
    for name in _AVERAGED:
        known = _known(rows, name)
        merged[name] = round(sum(known) / len(known), 1) if known else None
    for name in _SUMMED:
        known = _known(rows, name)
        merged[name] = sum(known) if known else None
    for name in _HIGHEST:
        merged[name] = max(_known(rows, name), default=None)
    for name in _LAST:
        merged[name] = next(reversed(_known(rows, name)), None)
    return merged


def _thin_out(
    *, fine: str, coarse: str, before: datetime, start_of: Callable[[datetime], datetime]
) -> int:
    rows = SystemMetric.objects.filter(resolution=fine, measured_at__lt=before)
    count = 0
    for start, group in groupby(
        rows.order_by("measured_at"), key=lambda row: start_of(row.measured_at)
    ):
        members = list(group)
        with transaction.atomic():
            SystemMetric.objects.update_or_create(
                resolution=coarse, measured_at=start, defaults=_merged(members)
            )
            SystemMetric.objects.filter(pk__in=[row.pk for row in members]).delete()
        count += len(members)
    return count


def forget_offences(now: datetime) -> None:
    """Delete old counts of offences, and bans that ended long ago."""
    Offence.objects.filter(at__lt=now - KEEP_OFFENCES).delete()
    ended = Q(lifted_at__lt=now - KEEP_BANS) | Q(expires_at__lt=now - KEEP_BANS)
    RequestBan.objects.filter(ended).delete()


def thin_out_metrics(now: datetime) -> int:
    """Merge old figures, minutes into hours and hours into days. Returns how many rows went in."""
    resolution = SystemMetric.Resolution
    return _thin_out(
        fine=resolution.MINUTE,
        coarse=resolution.HOUR,
        before=_start_of_hour(now - KEEP_MINUTES),
        start_of=_start_of_hour,
    ) + _thin_out(
        fine=resolution.HOUR,
        coarse=resolution.DAY,
        before=_start_of_day(now - KEEP_HOURS),
        start_of=_start_of_day,
    )
