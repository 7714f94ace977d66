"""`manage.py import_threads FILE… --project SLUG`: threads out of files."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from projects.models import Project
from threadhub.lib import audit
from threads.archive import ImportReport, ListAction, Listing, ingest
from threads.imports import FORMATS, Place, UnreadableFile, reader

_SHOWN = 20  # problems printed; the report file has a thousand


class Command(BaseCommand):
    help = (
        "Import threads into a project. Importing the same again changes nothing. What cannot be"
        " taken is named with its line; the rest goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--format", default="auto", choices=["auto", *FORMATS])
        parser.add_argument(
            "--list-action",
            default=ListAction.ADD.value,
            choices=[action.value for action in ListAction],
            help="what a list of ids does: register threads, set remarks, put into the trash",
        )
        parser.add_argument(
            "--connection",
            type=int,
            metavar="ID",
            help="through which a list's threads are read (default: the project's only one)",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing, report the same")
        parser.add_argument("--report", metavar="FILE", help="write the report there as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}. See add_project.")
        listing = self._listing(project, options)
        paths = [Path(name) for name in options["files"]]
        try:  # all of them before the first: a wrong name is not found after an hour
            readers = [reader(path, options["format"]) for path in paths]
        except UnreadableFile as error:
            raise CommandError(str(error)) from None
        reports, problems = {}, 0
        for path, read in zip(paths, readers, strict=True):
            report = ImportReport(is_dry_run=options["dry_run"])
            size = max(1, path.stat().st_size)
            try:
                ingest(
                    read(path),
                    project=project,
                    now=timezone.now(),
                    report=report,
                    keep_going=partial(self._show, size=size, name=path.name),
                    listing=listing,
                )
            except UnreadableFile as error:
                raise CommandError(str(error)) from None
            self._clear()
            self.stdout.write(f"{path.name}: {report}")
            for problem in report.problems[:_SHOWN]:
                self.stderr.write(f"{path.name}, line {problem['line']}: {problem['message']}")
            if report.problem_count > _SHOWN:
                self.stderr.write(f"… and {report.problem_count - _SHOWN} more.")
            reports[str(path)] = report.as_json()
            problems += report.problem_count
            if not options["dry_run"]:
                audit.record(
                    action="threads.import",
                    target=project,
                    project_id=project.pk,
                    file=path.name,
                    threads=report.thread_count,
                )
        if options["report"]:
            self._write(Path(options["report"]), reports)
        if problems:
            raise CommandError(f"{problems} lines were refused; everything else is imported.")

    @staticmethod
    def _listing(project: Project, options: dict[str, Any]) -> Listing:
        connection = None
        if options["connection"] is not None:
            connection = project.connections.filter(pk=options["connection"]).first()
            if connection is None:
                raise CommandError(f"{project.slug} has no connection {options['connection']}.")
        return Listing(ListAction(options["list_action"]), connection)

    @staticmethod
    def _write(path: Path, reports: dict[str, Any]) -> None:
        try:
            path.write_text(json.dumps(reports, indent=2, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from None

    def _show(self, place: Place, *, size: int, name: str) -> bool:
        if sys.stderr.isatty() and place.line % 50 == 0:
            percent = min(100, 100 * place.offset // size)
            self.stderr.write(f"\r{name}: {percent} %", ending="")
        return True

    def _clear(self) -> None:
        if sys.stderr.isatty():
            self.stderr.write("\r" + " " * 70 + "\r", ending="")
