#!/usr/bin/env python
"""ThreadHub's commands: `python manage.py help` lists them."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line
from django.db import DatabaseError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError:
        from monitoring.prepare import pending_migrations

        if not pending_migrations():
            raise
        sys.exit("The database is not up to date. Run: python manage.py migrate")


if __name__ == "__main__":
    main()
