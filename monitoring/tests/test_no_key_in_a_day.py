"""After a whole day, an API key and a password are nowhere: no page, row, task, log line or file.

`threads/tests/test_no_key_leaks.py` lets syncs fail in every way; `test_no_secret_leaks.py` has the
secrets of accounts.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection as database
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from monitoring.tests.day import CANARY, KEY, Day, begin
from monitoring.tests.steps import STEPS, deletes_a_project, logs_out
from projects.models import Connection
from threadhub.tests.logged import everything_logged
from threads import actions, tasks
from threads.models import Job
from threads.tests.test_no_key_leaks import database_text

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]  # some 500 requests

API = ("me", "projects", "threads?q=refund", "facets?q=refund", "suggestions?q=p", "openapi.json")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the console shows it."""
    with everything_logged() as stream:
        yield stream


def fails_with_the_key_in_hand(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something of ours breaks: in a page, in a job, and in a task of the queue."""

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(f"cannot use {Connection.objects.get().open_key()}")

    with monkeypatch.context() as patched:
        patched.setattr("threads.work.reading.sync.sync_batch", broken)
        actions.request_project_sync(day.project, by=day.root)
        day.work()
        patched.setattr("threads.actions.test_connection", broken)
        chosen = {"action": "test_selected", "_selected_action": [day.connection.pk]}
        day.client.raise_request_exception = False
        day.client.post(reverse("admin:projects_connection_changelist"), chosen)
        day.client.raise_request_exception = True
    now = timezone.now()
    apps.get_model("django_q", "Task").objects.create(
        id="0" * 32,
        name="lost",
        func=f"{tasks.__name__}.refresh_due_threads",
        result=f"cannot use {KEY} : Traceback: cannot use {KEY}",
        started=now,
        stopped=now,
        success=False,
    )


def looks_at_everything(day: Day) -> None:
    """Open every list of the console and the first row of each with its history; and the API."""
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        day.client.get(reverse(f"{base}_changelist"), follow=True)
        for pk in model._default_manager.order_by("-pk").values_list("pk", flat=True)[:30]:
            for view in ("change", "history"):
                day.client.get(reverse(f"{base}_{view}", args=[pk]), follow=True)
    for address in ("/admin/", "/readyz", "/metrics", "/exports/", "/account/", "/account/tokens/"):
        day.client.get(address)
    for address in API:
        day.client.get(f"/api/v1/{address}")


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file that the day has left, and what is in the archives among them."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((name, archive.read(name)) for name in archive.namelist())


def test_it_shows_the_key_nowhere_after_a_whole_day(
    tmp_path: Path, settings: Settings, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_key = ""
    with begin(tmp_path, settings) as day:
        for step in STEPS:
            if step is deletes_a_project:
                fails_with_the_key_in_hand(day, monkeypatch)
                looks_at_everything(day)
                kept_key = Connection.objects.get(pk=day.connection.pk).open_key()
                if database.vendor == "sqlite":  # what a backup is, pages that are free included
                    (tmp_path / "copy.sqlite3").write_bytes(database.connection.serialize())
            if step is logs_out:
                looks_at_everything(day)
            step(day)
        sent = {str(call.headers.get("authorization")) for call in day.server.calls}
        pages = "\n".join(day.client.seen)
    files = dict(files_in(tmp_path))

    assert (kept_key, f"Bearer {KEY}" in sent) == (KEY, True)
    assert "cannot use [secret]" in log.getvalue()
    assert "cannot use [secret]" in pages
    assert len(day.client.seen) > 150
    assert {"out.jsonl", "threads.jsonl", "manifest.json"} <= set(files)
    assert Job.objects.exists()
    places = {"the database": database_text(), "the log": log.getvalue(), "pages": pages}
    leaks = [name for name, text in places.items() if CANARY in text]
    leaks += [name for name, content in files.items() if CANARY.encode() in content]
    assert leaks == []
