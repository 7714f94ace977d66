"""Exports in the background: made once, stopped, kept for whoever asked, and removed in time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from monitoring.tasks import prune_expired
from projects.models import Project
from threads import actions, tasks
from threads.exports import ExportOrder, order
from threads.exports.kept import KEPT, export_path
from threads.models import Job
from threads.tests.exporting import content_of, make_sourced, sign_in
from threads.tests.factories import make_project
from threads.work import exporting, slices

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


def run_in_background(
    client: Client, capture: DjangoCaptureOnCommitCallbacks, monkeypatch: pytest.MonkeyPatch
) -> tuple[Job, str]:
    monkeypatch.setattr(order, "AT_ONCE_MESSAGES", 1)
    with capture():  # the queue's task is run by hand below
        response = client.post("/exports/new/", {"q": "refund", "form": "md", "zipped": "on"})
    job = Job.objects.get()
    assert response["Location"] == f"/exports/{job.pk}/"
    sentence = tasks.run_export_task(job_id=str(job.pk))
    job.refresh_from_db()
    return job, sentence


def test_it_makes_a_large_export_in_the_background(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(client)
    make_sourced("refund", "yes", title="A")
    make_sourced("refund", "no", title="B")

    job, sentence = run_in_background(client, django_capture_on_commit_callbacks, monkeypatch)

    assert sentence == "2 threads with 4 messages exported."
    assert (job.state, job.done_count, job.total_count) == ("done", 2, 2)
    page = client.get(f"/exports/{job.pk}/")
    assert job.result["sha256"].encode() in page.content
    file = content_of(client.get(f"/exports/{job.pk}/file/"))
    assert sorted(zipfile.ZipFile(io.BytesIO(file)).namelist()) == ["A.md", "B.md", "manifest.json"]
    assert f"/exports/{job.pk}/".encode() in client.get("/exports/").content


def test_it_gives_the_file_to_nobody_else(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(client)
    make_sourced("refund", "yes")
    job, _ = run_in_background(client, django_capture_on_commit_callbacks, monkeypatch)

    other = Client()
    other.force_login(User.objects.create_superuser("root"))

    for stranger in (other, Client()):
        for address in (f"/exports/{job.pk}/", f"/exports/{job.pk}/file/"):
            assert stranger.get(address).status_code == 404


def test_it_exports_what_the_person_may_see_when_it_is_made(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = sign_in(client)
    project = make_project(visibility=Project.Visibility.MEMBERS)
    project.members.add(user)
    make_sourced("refund", "yes", project=project)
    with django_capture_on_commit_callbacks():
        job = actions.request_export(ExportOrder(form="csv", query="refund"), by=user)
    project.members.remove(user)

    sentence = tasks.run_export_task(job_id=str(job.pk))

    assert "nothing to export" in sentence
    assert not export_path(job.pk).exists()


def test_it_stops_when_it_is_cancelled(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = sign_in(client)
    make_sourced("refund", "yes")
    monkeypatch.setattr(slices, "ADVANCE_SECONDS", 0.0)
    with django_capture_on_commit_callbacks():
        job = actions.request_export(ExportOrder(form="csv", query="refund"), by=user)

    def cancel_then_make(*args: Any, **kwargs: Any) -> Any:
        actions.cancel_job(job, by=user)
        return order.make(*args, **kwargs)

    monkeypatch.setattr(exporting, "make", cancel_then_make)
    tasks.run_export_task(job_id=str(job.pk))

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert not export_path(job.pk).exists()


def test_it_says_when_many_pdfs_take_too_long(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = sign_in(client)
    make_sourced("refund", "yes")
    make_sourced("refund", "no")
    monkeypatch.setattr(exporting, "PDF_SECONDS", 0.0)
    with django_capture_on_commit_callbacks():
        asked = ExportOrder(form="pdf", query="refund", zipped=True)
        job = actions.request_export(asked, by=user)

    sentence = tasks.run_export_task(job_id=str(job.pk))

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "Choose fewer threads, or Markdown" in sentence
    assert not export_path(job.pk).exists()


def test_it_queues_the_same_export_once(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = sign_in(client)

    with django_capture_on_commit_callbacks():
        first = actions.request_export(ExportOrder(form="csv", query="refund"), by=user)
        second = actions.request_export(ExportOrder(form="csv", query="refund"), by=user)
        third = actions.request_export(ExportOrder(form="md", query="refund"), by=user)

    assert first.pk == second.pk != third.pk


def test_it_removes_files_and_jobs_when_they_expire(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(client)
    make_sourced("refund", "yes")
    job, _ = run_in_background(client, django_capture_on_commit_callbacks, monkeypatch)
    prune_expired()
    assert export_path(job.pk).exists()
    assert job.finished_at is not None
    Job.objects.update(finished_at=job.finished_at - KEPT)

    prune_expired()

    assert not export_path(job.pk).exists()
    assert not Job.objects.exists()


def test_it_says_when_the_file_is_gone(
    client: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(client)
    make_sourced("refund", "yes")
    job, _ = run_in_background(client, django_capture_on_commit_callbacks, monkeypatch)
    export_path(job.pk).unlink()

    response = client.get(f"/exports/{job.pk}/file/", follow=True)

    assert b"no longer there" in response.content
    assert b"/exports/new/?q=refund" in response.content
    assert f"/exports/{job.pk}/file/" not in response.content.decode()


def test_it_stays_on_its_page_when_it_is_stopped_and_started_again(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = sign_in(client)
    with django_capture_on_commit_callbacks():
        job = actions.request_export(ExportOrder(form="csv", query="refund"), by=user)

    stopped = client.post(f"/jobs/{job.pk}/cancel/")
    started = client.post(f"/jobs/{job.pk}/retry/")

    assert stopped["Location"] == f"/exports/{job.pk}/"
    assert started["Location"] == f"/exports/{Job.objects.latest('queued_at').pk}/"
