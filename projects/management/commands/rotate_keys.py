"""`manage.py rotate_keys`: seal every stored secret with the newest master key."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from projects import rotation
from projects.crypto import NoMasterKey
from projects.keys import secret_box
from threadhub.lib import audit


class Command(BaseCommand):
    help = (
        "Seals every stored API key, and the secrets of second factors, with the first key of"
        " THREADHUB_ENCRYPTION_KEYS. It can be stopped and started again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing; say what would be done"
        )
        parser.add_argument(
            "--forget",
            metavar="KEYID",
            help="say whether the master key KEYID may be taken out of the configuration"
            " (exit status 1 while stored keys need it)",
        )

    def handle(self, *_: Any, dry_run: bool, forget: str | None, **options: Any) -> None:
        try:
            box = secret_box()
        except NoMasterKey as error:
            raise CommandError(str(error)) from error
        if forget is not None:
            self._forget(forget, box.key_id, box.key_ids)
            return
        done = rotation.rotate(is_dry_run=dry_run, progress=self._show)
        if sys.stderr.isatty():
            self.stderr.write("")
        if (done.resealed or done.second_factors) and not dry_run:
            audit.record(
                action="keys.rotate",
                count=done.resealed,
                second_factors=done.second_factors,
                key_id=box.key_id,
            )
        verb = "would be sealed" if dry_run else "sealed"
        self.stdout.write(
            f"{done.resealed} API key(s) {verb} with the master key {box.key_id},"
            f" {done.already} had been already."
        )
        if done.second_factors:
            self.stdout.write(f"{done.second_factors} secret(s) of second factors {verb} with it.")
        for connection, reason in done.unreadable:
            self.stderr.write(f"Connection {connection.pk} ({connection}): {reason}")
        if done.lost_second_factors:
            self.stderr.write(
                f"{done.lost_second_factors} secret(s) of second factors cannot be opened."
                " Their accounts log in with a passkey, or after reset_second_factor NAME."
            )
        if done.unreadable or done.lost_second_factors:
            raise CommandError(
                f"{len(done.unreadable)} API key(s) cannot be opened."
                if done.unreadable
                else "Second factors cannot be opened."
            )

    def _forget(self, key_id: str, newest: str, known: list[str]) -> None:
        if key_id == newest:
            raise CommandError(f"{key_id} is the master key that seals. Put a new one before it.")
        if key_id not in known:
            raise CommandError(
                f"No master key {key_id} is configured. There are: {', '.join(known)}.",
                returncode=2,
            )
        api_keys, factors = rotation.sealed_count(key_id)
        if api_keys or factors:
            raise CommandError(
                f"{api_keys} API key(s) and {factors} secret(s) of second factors are still sealed"
                f" with {key_id}. Run rotate_keys first."
            )
        place = known.index(key_id) + 1
        self.stdout.write(
            f"Nothing is sealed with {key_id} any more. Take it out of THREADHUB_ENCRYPTION_KEYS"
            f" (it is number {place} of {len(known)}) and restart. Keep it as long as you keep"
            " backups from before today: they need it."
        )

    @staticmethod
    def _show(count: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{count:,} API keys")
