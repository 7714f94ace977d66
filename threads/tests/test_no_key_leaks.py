"""A day of work with one API key: it is nowhere but in its seal and on the wire."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from projects.models import Connection
from threadhub.tests.logged import everything_logged
from threads import actions, tasks
from threads.models import Job, Thread
from threads.tests.factories import make_project
from threads.tests.openai_server import OpenAIServer, text_item

CANARY = "cAnArY7k3yNobodyMaySee"
KEY = f"sk-proj-{CANARY}-1a2b"

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY) as server:
        server.add_conversation("conv_1", [text_item("msg_1", "user", "Hello")])
        yield server


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the console shows it."""
    with everything_logged() as stream:
        yield stream


def database_text() -> str:
    """Every value of every table, and the queue's tasks and their results unpacked."""
    parts = [str(task.task) for task in apps.get_model("django_q", "OrmQ").objects.all()]
    ended = apps.get_model("django_q", "Task").objects.all()
    parts += [f"{task.args} {task.kwargs} {task.result}" for task in ended]
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the names are ours
            parts.extend(map(str, cursor.fetchall()))
    return "\n".join(parts)


def run_jobs() -> None:
    """Do what a worker would."""
    for job in Job.objects.live():
        if job.kind == Job.Kind.SYNC_THREAD:
            tasks.fetch_thread_task(thread_id=job.parameters["thread_id"], job_id=str(job.pk))
        else:
            tasks.sync_project_task(job_id=str(job.pk))


def test_it_shows_the_key_nowhere_in_a_days_work(
    server: OpenAIServer, log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    project = make_project("Support", visibility="private")
    root = User.objects.create_superuser("root")
    client = Client(raise_request_exception=False)
    client.force_login(root)

    def page(address: str, **posted: object) -> None:
        answer = client.post(address, posted) if posted else client.get(address)
        body = b"".join(answer) if answer.streaming else answer.content
        seen.append(f"{answer.headers} {body.decode()}")

    # The key is entered, wrong fields first; then tested, and used well and badly.
    form = {"project": project.pk, "store": "conversations", "base_url": server.url}
    form |= {"api_key": KEY, "is_enabled": "on", "calls_per_minute": 6_000}
    page(reverse("admin:projects_connection_add"), **form | {"calls_per_minute": "many"})
    page(reverse("admin:projects_connection_add"), **form)
    connection = Connection.objects.get()
    actions.add_thread_ids(project, connection, ["conv_1", "conv_2"], by=root)
    thread = Thread.objects.order_by("pk")[0]
    for fault in ("", "500", "html", "truncated", "dropped", "401"):
        server.heal()
        Connection.objects.update(state=Connection.State.WORKING, paused_until=None)
        if fault:
            server.fail(fault)
        actions.request_sync(thread, by=root, is_full=True)
        run_jobs()
        actions.test_connection(connection, by=root)
    server.heal()
    Connection.objects.update(state=Connection.State.WORKING, paused_until=None)

    # Something of ours breaks with the key in its hands.
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(f"cannot use {Connection.objects.get().open_key()}")

    with monkeypatch.context() as patched:
        patched.setattr("threads.work.reading.sync.sync_batch", broken)
        actions.request_sync(thread, by=root)
        run_jobs()

    # People look at everything, and search for it, too.
    out = tmp_path / "export.jsonl"
    call_command("export_threads", "--project", project.slug, "--format", "jsonl", output=str(out))
    page("/", q="x")
    client.get("/", {"q": KEY})
    lists = ("projects_connection", "threads_job", "threads_syncrun", "monitoring_auditevent")
    addresses = [reverse(f"admin:{model}_changelist") for model in lists]
    addresses += [
        reverse(f"admin:projects_connection_{view}", args=[connection.pk])
        for view in ("change", "history", "delete")
    ]
    addresses += [reverse("admin:threads_job_change", args=[job.pk]) for job in Job.objects.all()]
    addresses += [reverse("admin:monitoring_auditevent_download"), reverse("admin:index")]
    addresses += [thread.get_absolute_url(), "/readyz", "/metrics", "/api/v1/me"]
    for address in addresses:
        page(address)

    assert connection.open_key() == KEY
    assert any(call.headers.get("authorization") == f"Bearer {KEY}" for call in server.calls)
    assert Thread.objects.get(pk=thread.pk).message_count == 1
    assert "cannot use [secret]" in log.getvalue()
    places = {"the database": database_text(), "the log": log.getvalue()}
    places |= {"pages": "\n".join(seen), "an export": out.read_text("utf-8")}
    leaks = [name for name, text in places.items() if CANARY in text]
    assert leaks == []
