"""Exports threads from the shell: the ordinary search, the ordinary formats."""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet
from django.utils import timezone

from projects.models import Project
from threads.exports import EXPORTERS, ExportError, ExportOrder, MadeFile, Selected, make, select
from threads.models import Thread


class Command(BaseCommand):
    help = "Export threads. Without --query and --thread: all of them, or those of the projects."

    requires_system_checks = []  # they load every page, and take as long as a PDF of ten messages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--query", default="", metavar="Q")
        parser.add_argument("--project", action="append", default=[], metavar="SLUG")
        parser.add_argument("--thread", action="append", default=[], metavar="ID")
        parser.add_argument("--format", choices=list(EXPORTERS), required=True)
        parser.add_argument("--output", required=True, metavar="PATH", help="- = standard output")
        parser.add_argument("--as", dest="username", metavar="USER", help="what this user sees")
        parser.add_argument("--rows", choices=["messages", "threads"], default="messages")
        parser.add_argument("--columns", default="", help="keys, comma separated")
        parser.add_argument("--mask", action="store_true", help="hide addresses, numbers, keys")
        parser.add_argument("--zip", action="store_true", help="with a manifest")

    def handle(self, **options: Any) -> None:
        by = self._user(options["username"])
        within = Project.objects.usable_by(by) if by else Project.objects.all()
        order = ExportOrder(
            form=options["format"],
            query=self._query(options["query"], options["project"], within),
            thread_ids=self._short_ids(options["thread"], within),
            per_message=options["rows"] == "messages",
            columns=tuple(key for key in options["columns"].split(",") if key),
            masked=options["mask"],
            zipped=options["zip"],
            zone=timezone.get_default_timezone_name(),
        )
        now = timezone.now()
        try:
            order.check()
            selected = select(order, within=within, now=now, allow_scans=True)
            made = self._write(order, selected, options["output"], by)
        except ExportError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{options['output']} cannot be written: {error.strerror}"
            ) from error
        notes = "".join(f"\n{note}" for note in made.notes)
        self.stderr.write(f"{made.threads} threads, {made.messages} messages exported.{notes}")

    @staticmethod
    def _write(order: ExportOrder, selected: Selected, output: str, by: User | None) -> MadeFile:
        now = timezone.now()
        if output != "-":
            return make(order, Path(output), selected, by=by, now=now)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export"
            made = make(order, path, selected, by=by, now=now)
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return made

    @staticmethod
    def _user(username: str | None) -> User | None:
        """Return whose view is exported; None is everything, as who has the shell may read it."""
        if username is None:
            return None
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        return user

    @staticmethod
    def _query(asked: str, slugs: list[str], within: QuerySet[Project]) -> str:
        known = set(within.values_list("slug", flat=True))
        if unknown := [slug for slug in slugs if slug not in known]:
            raise CommandError(f"There is no project {unknown[0]}.")
        projects = f"project:{','.join(slugs)}" if slugs else ""
        if asked and projects:
            return f"({asked}) {projects}"
        return asked or projects or "sort:newest"

    @staticmethod
    def _short_ids(ids: list[str], within: QuerySet[Project]) -> tuple[str, ...]:
        visible = Thread.objects.filter(project__in=within, trashed_at__isnull=True)
        found = []
        for given in ids:
            named = visible.filter(Q(short_id=given) | Q(external_id=given)).first()
            if named is None:
                raise CommandError(f"There is no thread {given}.")
            found.append(named.short_id)
        return tuple(found)
