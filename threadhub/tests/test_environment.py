"""The first start writes secrets that only their owner can read, and never overwrites any."""

from __future__ import annotations

import base64
import stat
import sys
from pathlib import Path

import pytest

from threadhub.lib.environment import ensure_env_file


@pytest.fixture(autouse=True)
def _no_secrets_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("THREADHUB_ENCRYPTION_KEYS", raising=False)


def values_in(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_it_writes_fresh_secrets(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"

    written = [ensure_env_file(one), ensure_env_file(other)]

    values = values_in(one)
    assert written == [True, True]
    assert len(values["SECRET_KEY"]) >= 50
    assert len(base64.b64decode(values["THREADHUB_ENCRYPTION_KEYS"])) == 32
    assert not set(values.values()) & set(values_in(other).values())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_it_lets_nobody_else_read_them(tmp_path: Path) -> None:
    ensure_env_file(tmp_path / ".env")

    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_it_leaves_an_existing_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")

    written = ensure_env_file(tmp_path / ".env")

    assert written is False
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=mine\n"


def test_it_writes_nothing_when_the_environment_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    monkeypatch.setenv("THREADHUB_ENCRYPTION_KEYS", "y")

    written = ensure_env_file(tmp_path / ".env")

    assert written is False
    assert not (tmp_path / ".env").exists()


def test_it_goes_on_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert ensure_env_file(tmp_path / "absent" / ".env") is False
