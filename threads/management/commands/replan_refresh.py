"""`manage.py replan_refresh`: learn from the whole archive and plan every thread anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from threads.tasks import replan_refresh


class Command(BaseCommand):
    help = (
        "Count from the archive how soon silent threads speak again, and set by it when each is"
        " read next. Runs by itself every night; of use after a large import."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(replan_refresh())
