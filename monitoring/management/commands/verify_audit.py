"""`manage.py verify_audit`: is every row of the audit log as it was written?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring import chain


class Command(BaseCommand):
    help = "Examines the audit log's chain of hashes; exit status 1 names the first broken row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect",
            metavar="HASH",
            default="",
            help="a hash that this command printed before: it must still be in the log",
        )

    def handle(self, *_: Any, expect: str, **options: Any) -> None:
        verdict = chain.verify(expected=expect.strip().lower(), progress=self._show)
        if sys.stderr.isatty():
            self.stderr.write("")
        if verdict.broken_id is not None:
            raise CommandError(
                f"The audit log is broken at row {verdict.broken_id}: {verdict.problem}."
                f" The {verdict.count} row(s) before it are as they were written."
            )
        if not verdict.has_expected:
            raise CommandError("The hash is not in the audit log: rows at its end were removed.")
        self.stdout.write(f"{verdict.count} row(s), all as they were written.")
        if verdict.last_hash:
            self.stdout.write(f"The last hash is {verdict.last_hash}")

    @staticmethod
    def _show(count: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{count:,} rows")
