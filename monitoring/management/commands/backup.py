"""`manage.py backup PATH`: a copy of the database, and of files that only ThreadHub has."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from threadhub.lib import audit, backup, file_backup
from threads.attachments import kept_folder


class Command(BaseCommand):
    help = (
        "Writes a copy of the whole database to one file, while ThreadHub runs, and beside it"
        " what imports brought of images and files."
    )

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
            files = self._pack_files(path)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        audit.record(action="backup.make", file=path.name, bytes=size, files=files)
        self.stdout.write(f"{path}: {size / 2**20:.1f} MiB, checked.")
        if files:
            self.stderr.write("The two belong together: keep them side by side.")
        self.stderr.write("It holds no master key: keep a copy of .env too, in another place.")

    def _pack_files(self, path: Path) -> int:
        """Write the files beside the copy, after it: what the copy names is on the disk then."""
        folder, tar = kept_folder(), file_backup.tar_beside(path)
        if not any(folder.glob("*/*/*")):
            return 0
        try:
            count, size = file_backup.pack(folder, tar)
        except backup.BackupError:
            path.unlink()  # half of a backup looks like a whole one
            raise
        self.stdout.write(f"{tar}: {count} files, {size / 2**20:.1f} MiB.")
        return count
