"""Where threads and the API name files: shown, linked, or said to be gone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from projects.models import Connection, Project
from threads import archive, sync
from threads.attachments import keep_file
from threads.models import SyncRun, Thread
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.files import PNG, get, name_file
from threads.tests.openai_server import OpenAIServer, thread_message

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


@pytest.fixture
def connection(server: OpenAIServer) -> Connection:
    return make_connection(base_url=server.url)


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
