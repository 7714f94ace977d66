"""`manage.py import_predecessor app.db`: everything out of the Flask application's database."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring.predecessor import carry_over
from threads.imports import UnreadableFile
from threads.imports.predecessor import ZONE

_SHOWN = 50  # notes printed; the report file has a thousand


class Command(BaseCommand):
    help = (
        "Import accounts, projects, threads, bookmarks, logs and figures of the Flask application"
        " that ThreadHub replaces. Importing the same again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("database", metavar="app.db")
        parser.add_argument(
            "--secret-key-env",
            metavar="NAME",
            help="the environment variable with the old SECRET_KEY, which opens the API keys",
        )
        parser.add_argument(
            "--time-zone",
            default=ZONE.key,
            help="in which the old application wrote its times (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing, report the same")
        parser.add_argument("--report", metavar="FILE", help="write the report there as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["secret_key_env"]
        if name and not os.environ.get(name):
            raise CommandError(f"The environment variable {name} is empty.", returncode=2)
        try:
            zone = ZoneInfo(options["time_zone"])
        except (KeyError, OSError, ValueError) as error:  # KeyError: no such zone
            raise CommandError(
                f"There is no time zone {options['time_zone']!r}.", returncode=2
            ) from error
        try:
            report = carry_over(
                Path(options["database"]),
                now=timezone.now(),
                secret_key=os.environ.get(name, "") if name else "",
                zone=zone,
                is_dry_run=options["dry_run"],
                progress=self._show,
            )
        except UnreadableFile as error:
            raise CommandError(str(error)) from None
        if sys.stderr.isatty():
            self.stderr.write("\r" + " " * 40 + "\r", ending="")
        for line in report.lines():
            self.stdout.write(line)
        for note in report.notes[:_SHOWN]:
            self.stderr.write(note)
        if report.note_count > _SHOWN:
            self.stderr.write(f"… and {report.note_count - _SHOWN} more; --report FILE has them.")
        if options["report"]:
            text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
            try:
                Path(options["report"]).write_text(text, "utf-8")
            except OSError as error:
                raise CommandError(f"The report cannot be written: {error}") from None

    def _show(self, count: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{count} threads", ending="")
