"""`manage.py prune`: delete what has been kept long enough, or say what that would be."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from threads import actions


class Command(BaseCommand):
    help = (
        "Deletes threads that were silent for longer than their project's retention, and those"
        " that lay in the trash for 30 days. What is on legal hold stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing; say what would be deleted"
        )

    def handle(self, *_: Any, dry_run: bool, **options: Any) -> None:
        now = timezone.now()
        found = actions.prune_preview(now=now)
        for one in found:
            self.stdout.write(
                f"{one.project.slug}: {one.threads} thread(s) with {one.messages} message(s)"
                f" ({one.silent_threads} silent for longer than the retention,"
                f" {one.trashed_threads} in the trash); {one.held_threads} on legal hold stay."
            )
        if dry_run:
            self.stdout.write(f"Nothing was deleted: {sum(one.threads for one in found)} would be.")
            return
        deleted = actions.prune_threads(now=now)
        self.stdout.write(f"Deleted {deleted.threads} thread(s), {deleted.messages} message(s).")
