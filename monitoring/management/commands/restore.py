"""`manage.py restore PATH`: put a backup in the place of the database."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils import timezone

from monitoring.prepare import prepare_database, prepare_keys
from threadhub.lib import audit, backup, file_backup
from threadhub.lib.cluster import worker_count
from threads.attachments import is_place, kept_folder


class Command(BaseCommand):
    help = "Replaces the whole database by a backup. Stop ThreadHub first."
    requires_system_checks = []  # they would look into the database that is to go

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="what the command backup wrote")
        parser.add_argument(
            "--yes", action="store_true", help="do not ask; needed where nobody can answer"
        )
        parser.add_argument(
            "--no-copy",
            action="store_true",
            help="do not keep a copy of the present database beside the backup",
        )

    def handle(self, *_: Any, path: Path, yes: bool, no_copy: bool, **options: Any) -> None:
        if not path.is_file():
            raise CommandError(f"There is no file {path}.", returncode=2)
        if worker_count():
            raise CommandError("ThreadHub is running. Stop it first.")
        if not yes and not self._agrees():
            raise CommandError("Nothing was changed.")
        try:
            if not no_copy and self._holds_an_archive():
                kept = path.with_name(f"before-restore-{timezone.now():%Y%m%d-%H%M%S}{path.suffix}")
                backup.make(kept)
                self.stdout.write(f"The present database is kept in {kept}.")
            tar = file_backup.tar_beside(path)
            if tar.is_file():  # a damaged one changes nothing
                file_backup.check(tar, accepts=is_place)
            backup.restore(path)
            prepare_database()
            lost = prepare_keys()
            self.stdout.write(f"The database is that of {path} now, its tables up to date.")
            self._put_files_back(tar)
        except (backup.BackupError, DatabaseError) as error:
            raise CommandError(str(error).strip()) from error
        audit.record(action="backup.restore", file=path.name)
        if lost:
            self.stderr.write(lost)

    def _put_files_back(self, tar: Path) -> None:
        if not tar.is_file():
            self.stdout.write("There are no files beside it; those that are here stay.")
            return
        count, size, there = file_backup.unpack(tar, kept_folder(), accepts=is_place)
        self.stdout.write(
            f"{count} files, {size / 2**20:.1f} MiB, were put back; {there} were here already."
        )

    def _agrees(self) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Add --yes: there is nobody to ask here.", returncode=2)
        self.stderr.write("The whole database will be replaced. Type yes to go on: ", ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip() == "yes"

    @staticmethod
    def _holds_an_archive() -> bool:
        return "threads_thread" in connection.introspection.table_names()
