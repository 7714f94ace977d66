"""Makes the search index anew while searches go on, or checks it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from threads.search import setup


class Command(BaseCommand):
    help = "Builds the search index anew beside the one in use and swaps them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; say whether index and archive agree (exit status 1 if not)",
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        if check:
            problems = setup.problems()
            if problems:
                raise CommandError("\n".join(problems))
            self.stdout.write("The search index and the archive agree.")
            return
        count = 0

        def progress(number: int) -> None:
            nonlocal count
            count += number
            if sys.stderr.isatty():
                self.stderr.write(f"\r{count:,} messages", ending="")

        setup.rebuild(progress=progress)
        if sys.stderr.isatty():
            self.stderr.write("")
        self.stdout.write(f"The search index was made anew: {count:,} message(s).")
