"""When the pages of the console are loaded, and that they are checked."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from threads.admin.threads import ThreadAdmin

_SET_UP = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
import django
django.setup()
print(sorted(name for name in sys.modules if name.endswith(".admin") and "django" not in name))
"""


def test_it_starts_commands_without_the_pages_of_the_console() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SET_UP],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_it_checks_the_pages_of_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadAdmin, "list_display", ("no_such_column",))

    with pytest.raises(SystemCheckError, match="no_such_column"):
        call_command("check", "--tag", "admin")
