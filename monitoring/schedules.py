"""What monitoring does by itself, and everybody's schedules together."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from monitoring.tasks import collect_system_metrics, prune_expired
from threadhub.lib import schedules
from threadhub.lib.schedules import Every

SCHEDULES = [
    Every(collect_system_metrics, minutes=1),
    Every(prune_expired, minutes=60),
]


def all_schedules() -> list[Every]:
    """Return the schedules of every app."""
    if find_spec("threads.schedules") is None:
        return SCHEDULES
    return [*import_module("threads.schedules").SCHEDULES, *SCHEDULES]


def sync_schedules() -> tuple[int, int]:
    """Write the schedules to the queue. Returns how many there are and how many stale ones went."""
    wanted = all_schedules()
    return len(wanted), schedules.write(wanted)
