"""Periodic work, declared in code and written to the queue's table by `sync_schedules`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django_q.models import Schedule

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
