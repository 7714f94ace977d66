"""`manage.py backup PATH`: a copy of the database in one file, while ThreadHub runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from threadhub.lib import audit, backup


class Command(BaseCommand):
    help = "Writes a copy of the whole database to one file, while ThreadHub runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path",
            type=Path,
            help="a new file, compressed when its name ends in .gz; or a folder, for a file with"
            " the date in its name",
        )

    def handle(self, *_: Any, path: Path, **options: Any) -> None:
        if path.is_dir():
            suffix = "sqlite3.gz" if connection.vendor == "sqlite" else "pgdump"
            path /= f"threadhub-{timezone.now():%Y%m%d-%H%M%S}.{suffix}"
        try:
            size = backup.make(path)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        audit.record(action="backup.make", file=path.name, bytes=size)
        self.stdout.write(f"{path}: {size / 2**20:.1f} MiB, checked.")
        self.stderr.write("It holds no master key: keep a copy of .env too, in another place.")
