"""`manage.py reset_second_factor`: let somebody who lost phone and key log in again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from projects.accounts import second_factor
from threadhub.lib import audit


class Command(BaseCommand):
    help = (
        "Takes the second factors (app, passkeys, recovery codes) off an account: its password"
        " alone logs in, and it sets up a new one where the settings require that."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="NAME")

    def handle(self, *_: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account named {username}.")
        if count := second_factor.reset(user):
            audit.record(action="user.second_factor_reset", target=user, count=count)
        self.stdout.write(f"{count} second factor(s) taken off {username}.")
