"""What runs by itself, and how often."""

from __future__ import annotations

from threadhub.lib.schedules import Every
from threads.alerts import tell_of_new_hits
from threads.tasks import refresh_due_threads, replan_refresh, sweep_jobs

SCHEDULES = [
    Every(refresh_due_threads, minutes=1),
    Every(replan_refresh, minutes=1_440),
    Every(sweep_jobs, minutes=1),
    Every(tell_of_new_hits, minutes=10),
]
