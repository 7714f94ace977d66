"""The console's pages for jobs and syncs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from threads.models import Job, SyncRun
from threads.tests.factories import make_connection, make_project

pytestmark = pytest.mark.django_db


def administrator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_it_shows_how_far_a_job_is() -> None:
    client = administrator()
    job = Job.objects.create(
        kind=Job.Kind.EXPORT,
        key="x",
        state="running",
        done_count=30,
        total_count=120,
        phase="Reading",
    )

    state = client.get(reverse("admin:threads_job_state", args=[job.pk]))

    assert state.json() == {
        "is_live": True,
        "percent": 25,
        "progress": "30 of 120",
        "phase": "Reading",
        "state": "Running",
        "kind": "info",
        "error": "",
    }
    assert "no-store" in state["Cache-Control"]


def test_it_cancels_a_job_and_runs_it_again(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = administrator()
    job = Job.objects.create(kind=Job.Kind.SYNC_PROJECT, key="x", project=make_project())

    client.post(reverse("admin:threads_job_cancel", args=[job.pk]))
    cancelled = Job.objects.get().state
    with django_capture_on_commit_callbacks():
        client.post(reverse("admin:threads_job_retry", args=[job.pk]))

    assert cancelled == Job.State.CANCELLED
    assert Job.objects.get().state == Job.State.QUEUED


@pytest.mark.parametrize("route", ["cancel", "retry"])
def test_it_changes_no_job_by_a_link(route: str) -> None:
    client = administrator()
    job = Job.objects.create(kind=Job.Kind.EXPORT, key="x")

    answer = client.get(reverse(f"admin:threads_job_{route}", args=[job.pk]))

    assert answer.status_code == 405


@pytest.mark.parametrize("model", ["job", "syncrun", "assistant", "message"])
def test_it_lets_nobody_write_into_a_log(model: str) -> None:
    client = administrator()

    answer = client.get(reverse(f"admin:threads_{model}_add"))

    assert answer.status_code == 403


def test_it_lists_syncs_and_jobs_with_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = administrator()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(10):
        project = make_project(f"Project {number}")
        Job.objects.create(kind=Job.Kind.EXPORT, key=str(number), project=project)
        SyncRun.objects.create(
            project=project,
            connection=make_connection(project),
            trigger="manual",
            started_at=start + timedelta(hours=number),
        )

    # Both: session, user; the filter's projects; the count for the pages; the page
    for model in ("syncrun", "job"):
        with django_assert_num_queries(5):
            client.get(reverse(f"admin:threads_{model}_changelist"))
