"""`manage.py recount_tokens`: count messages, sessions and tokens of threads again."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from projects.models import Project
from threads import archive
from threads.models import Thread


class Command(BaseCommand):
    help = (
        "Count each thread's messages, sessions and tokens again from its messages. What a store"
        " says about tokens stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", metavar="SLUG")

    def handle(self, *args: Any, project: str | None, **options: Any) -> None:
        threads = Thread.objects.order_by("pk")
        if project is not None:
            if not Project.objects.filter(slug=project).exists():
                raise CommandError(f"There is no project {project!r}.")
            threads = threads.filter(project__slug=project)
        counted = changed = 0
        for pk in list(threads.values_list("pk", flat=True)):
            changed += archive.recount(pk)
            counted += 1
            if sys.stderr.isatty() and counted % 100 == 0:
                self.stderr.write(f"\r{counted:,} threads", ending="")
        if sys.stderr.isatty():
            self.stderr.write("\r" + " " * 30 + "\r", ending="")
        self.stdout.write(f"{counted:,} threads counted, {changed:,} of them changed.")
