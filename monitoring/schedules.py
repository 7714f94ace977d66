"""What monitoring does by itself, and everybody's schedules together."""

from __future__ import annotations

from monitoring.tasks import collect_system_metrics, prune_expired
from threadhub.lib import schedules
from threadhub.lib.schedules import Every
from threads import schedules as threads_schedules

SCHEDULES = [
    Every(collect_system_metrics, minutes=1),
    Every(prune_expired, minutes=60),
]


def sync_schedules() -> tuple[int, int]:
    """Write the schedules to the queue. Returns how many there are and how many stale ones went."""
    wanted = [*threads_schedules.SCHEDULES, *SCHEDULES]
    return len(wanted), schedules.write(wanted)
