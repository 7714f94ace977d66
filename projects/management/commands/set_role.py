"""`manage.py set_role`: say what an account may do."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from projects.accounts import roles
from threadhub.lib import audit


class Command(BaseCommand):
    help = "Makes an account an administrator, a project owner, a member or a viewer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("role", choices=roles.Role.values)

    def handle(self, *_: Any, username: str, role: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account named {username}.")
        try:
            roles.give(user, roles.Role(role))
        except roles.LastAdministrator as error:
            raise CommandError(str(error)) from error
        audit.record(action="user.role", target=user, role=role)
        self.stdout.write(f"{username}: {roles.Role(role).label}")
