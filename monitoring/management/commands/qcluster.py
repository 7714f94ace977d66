"""`manage.py qcluster`: the background worker alone. Takes the place of django-q2's command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from threadhub.lib import cluster


class Command(BaseCommand):
    help = "Runs the background worker until Ctrl-C. Exit status 70: start it again."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            status = cluster.run()
        except RuntimeError as error:
            raise CommandError(str(error)) from error
        sys.exit(status)
