"""`/files/<project>/<file-id>/`: who gets which file, fetched how often, and sent how."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import AuditEvent
from projects.models import Connection, Project, SiteSettings
from threads import archive, sync
from threads.attachments import cached_file, keep_file
from threads.models import FileReference, SyncRun, Thread
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.openai_server import OpenAIServer, text_item, thread_message

if TYPE_CHECKING:
    from django.test import Client

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 400

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.THREADHUB_DATA_DIR = tmp_path
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.heal()
    running_server.forget_calls()
    running_server.files.clear()
    running_server.packed_files.clear()
    return running_server


@pytest.fixture
def connection(server: OpenAIServer) -> Connection:
    return make_connection(base_url=server.url)


def name_file(
    connection: Connection | None, file_id: str, *, project: Project | None = None, **fields: Any
) -> Thread:
    """Archive a message that names a file, read through `connection`; None: a file brought it."""
    project = project or (connection.project if connection else make_project())
    kind = fields.pop("kind", "image")
    part = Part(kind, text=fields.pop("name", ""), file_id=file_id, **fields)
    stored = archive.store(
        [RemoteMessage(f"msg_{file_id}", "user", "See", parts=(part,))],
        project=project,
        external_id=f"conv_{file_id}",
        connection=connection,
        now=NOW,
    )
    return Thread.objects.get(pk=stored.thread_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read to its end."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def get(client: Client, project: Project, file_id: str, **headers: str) -> Answer:
    response: Any = client.get(f"/files/{project.slug}/{file_id}/", headers=headers)
    content = response.getvalue() if response.streaming else response.content
    return Answer(response.status_code, response.headers, content)


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


# What is not to be had.


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


# On the thread's page.


def test_it_shows_pictures_and_links_files(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    content = [
        {"type": "image_file", "image_file": {"file_id": "file-picture"}},
        {
            "type": "text",
            "text": {
                "value": "See",
                "annotations": [
                    {"type": "file_path", "text": "x", "file_path": {"file_id": "file-made"}}
                ],
            },
        },
    ]
    message = thread_message("msg_1", "assistant", "", created_at=1_763_000_000, content=content)
    message["attachments"] = [{"file_id": "file-attached", "tools": []}]
    server.add_thread("thread_1", [message])
    Connection.objects.filter(pk=connection.pk).update(store="assistants")
    connection.refresh_from_db()
    thread = make_thread(
        connection.project, connection=connection, external_id="thread_1", created_at=None
    )
    sync.sync_batch(connection, [thread.pk], trigger=SyncRun.Trigger.MANUAL)

    for address in (thread.get_absolute_url(), f"{thread.get_absolute_url()}print/"):
        page = client.get(address).content.decode()
        base = f"/files/{connection.project.slug}"
        assert f'<img src="{base}/file-picture/" alt="Image"' in page
        assert f'<a href="{base}/file-attached/">' in page
        assert f'<a href="{base}/file-made/"' in page


def test_it_shows_no_broken_pictures_of_imported_threads(client: Client) -> None:
    project = make_project()
    thread = name_file(None, "file-1", project=project, name="cat.png")

    assert "<img" not in client.get(thread.get_absolute_url()).content.decode()

    keep_file(project, "file-1", PNG)
    assert "<img" in client.get(thread.get_absolute_url()).content.decode()


def test_it_leaves_no_empty_frame_for_a_picture_that_is_gone(
    client: Client, connection: Connection
) -> None:
    thread = name_file(connection, "file-1", name="cat.png")
    before = client.get(thread.get_absolute_url()).content.decode()

    assert get(client, connection.project, "file-1").status_code == 410

    after = client.get(thread.get_absolute_url()).content.decode()
    address = f"/files/{connection.project.slug}/file-1/"
    assert f'<img src="{address}"' in before
    assert "<img" not in after
    assert f'<a href="{address}">cat.png</a>' in after  # which says what became of it


# For programs.


def test_the_api_tells_where_files_are_had(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    thread = name_file(connection, "file-1", name="cat.png")
    brought = name_file(None, "file-lost", project=connection.project)
    slug = connection.project.slug

    answers = [
        client.get(f"/api/v1/threads/{each.short_id}/messages").json()["results"][0]["files"]
        for each in (thread, brought)
    ]

    assert answers == [
        [
            {
                "id": "file-1",
                "name": "cat.png",
                "url": f"/files/{slug}/file-1/",
                "content_url": f"/api/v1/files/{slug}/file-1",
            }
        ],
        [{"id": "file-lost", "name": "", "url": None, "content_url": None}],
    ]
    sent: Any = client.get(answers[0][0]["content_url"])
    assert (sent.getvalue(), sent["Content-Type"]) == (PNG, "image/png")
    assert sent["Content-Disposition"] == 'attachment; filename="cat.png"'


def test_the_api_asks_once_for_the_files_of_a_page(client: Client, connection: Connection) -> None:
    messages = [
        RemoteMessage(f"m{n}", "user", "See", parts=(Part("image", file_id=f"file-{n}"),))
        for n in range(12)
    ]
    stored = archive.store(
        messages, project=connection.project, external_id="c", connection=connection, now=NOW
    )
    path = f"/api/v1/threads/{Thread.objects.get(pk=stored.thread_id).short_id}/messages"
    client.get(path)

    counts = []
    for limit in (1, 10):
        with CaptureQueriesContext(database) as queries:
            assert len(client.get(path, {"limit": limit}).json()["results"]) == limit
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("fault", "said"), [("404", (410, "file_gone")), ("500", (503, "file_busy"))]
)
def test_the_api_says_why_there_is_no_file(
    client: Client,
    server: OpenAIServer,
    connection: Connection,
    fault: str,
    said: tuple[int, str],
) -> None:
    name_file(connection, "file-1")
    server.fail(fault, path="/files/")

    response = client.get(f"/api/v1/files/{connection.project.slug}/file-1")

    assert (response.status_code, response.json()["error"]["code"]) == said
    assert ("Retry-After" in response) == (response.status_code == 503)
    thread = Thread.objects.get()
    (message,) = client.get(f"/api/v1/threads/{thread.short_id}/messages").json()["results"]
    assert (message["files"][0]["url"] is None) == (response.status_code == 410)


def test_the_api_hands_nobody_what_they_may_not_see(
    client: Client, server: OpenAIServer, connection: Connection
) -> None:
    server.add_file("/files/file-1", PNG)
    name_file(connection, "file-1")
    path = f"/api/v1/files/{connection.project.slug}/"
    Project.objects.update(visibility=Project.Visibility.PRIVATE)

    statuses = [client.get(path + name).status_code for name in ("file-1", "file-2")]

    assert (statuses, server.count()) == ([404, 404], 0)
