"""Files that are not to be had: gone, too large, harmful or late, and nobody asks twice."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from projects.models import Connection, SiteSettings
from threads.attachments import cached_file
from threads.tests.factories import make_connection
from threads.tests.files import PNG, get, name_file
from threads.tests.openai_server import OpenAIServer

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


@pytest.fixture
def connection(server: OpenAIServer) -> Connection:
    return make_connection(base_url=server.url)


@pytest.mark.parametrize("fault", ["404", "400", "405", "403", "401"])
def test_it_says_that_a_file_is_gone_and_does_not_ask_again(
    client: Client, server: OpenAIServer, connection: Connection, fault: str
) -> None:
    server.fail(fault, path="/files/")
    name_file(connection, "file-1")

    first, again = (get(client, connection.project, "file-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (410, 410)
    assert "File not available" in first.text
    assert server.count() == 1
    connection.refresh_from_db()
    assert connection.state in Connection.CALLABLE_STATES  # its threads can still be read


def test_it_refuses_what_is_too_large_without_reading_it_all(
    client: Client, server: OpenAIServer, connection: Connection, tmp_path: Path
) -> None:
    SiteSettings(largest_file_mb=1).save()
    server.add_file("/files/file-1", PNG + b"\x00" * 3_000_000)
    name_file(connection, "file-1")

    response = get(client, connection.project, "file-1")

    assert response.status_code == 410
    assert "larger than this server keeps" in response.text
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


def test_it_does_not_unpack_more_than_a_file_may_have(
    client: Client, server: OpenAIServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    SiteSettings(largest_file_mb=1).save()
    server.add_file("/files/file-1", gzip.compress(PNG + b"\x00" * 50_000_000))
    server.packed_files.add("/files/file-1/content")
    name_file(connection, "file-1")

    assert get(client, connection.project, "file-1").status_code == 410


def test_it_refuses_programs(client: Client, server: OpenAIServer, connection: Connection) -> None:
    server.add_file("/files/file-1", b"MZ\x90\x00\x03", "image/png")
    name_file(connection, "file-1")

    first, again = (get(client, connection.project, "file-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (410, 410)
    assert server.count() == 1


@pytest.mark.parametrize("fault", ["500", "dropped", "redirect"])
def test_it_says_when_later_may_work_and_keeps_no_half(
    client: Client, server: OpenAIServer, connection: Connection, fault: str
) -> None:
    server.add_file("/files/file-1", PNG)
    server.fail(fault, path="/files/")
    name_file(connection, "file-1")

    first, again = (get(client, connection.project, "file-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (503, 503)
    assert int(first.headers["Retry-After"]) >= 1
    assert server.count() == 1
    assert cached_file(connection.project, "file-1") is None


def test_it_pauses_the_connection_when_the_server_asks_to(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.fail("429", headers={"Retry-After": "50"})
    name_file(connection, "file-1")

    response = get(client, connection.project, "file-1")

    connection.refresh_from_db()
    assert response.status_code == 503
    assert connection.paused_until is not None
    assert connection.paused_until > timezone.now() + timedelta(seconds=30)


def test_it_stays_within_the_calls_of_the_connection(client: Client, server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, calls_per_minute=2)
    for number in range(3):
        server.add_file(f"/files/file-{number}", PNG)
        name_file(connection, f"file-{number}")

    statuses = [get(client, connection.project, f"file-{n}").status_code for n in range(3)]

    assert statuses == [200, 200, 503]
    assert server.count() == 2
