"""The console's page for connections: a key goes in and never comes out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from projects.models import Connection, Project
from threadhub.lib import audit
from threads.tests.factories import make_project
from threads.tests.openai_server import KEY, OpenAIServer

pytestmark = pytest.mark.django_db

SECRET = "sk-canary-7f3e9d2c5b8a1a2b"


def make_connection(project: Project | None = None, *, key: str = SECRET) -> Connection:
    connection = Connection(project=project or make_project(), name="Main")
    connection.set_key(key)
    connection.save()
    return connection


def owner_of(*projects: Project) -> Client:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    client = Client()
    client.force_login(user)
    return client


def form_of(project: Project, **fields: object) -> dict[str, object]:
    return {
        "project": project.pk,
        "name": "Main",
        "store": "conversations",
        "is_enabled": "on",
        "calls_per_minute": 60,
        **fields,
    }


def change(connection: Connection) -> str:
    return reverse("admin:projects_connection_change", args=[connection.pk])


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What the audit log is told."""
    told: list[dict[str, Any]] = []

    def note(**event: Any) -> None:
        told.append(event)

    audit.recorded.connect(note)
    yield told
    audit.recorded.disconnect(note)


def test_it_seals_the_key_and_shows_its_ending_only(
    caplog: pytest.LogCaptureFixture, events: list[dict[str, Any]]
) -> None:
    caplog.set_level(logging.DEBUG)
    project = make_project()
    client = owner_of(project)

    client.post(reverse("admin:projects_connection_add"), form_of(project, api_key=SECRET))
    connection = Connection.objects.get()
    pages = [
        client.get(change(connection)),
        client.get(reverse("admin:projects_connection_changelist")),
        client.get(reverse("admin:projects_connection_history", args=[connection.pk])),
        client.get(reverse("admin:projects_connection_delete", args=[connection.pk])),
    ]

    assert connection.open_key() == SECRET
    assert "ends with …1a2b" in pages[0].content.decode()
    seen = "".join(page.content.decode() for page in pages)
    kept = f"{list(LogEntry.objects.values_list())}{events}"
    assert LogEntry.objects.count() == 1
    assert {"connection.add", "connection.key"} <= {event["action"] for event in events}
    for text in (seen, kept, repr(connection), str(connection), caplog.text):
        assert "canary" not in text
        assert connection.sealed_key not in text


def test_it_does_not_show_a_key_that_it_refuses() -> None:
    project = make_project()
    wrong = f"{SECRET} with words"

    answer = owner_of(project).post(
        reverse("admin:projects_connection_add"), form_of(project, api_key=wrong)
    )

    assert "no spaces" in answer.content.decode()
    assert "canary" not in answer.content.decode()
    assert not Connection.objects.exists()


def test_it_keeps_the_key_when_the_field_is_left_empty(events: list[dict[str, Any]]) -> None:
    connection = make_connection()

    owner_of(connection.project).post(
        change(connection), form_of(connection.project, name="Other", api_key="")
    )

    connection.refresh_from_db()
    assert connection.name == "Other"
    assert connection.open_key() == SECRET
    assert "connection.key" not in {event["action"] for event in events}


def test_it_takes_a_key_away_when_asked() -> None:
    connection = make_connection()

    owner_of(connection.project).post(
        change(connection), form_of(connection.project, removes_key="on")
    )

    connection.refresh_from_db()
    assert not connection.has_key
    assert connection.key_ending == ""


def test_it_tells_the_audit_log_that_a_key_was_changed(events: list[dict[str, Any]]) -> None:
    connection = make_connection()

    owner_of(connection.project).post(
        change(connection), form_of(connection.project, api_key="sk-another-000000000-9z9z")
    )

    (event,) = [event for event in events if event["action"] == "connection.key"]
    assert event["project_id"] == connection.project_id
    assert event["details"] == {"is_set": True, "ends_with": "9z9z"}


def test_it_leaves_alone_what_the_worker_writes_meanwhile() -> None:
    connection = make_connection()
    client = owner_of(connection.project)

    def sync(**_: object) -> None:
        Connection.objects.filter(pk=connection.pk).update(state="working", list_cursor="c9")

    pre_save.connect(sync, sender=Connection)
    client.post(change(connection), form_of(connection.project, name="Other"))
    pre_save.disconnect(sync, sender=Connection)

    connection.refresh_from_db()
    assert (connection.name, connection.state, connection.list_cursor) == ("Other", "working", "c9")


def test_it_wants_a_test_after_another_address() -> None:
    connection = make_connection()
    Connection.objects.filter(pk=connection.pk).update(state="denied", state_reason="No.")

    owner_of(connection.project).post(
        change(connection), form_of(connection.project, base_url="http://127.0.0.1:9/v1")
    )

    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == ("untested", "")


def test_it_warns_when_the_same_key_is_used_twice() -> None:
    own, second = make_project("Blue whale"), make_project("Green tree")
    make_connection(own)
    client = owner_of(own, second)

    answer = client.post(
        reverse("admin:projects_connection_add"), form_of(second, api_key=SECRET), follow=True
    )

    assert "The same key is used by: Main (Blue whale)" in answer.content.decode()


def test_it_does_not_tell_an_owner_whose_else_key_it_is() -> None:
    own, strange = make_project("Blue whale"), make_project("Secret heron")
    make_connection(strange)

    answer = owner_of(own).post(
        reverse("admin:projects_connection_add"), form_of(own, api_key=SECRET), follow=True
    )

    assert "The same key" not in answer.content.decode()


@pytest.mark.parametrize("button", ["_save", "_continue"])
def test_it_warns_of_the_same_key_once(button: str) -> None:
    own = make_project()
    make_connection(own)

    answer = owner_of(own).post(
        reverse("admin:projects_connection_add"),
        form_of(own, name="Other", api_key=SECRET) | {button: "Save"},
        follow=True,
    )

    assert answer.content.decode().count("The same key is used by") == 1
    assert "Secret heron" not in answer.content.decode()


def test_it_saves_and_tests_with_one_button() -> None:
    connection = make_connection(key=KEY)
    client = owner_of(connection.project)

    with OpenAIServer() as server:
        server.add_conversation("conv_1")
        works = client.post(
            change(connection),
            form_of(connection.project, base_url=server.url, _test="1"),
            follow=True,
        )
        refused = client.post(
            change(connection),
            form_of(connection.project, base_url=server.url, api_key=SECRET, _test="1"),
            follow=True,
        )

    assert 'class="success"' in works.content.decode()
    assert "The key and the address work." in works.content.decode()
    assert 'class="error"' in refused.content.decode()
    assert "Key refused" in refused.content.decode()
    assert "canary" not in refused.content.decode()


@pytest.mark.parametrize("route", ["change", "history", "delete"])
def test_it_shows_no_strange_connection(route: str) -> None:
    own, strange = make_project("Blue whale"), make_connection(make_project("Secret heron"))
    client = owner_of(own)

    answer = client.get(
        reverse(f"admin:projects_connection_{route}", args=[strange.pk]), follow=True
    )
    listed = client.get(reverse("admin:projects_connection_changelist"))

    for page in (answer.content.decode(), listed.content.decode()):
        assert "Secret heron" not in page
        assert "…1a2b" not in page


def test_it_does_not_move_a_connection_into_a_strange_project() -> None:
    connection, strange = make_connection(), make_project("Secret heron")

    answer = owner_of(connection.project).post(change(connection), form_of(strange))

    connection.refresh_from_db()
    assert connection.project_id != strange.pk
    assert "Secret heron" not in answer.content.decode()


def test_it_says_at_the_field_that_no_master_key_is_set(settings: object) -> None:
    settings.THREADHUB_ENCRYPTION_KEYS = ""  # type: ignore[attr-defined]
    project = make_project()

    answer = owner_of(project).post(
        reverse("admin:projects_connection_add"), form_of(project, api_key=SECRET)
    )

    assert "No master key is set" in answer.content.decode()
    assert not Connection.objects.exists()
