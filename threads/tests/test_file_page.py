"""`/files/<project>/<file-id>/`: who gets which file, fetched how often, and sent how."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database

from monitoring.models import AuditEvent
from projects.models import Connection, Project, SiteSettings
from threads import archive, sync
from threads.attachments import keep_file
from threads.models import FileReference, SyncRun, Thread
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.files import PNG, get, name_file
from threads.tests.openai_server import OpenAIServer, text_item

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


@pytest.fixture
def connection(server: OpenAIServer) -> Connection:
    return make_connection(base_url=server.url)


# Fetched once.


def test_it_fetches_a_file_once_with_the_projects_key(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    name_file(connection, "file-1", name="cat.png")

    first = get(client, connection.project, "file-1")
    get(client, connection.project, "file-1")

    assert (first.status_code, first.content) == (200, PNG)
    assert first.headers["Content-Type"] == "image/png"
    assert first.headers["Content-Disposition"] == 'inline; filename="cat.png"'
    assert server.count() == 1
    assert server.calls[0].path == "/files/file-1/content"
    assert server.calls[0].headers["authorization"] == f"Bearer {server.key}"


def test_it_reads_what_a_code_interpreter_made_from_its_container(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/containers/cntr_1/files/cfile_1", b"a,b\n1,2\n", "text/csv")
    cited = {"type": "container_file_citation", "file_id": "cfile_1", "container_id": "cntr_1"}
    part = Part("text", text="See", annotations=({**cited, "filename": "table.csv"},))
    archive.store(
        [RemoteMessage("msg_1", "assistant", "See", parts=(part,))],
        project=connection.project,
        external_id="conv_1",
        connection=connection,
        now=NOW,
    )

    response = get(client, connection.project, "cfile_1")

    assert response.content == b"a,b\n1,2\n"
    assert response.headers["Content-Disposition"] == 'attachment; filename="table.csv.txt"'


def test_it_asks_azure_at_its_own_address(client: Client, server: OpenAIServer) -> None:
    connection = make_connection(
        azure_endpoint=server.url.removesuffix("/v1"), azure_api_version="2025-01-01"
    )
    server.add_file("/files/assistant-1", PNG)
    name_file(connection, "assistant-1")

    assert get(client, connection.project, "assistant-1").content == PNG
    assert server.calls[0].query == {"api-version": "2025-01-01"}
    assert server.calls[0].headers["api-key"] == server.key


def test_it_takes_embedded_pictures_out_of_the_archive(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    address = "data:image/png;base64," + base64.b64encode(PNG).decode()
    item = text_item("msg_1", "user", "See")
    item["content"].append({"type": "input_image", "image_url": address})
    made = {"id": "ig_1", "type": "image_generation_call", "status": "completed"}
    made["result"] = base64.b64encode(PNG + b"\x01").decode()
    server.add_conversation("conv_data", [item, made])
    thread = make_thread(
        connection.project, connection=connection, external_id="conv_data", created_at=None
    )
    sync.sync_batch(connection, [thread.pk], trigger=SyncRun.Trigger.MANUAL)
    server.forget_calls()
    names = FileReference.objects.order_by("message__position").values_list("file_id", flat=True)

    contents = [get(client, connection.project, name).content for name in names]

    assert contents == [PNG, PNG + b"\x01"]
    assert server.count() == 0
    page = client.get(thread.get_absolute_url()).content.decode()
    assert page.count('<img src="/files/') == 2


def test_it_serves_what_an_import_brought_without_any_source(client: Client) -> None:
    project = make_project()
    name_file(None, "file-1", project=project)
    keep_file(project, "file-1", PNG)

    assert get(client, project, "file-1").content == PNG


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    database.vendor == "sqlite",
    reason="An SQLite database in memory has one connection for all threads",
)
def test_it_makes_one_call_for_many_who_ask_at_once(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url)
    server.add_file("/files/file-1", PNG)
    server.fail("slow", seconds=0.3)
    name_file(connection, "file-1")

    def fetch(_: int) -> Path:
        try:
            references = FileReference.objects.select_related("project", "connection")
            return sync.fetch_file(list(references), now=NOW)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(fetch, range(4)))

    assert len(paths) == 1
    assert server.count() == 1


# Who gets it.


def test_it_gives_nothing_that_no_message_names(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-secret", PNG)
    name_file(connection, "file-other")

    assert get(client, connection.project, "file-secret").status_code == 404
    assert server.count() == 0


def test_it_never_takes_a_name_from_one_project_to_the_key_of_another(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    name_file(connection, "file-1")
    other = make_connection(base_url=server.url)

    assert get(client, other.project, "file-1").status_code == 404
    assert server.count() == 0


def test_it_never_fetches_what_only_an_imported_message_names(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    name_file(None, "file-1", project=connection.project)

    assert get(client, connection.project, "file-1").status_code == 410
    assert server.count() == 0


def test_it_never_loads_an_address_found_in_a_message(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    thread = name_file(connection, "", url=f"{server.url}/files/file-1/content")

    page = client.get(thread.get_absolute_url()).content.decode()

    assert not FileReference.objects.exists()
    assert "<img" not in page
    assert server.count() == 0


@pytest.mark.parametrize(
    "identity", ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b", "a%0d%0ab", "x" * 201]
)
def test_it_answers_404_to_what_is_no_id(
    client: Client, server: OpenAIServer, connection: Connection, identity: str
) -> None:
    response = client.get(f"/files/{connection.project.slug}/{identity}/")

    assert response.status_code == 404
    assert server.count() == 0


def test_a_file_that_is_cleared_away_meanwhile_is_not_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    keep_file(project, "file-1", PNG)
    name_file(None, "file-1", project=project)
    fetch = sync.fetch_file

    def fetch_too_late(*given: Any, **named: Any) -> Path:
        path = fetch(*given, **named)
        path.unlink()
        return path

    monkeypatch.setattr(sync, "fetch_file", fetch_too_late)
    page = get(client, project, "file-1")
    keep_file(project, "file-1", PNG)
    answer = client.get(f"/api/v1/files/{project.slug}/file-1")

    assert (page.status_code, answer.status_code) == (404, 404)


def test_it_is_for_those_who_may_read_the_thread(client: Client, server: OpenAIServer) -> None:
    project = make_project(visibility=Project.Visibility.PRIVATE)
    owner, stranger = (User.objects.create_user(name) for name in ("olga", "sten"))
    project.owners.add(owner)
    server.add_file("/files/file-1", PNG)
    thread = name_file(make_connection(project, base_url=server.url), "file-1")

    assert get(client, project, "file-1").status_code == 404
    client.force_login(stranger)
    assert get(client, project, "file-1").status_code == 404
    assert server.count() == 0
    client.force_login(owner)
    assert get(client, project, "file-1").content == PNG
    get(client, project, "file-1")
    event = AuditEvent.objects.get(action="file.read")
    assert event.details["file"] == "file-1"

    Thread.objects.filter(pk=thread.pk).update(trashed_at=NOW)
    assert get(client, project, "file-1").status_code == 404


def test_it_is_limited(client: Client, server: OpenAIServer, connection: Connection) -> None:
    SiteSettings(rate_file="2/h").save()
    server.add_file("/files/file-1", PNG)
    name_file(connection, "file-1")

    statuses = [get(client, connection.project, "file-1").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


# How it is sent.


@pytest.mark.parametrize(
    ("content", "said", "content_type"),
    [
        (b"<script>alert(1)</script>", "text/html", "text/plain; charset=utf-8"),
        (b'<svg onload="alert(1)"/>', "image/svg+xml", "text/plain; charset=utf-8"),
        (b"%PDF-1.7\n", "image/png", "application/pdf"),
        (b"PK\x03\x04....", "text/html", "application/zip"),
    ],
)
def test_it_has_nothing_run_in_the_browser(  # noqa: PLR0917 - three of them are fixtures
    client: Client,
    server: OpenAIServer,
    connection: Connection,
    content: bytes,
    said: str,
    content_type: str,
) -> None:
    server.add_file("/files/file-1", content, said)
    name_file(connection, "file-1", name="../../evil.html")

    response = get(client, connection.project, "file-1")

    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Disposition"].startswith('attachment; filename="evil.html.')
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"].startswith("private")


def test_it_is_not_sent_twice_to_a_browser_that_has_it(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    name_file(connection, "file-1")
    first = get(client, connection.project, "file-1")

    again = get(client, connection.project, "file-1", if_none_match=first.headers["ETag"])

    assert again.status_code == 304
