"""Periodic work, declared in code and written to the queue's table by `sync_schedules`."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django_q.models import Schedule

log = logging.getLogger(__name__)

PREFIX = "threadhub: "


@dataclass(frozen=True, slots=True)
class Every:
    """Run `task` every `minutes` minutes."""

    task: Callable[[], Any]
    minutes: int

    @property
    def path(self) -> str:
        return f"{self.task.__module__}.{self.task.__qualname__}"


def write(wanted: Iterable[Every]) -> int:
    """Make the queue's schedules match `wanted`. Returns how many stale ones were removed.

    Schedules that an operator added by hand (no `PREFIX`) are left alone, and so is the next
    run time of a schedule that already exists.
    """
    names = set()
    for every in wanted:
        name = PREFIX + every.path
        names.add(name)
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": every.path,
                "schedule_type": Schedule.MINUTES,
                "minutes": every.minutes,
                "repeats": -1,
            },
        )
    removed, _ = Schedule.objects.filter(name__startswith=PREFIX).exclude(name__in=names).delete()
    return int(removed)


def _can_be_read(schedule: Schedule) -> bool:
    try:
        if schedule.args:
            ast.literal_eval(schedule.args)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    try:
        keywords = ast.literal_eval(schedule.kwargs) if schedule.kwargs else {}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return True  # the queue reads `name=value` as well, and forgives what it cannot read there
    return isinstance(keywords, dict)


def switch_off_unreadable() -> int:
    """Switch off schedules whose arguments cannot be read. Returns how many; costs one query.

    One of them would keep all the others from running: the queue reads them in one transaction.
    """
    count = 0
    for schedule in Schedule.objects.exclude(repeats=0):
        if not _can_be_read(schedule):
            log.error(
                "Schedule %r is switched off: its arguments cannot be read.",
                schedule.name or schedule.pk,
            )
            Schedule.objects.filter(pk=schedule.pk).update(repeats=0)
            count += 1
    return count
