"""`manage.py add_connection PROJECT --store …`: how a project reaches its threads."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from projects.crypto import SecretError
from projects.models import Connection, Project
from threads import actions
from threads.sources import SourceError, checked_base_url


class Command(BaseCommand):
    help = (
        "Add a connection to a project. The key comes from the environment variable that"
        " --api-key-env names, or from standard input; never from an argument, which other users"
        " of the machine could read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's short name")
        parser.add_argument("--store", required=True, choices=Connection.Store.values)
        parser.add_argument("--base-url", default="", help="empty: OpenAI")
        parser.add_argument("--azure-endpoint", default="")
        parser.add_argument("--api-version", default="", help="for an Azure endpoint")
        parser.add_argument("--api-key-env", default="", metavar="NAME")
        parser.add_argument("--calls-per-minute", type=int, default=60)
        parser.add_argument("--no-check", action="store_true", help="make no call now")

    def handle(self, *_: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}. See add_project.")
        connection = Connection(
            project=project,
            store=options["store"],
            base_url=options["base_url"],
            azure_endpoint=options["azure_endpoint"],
            azure_api_version=options["api_version"],
            calls_per_minute=options["calls_per_minute"],
        )
        self._check(connection)
        key = self._key(options["api_key_env"])
        if not key:
            raise CommandError("There is no key: neither in the environment nor on standard input.")
        try:
            connection.set_key(key)
        except SecretError as error:
            raise CommandError(str(error)) from None
        connection.save()
        self.stdout.write(f"Connection {connection.pk} added to {project.slug}.")
        if options["no_check"]:
            return
        sentence = actions.test_connection(connection, by=None)
        if connection.state != Connection.State.WORKING:
            raise CommandError(f"The connection is kept, but it does not work: {sentence}")
        self.stdout.write(sentence)

    @staticmethod
    def _check(connection: Connection) -> None:
        try:
            connection.clean_fields(exclude=["name", "sealed_key"])
            connection.validate_constraints()
            if connection.base_url or connection.azure_endpoint:
                checked_base_url(
                    connection.azure_endpoint or connection.base_url,
                    allow_private_hosts=settings.THREADHUB_ALLOW_PRIVATE_HOSTS,
                )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from None
        except SourceError as error:
            raise CommandError(str(error), returncode=2) from None

    @staticmethod
    def _key(name: str) -> str:
        if name:
            if name not in os.environ:
                raise CommandError(f"The environment variable {name} is not set.", returncode=2)
            return os.environ[name].strip()
        if sys.stdin.isatty():
            return getpass.getpass("API key: ").strip()
        return sys.stdin.readline().strip()
