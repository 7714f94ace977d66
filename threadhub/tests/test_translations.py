"""Every text of ours is there in Traditional Chinese."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

LOCALE = Path(settings.BASE_DIR) / "locale" / "zh_Hant" / "LC_MESSAGES"
_PLACES = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")


def _entries(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the translations by (context, message) of a PO file; obsolete ones are left out."""
    found: dict[tuple[str, str], list[str]] = {}
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        parts: dict[str, str] = {}
        name = ""
        for line in lines:
            if start := re.match(r'(msg\w+(?:\[\d\])?) "(.*)"$', line):
                name = start[1]
                parts[name] = start[2]
            elif line.startswith('"'):
                parts[name] += line[1:-1]
        if parts.get("msgid"):
            said = [value for key, value in parts.items() if key.startswith("msgstr")]
            found[parts.get("msgctxt", ""), parts["msgid"]] = said
    return found


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    """Collect every text from the sources, as `makemessages` does, without touching them."""
    if shutil.which("xgettext") is None:
        pytest.skip("gettext's tools are not installed")
    copy = tmp_path_factory.mktemp("sources")
    for name in ("projects", "threads", "monitoring", "threadhub", "templates", "static"):
        shutil.copytree(Path(settings.BASE_DIR) / name, copy / name)
    shutil.copytree(Path(settings.BASE_DIR) / "locale", copy / "locale")
    command = "from django.core.management import call_command, execute_from_command_line as run;"
    command += "import django; from django.conf import settings; settings.configure("
    command += "USE_I18N=True, LOCALE_PATHS=['locale']); django.setup();"
    command += "call_command('makemessages', locale=['zh_Hant'], no_location=True, verbosity=0,"
    command += " ignore_patterns=['*/tests/*', 'vendor/*'])"
    subprocess.run([sys.executable, "-c", command], cwd=copy, check=True, capture_output=True)
    return _entries((copy / "locale/zh_Hant/LC_MESSAGES/django.po").read_text(encoding="utf-8"))


def test_it_leaves_nothing_in_english(wanted: dict[tuple[str, str], list[str]]) -> None:
    kept = _entries((LOCALE / "django.po").read_text(encoding="utf-8"))

    missing = [message for message in wanted if not all(kept.get(message, [""]))]

    assert missing == []


def test_it_names_the_same_values_in_translations(wanted: dict[tuple[str, str], list[str]]) -> None:
    kept = _entries((LOCALE / "django.po").read_text(encoding="utf-8"))

    for (_context, message), said in kept.items():
        for text in said:
            assert set(_PLACES.findall(text)) <= set(_PLACES.findall(message)), message


def test_it_compiles_no_guesses() -> None:
    assert (LOCALE / "django.mo").stat().st_size > 0
    entries = (LOCALE / "django.po").read_text(encoding="utf-8").split("msgid", 2)[2]
    assert "#, fuzzy" not in entries  # what is guessed is not compiled
