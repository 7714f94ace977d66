"""`manage.py sync_schedules`: writes the periodic tasks to the queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from monitoring.schedules import sync_schedules


class Command(BaseCommand):
    help = "Writes ThreadHub's periodic tasks to the queue; `start` does it by itself."

    def handle(self, *_args: Any, **_options: Any) -> None:
        count, removed = sync_schedules()
        self.stdout.write(f"{count} periodic tasks are scheduled; {removed} old ones were removed.")
