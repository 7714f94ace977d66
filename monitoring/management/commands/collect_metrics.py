"""`manage.py collect_metrics`: one row of figures, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from monitoring.tasks import collect_system_metrics


class Command(BaseCommand):
    help = "Measures the system once, as the worker does every minute, and prints the figures."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(collect_system_metrics())
