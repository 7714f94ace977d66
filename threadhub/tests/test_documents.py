"""Every setting, command and address is described in docs/, and nothing there is invented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

ROOT = Path(settings.BASE_DIR)
OUR_APPS = {"projects", "threads", "monitoring"}
READERS = {"str", "bool", "int", "float", "list", "db", "email_url", "url", "path", "json"}
# What Python programs inherit from the system, and what our own tools hand on to each other.
READ_BY_RUN_PY = {"THREADHUB_NO_UV"}  # before there is a .env
NOT_OURS = {"DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER"}


@cache
def documents() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _settings_in(path: Path) -> Iterator[str]:
    """Find env("NAME"), env.bool("NAME") and os.environ.get("NAME")."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and (name := _first_text(node)):
            called = ast.unparse(node.func)
            reads_env = called == "env" or called in {f"env.{reader}" for reader in READERS}
            if (reads_env or called in {"os.environ.get", "os.getenv"}) and name.isupper():
                yield name


def settings_read() -> list[str]:
    files = [ROOT / "run.py", ROOT / "manage.py"]
    for app in ("threadhub", *OUR_APPS):
        files += [path for path in (ROOT / app).rglob("*.py") if "tests" not in path.parts]
    return sorted({name for path in files for name in _settings_in(path)} - NOT_OURS)


def commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app in OUR_APPS)


def api_paths() -> list[str]:
    """The paths below /api/v1/ as the API's own description names them."""

    def patterns(found: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in found:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from patterns(pattern.url_patterns, path)
            else:
                yield path

    everything = patterns(get_resolver().url_patterns, "")
    paths = {path.removeprefix("api/v1/") for path in everything if path.startswith("api/v1/")}
    # "threads/<str:thread_id>/messages" is documented by its fixed words.
    return sorted(path.split("<")[0].rstrip("/") for path in paths if path.split("<")[0])


@pytest.mark.parametrize("name", settings_read())
def test_it_describes_every_setting(name: str) -> None:
    assert f"`{name}`" in documents()


@pytest.mark.parametrize("name", commands())
def test_it_describes_every_command(name: str) -> None:
    assert f"`{name}" in documents() or f"manage {name}" in documents()


@pytest.mark.parametrize("path", sorted(set(api_paths())))
def test_it_describes_every_address_of_the_api(path: str) -> None:
    assert f"/api/v1/{path}" in documents()


@pytest.mark.parametrize("name", sorted({*settings_read()} - READ_BY_RUN_PY))
def test_it_offers_every_setting_in_the_example(name: str) -> None:
    assert name in (ROOT / ".env.example").read_text("utf-8")


def test_it_finds_settings_commands_and_addresses_to_look_for() -> None:
    assert {"SECRET_KEY", "DATABASE_URL", "THREADHUB_ADMIN_PASSWORD"} <= set(settings_read())
    assert {"start", "qcluster", "add_project"} <= set(commands())
    assert api_paths()
