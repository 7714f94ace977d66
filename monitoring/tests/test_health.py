"""Load balancers hear whether this installation is fit to serve, and why not."""

from __future__ import annotations

import base64
import os
import shutil
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from monitoring import health
from projects.models import Connection, Project

OTHER_KEY = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def _all_is_well(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "worker_count", lambda: 2)


def test_it_answers_that_the_process_lives_without_asking_the_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    with django_assert_num_queries(0):  # a database that is away must not kill the process
        response = client.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.usefixtures("_all_is_well")
def test_it_is_ready_when_all_is_well(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200, response.json()
    assert response.json()["status"] == "ready"
    assert {check["ok"] for check in response.json()["checks"].values()} == {True}
    assert set(response.json()["checks"]) == set(health.QUESTIONS)


@pytest.mark.django_db
def test_it_is_not_ready_without_a_worker(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert "qcluster" in response.json()["checks"]["worker"]["message"]


@pytest.mark.usefixtures("_all_is_well")
@pytest.mark.parametrize("key_is_lost", [True, False])
def test_it_opens_a_stored_key(client: Client, settings: Settings, *, key_is_lost: bool) -> None:
    project = Project.objects.create(name="P", slug="p")
    row = Connection(project=project)
    row.set_key("sk-test-0123456789abcdef")
    row.save()
    if key_is_lost:
        settings.THREADHUB_ENCRYPTION_KEYS = OTHER_KEY

    response = client.get("/readyz")

    assert response.status_code == (503 if key_is_lost else 200)
    assert response.json()["checks"]["keys"]["ok"] is not key_is_lost
    assert row.sealed_key not in response.content.decode()


@pytest.mark.usefixtures("_all_is_well")
def test_it_is_not_ready_when_the_disk_is_nearly_full(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=50 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "50 MB" in response.json()["checks"]["disk"]["message"]


@pytest.mark.usefixtures("_all_is_well")
def test_it_is_not_ready_with_migrations_pending(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "pending_migrations", lambda: 3)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["migrations"]["message"].startswith("3 migrations")


@pytest.mark.usefixtures("_all_is_well")
def test_it_answers_even_when_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise ConnectionError("postgres://user:secret@host is away")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["database"]["ok"] is False
    assert "secret" not in response.content.decode()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_only_answers_questions(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
