"""Imports in the console: look first, then import; the report stays and can be taken along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from projects.models import Connection, Project
from threads import actions
from threads.models import Job, Thread
from threads.tasks import run_import_task
from threads.tests.factories import make_project, make_thread
from threads.work.importing import import_path

pytestmark = pytest.mark.django_db
LINES = [
    {"id": "conv_1", "title": "=cmd()", "messages": [{"role": "user", "content": "Hello"}]},
    {"id": "conv_2", "messages": "none"},
]


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


@pytest.fixture
def project() -> Project:
    return make_project()


def owner_of(*projects: Project, name: str = "olivia") -> Client:
    user = User.objects.create_user(name, is_staff=True)
    for project in projects:
        project.owners.add(user)
    client = Client()
    client.force_login(user)
    return client


def upload(client: Client, project: Project, content: bytes | None = None, **fields: Any) -> Any:
    text = content or "\n".join(map(json.dumps, LINES)).encode()
    given = {"project": project.pk, "format": "auto", "list_action": "add", **fields}
    given["file"] = SimpleUploadedFile("talks.jsonl", text)
    return client.post(reverse("admin:threads_import"), given)


def rehearse(client: Client, project: Project, **fields: Any) -> Job:
    upload(client, project, **fields)
    job = Job.objects.get()
    run_import_task(job_id=str(job.pk))
    job.refresh_from_db()
    return job


def page(client: Client, job: Job) -> str:
    return client.get(reverse("admin:threads_job_change", args=[job.pk])).content.decode()


def confirm(client: Client, job: Job) -> Any:
    return client.post(reverse("admin:threads_import_run", args=[job.pk]), follow=True)


def test_it_shows_what_a_file_would_do_and_changes_nothing(project: Project) -> None:
    client = owner_of(project)

    job = rehearse(client, project)

    html = page(client, job)
    assert "What the import would do" in html
    assert "Threads: 1 added" in html
    assert "There is no list of messages." in html
    assert "Import now" in html
    assert "problem_count" not in html  # the same once more, as JSON
    assert not Thread.objects.exists()
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING)
    assert "What the import would do" not in page(client, job)  # numbers of a moment ago


def test_it_imports_once_when_told_to(project: Project) -> None:
    client = owner_of(project)
    rehearsal = rehearse(client, project)

    confirm(client, rehearsal)
    job = Job.objects.exclude(pk=rehearsal.pk).get()
    run_import_task(job_id=str(job.pk))
    again = confirm(client, rehearsal)

    assert Thread.objects.get().external_id == "conv_1"
    assert "What the import did" in page(client, job)
    assert "Import now" not in page(client, rehearsal)
    assert "The file is not here any more" in again.content.decode()
    assert not import_path(job.pk).exists()
    assert Job.objects.count() == 2


def test_its_report_can_be_taken_along(project: Project) -> None:
    client = owner_of(project)
    job = rehearse(client, project)

    as_csv = client.get(reverse("admin:threads_import_report", args=[job.pk, "csv"]))
    as_json = client.get(reverse("admin:threads_import_report", args=[job.pk, "json"]))

    assert as_csv.content.decode("utf-8-sig").splitlines() == [
        '"line","outcome","thread or reason","title"',
        '"1","new","conv_1","\'=cmd()"',
        '"2","refused","There is no list of messages.",""',
    ]
    assert as_json.json()["threads_new"] == 1


def test_it_is_for_those_who_manage_the_project(project: Project) -> None:
    stranger = owner_of(make_project("Other"), name="sam")
    job = rehearse(owner_of(project), project)

    refused = upload(stranger, project)
    visitor = Client().get(reverse("admin:threads_import"))

    assert "Select a valid choice" in refused.content.decode()
    assert visitor.status_code == 302
    assert confirm(stranger, job).status_code == 404
    report = reverse("admin:threads_import_report", args=[job.pk, "json"])
    assert stranger.get(report).status_code == 404
    assert Job.objects.count() == 1


def test_it_puts_the_threads_of_a_list_into_the_trash(project: Project) -> None:
    make_thread(project, external_id="thread_1")
    client = owner_of(project)

    rehearsal = rehearse(client, project, content=b"thread_1\n", list_action="delete")
    before = Thread.objects.get().trashed_at
    confirm(client, rehearsal)
    run_import_task(job_id=str(Job.objects.exclude(pk=rehearsal.pk).get().pk))

    assert before is None
    assert Thread.objects.get().trashed_at is not None


def test_it_refuses_another_projects_connection(project: Project) -> None:
    other = make_project("Other")
    connection = Connection.objects.create(project=other)

    answer = upload(owner_of(project, other), project, connection=connection.pk)

    assert "belongs to another project" in answer.content.decode()
    assert not Job.objects.exists()


def test_it_says_what_is_wrong_with_a_file_by_the_name_that_people_know(project: Project) -> None:
    client = owner_of(project)

    job = rehearse(client, project, content=b"%PDF-1.7")

    assert job.state == Job.State.FAILED
    assert job.error == "talks.jsonl cannot be imported: it is a PDF."
    assert "Run again" not in page(client, job)  # the file is gone


def test_it_offers_no_import_that_would_change_nothing(project: Project) -> None:
    client = owner_of(project)
    confirm(client, rehearse(client, project))
    first = Job.objects.order_by("queued_at").last()
    assert first is not None
    run_import_task(job_id=str(first.pk))

    upload(client, project)
    again = Job.objects.order_by("queued_at").last()
    assert again is not None
    run_import_task(job_id=str(again.pk))
    again.refresh_from_db()

    html = page(client, again)
    assert "0 added, 0 changed, 1 skipped" in html
    assert "Import now" not in html


def test_it_tells_how_much_of_the_file_is_read(project: Project) -> None:
    client = owner_of(project)

    job = rehearse(client, project, content=b"{}\n" * 500_000)

    assert "1.4\xa0MB of 1.4\xa0MB" in page(client, job)


def test_it_goes_on_where_a_cancelled_import_stopped(project: Project) -> None:
    client = owner_of(project)
    rehearsal = rehearse(client, project)
    confirm(client, rehearsal)
    job = Job.objects.exclude(pk=rehearsal.pk).get()
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
    run_import_task(job_id=str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED

    actions.retry_job(job, by=None)
    run_import_task(job_id=str(job.pk))

    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert Thread.objects.count() == 1


def test_it_forgets_files_that_nobody_came_back_for(project: Project) -> None:
    job = rehearse(owner_of(project), project)
    soon = timezone.now() + actions.imports.KEEP_UPLOADS / 2
    later = timezone.now() + actions.imports.KEEP_UPLOADS * 2

    kept, forgotten = actions.forget_uploads(now=soon), actions.forget_uploads(now=later)

    assert (kept, forgotten) == (0, 1)
    assert not import_path(job.pk).exists()
