"""`manage.py add_project NAME`: make a project, or change the one of that name."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from projects.models import Project, Tag
from threadhub.lib import audit


class Command(BaseCommand):
    help = "Create a project, or change the one of this name or short name; prints its short name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the project is called")
        parser.add_argument(
            "--visibility",
            choices=Project.Visibility.values,
            help="who may read it (new projects: members)",
        )
        parser.add_argument(
            "--owner", action="append", default=[], metavar="USER", help="may be repeated"
        )
        parser.add_argument(
            "--tag", action="append", default=[], metavar="TAG", help="may be repeated"
        )

    @transaction.atomic
    def handle(self, *_: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not name:
            raise CommandError("A project needs a name.", returncode=2)
        owners = self._owners(options["owner"])
        found = list(Project.objects.filter(slug=name)) or list(Project.objects.filter(name=name))
        if len(found) > 1:
            slugs = ", ".join(project.slug for project in found)
            raise CommandError(
                f"There are several projects of that name: {slugs}. Name one of them."
            )
        project = found[0] if found else Project(name=name, slug=Project.slug_for(name))
        if options["visibility"]:
            project.visibility = options["visibility"]
        project.save()
        project.owners.add(*owners)
        for tag in options["tag"]:
            project.tags.add(Tag.objects.get_or_create(name=tag.strip()[:60])[0])
        audit.record(
            action="project.change" if found else "project.add",
            target=project,
            project_id=project.pk,
        )
        self.stdout.write(project.slug)

    @staticmethod
    def _owners(names: list[str]) -> list[User]:
        users = User.objects.in_bulk(names, field_name="username")
        missing = [name for name in names if name not in users]
        if missing:
            raise CommandError(f"There is no user {missing[0]!r}.")
        return list(users.values())
