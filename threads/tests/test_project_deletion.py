"""A project goes in the background, after its name was typed, and never while it is held."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from projects.models import Connection, Project
from threads import actions, tasks
from threads.models import Job, Message, Thread
from threads.search import setup
from threads.tests.factories import make_connection, make_conversation, make_project, make_thread
from threads.work import slices

pytestmark = pytest.mark.django_db


def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def address(project: Project) -> str:
    return reverse("admin:threads_project_delete", args=[project.pk])


def test_it_asks_for_the_short_name_and_deletes_everything() -> None:
    project, other = make_project("Old"), make_project("Kept")
    make_conversation("a", "b", project=project)
    make_connection(project)
    kept = make_conversation("c", project=other)
    client = admin()

    page = client.get(reverse("admin:projects_project_delete", args=[project.pk]), follow=True)
    refused = client.post(address(project), {"typed": "wrong"})
    client.post(address(project), {"typed": "old"})
    job = Job.objects.get()
    is_off = not Connection.objects.get().is_enabled
    said = tasks.delete_project_task(job_id=str(job.pk))
    job.refresh_from_db()

    assert "Type <code>old</code>" in page.content.decode()
    assert refused.status_code == 200
    assert is_off
    assert said == "The project Old is deleted."
    assert (job.state, job.percent) == (Job.State.DONE, 100)
    assert list(Project.objects.all()) == [other]
    assert list(Message.objects.values_list("thread_id", flat=True)) == [kept.pk]
    assert setup.problems() == []


@pytest.mark.parametrize("what", ["project", "thread"])
def test_it_refuses_what_is_on_hold(what: str) -> None:
    project = make_project("Old", is_held=what == "project")
    make_thread(project, is_held=what == "thread")

    page = admin().get(address(project)).content.decode()
    with pytest.raises(actions.Refused):
        actions.request_project_deletion(project, by=None, typed="old")

    assert "id_typed" not in page
    assert not Job.objects.exists()


def test_it_stops_for_a_hold_that_came_after_the_click() -> None:
    project = make_project("Old")
    thread = make_thread(project)
    job = actions.request_project_deletion(project, by=None, typed="old")
    Thread.objects.filter(pk=thread.pk).update(is_held=True)

    tasks.delete_project_task(job_id=str(job.pk))
    job.refresh_from_db()

    assert job.state == Job.State.FAILED
    assert "legal hold" in job.error
    assert Thread.objects.get().trashed_at is None


def test_it_goes_on_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(slices, "ADVANCE_SECONDS", 0.0)
    monkeypatch.setattr("threads.archive.deletion.THREADS", 1)
    project = make_project("Old")
    for _number in range(3):
        make_conversation("a", project=project)
    job = actions.request_project_deletion(project, by=None, typed="old")

    first = tasks.delete_project_task(job_id=str(job.pk))
    job.refresh_from_db()
    progress = (job.state, job.done_count, job.total_count)
    for _slice in range(3):
        tasks.delete_project_task(job_id=str(job.pk))
    job.refresh_from_db()

    assert first == "1 of 3 done; it goes on."
    assert progress == (Job.State.QUEUED, 1, 3)
    assert job.state == Job.State.DONE
    assert not Project.objects.exists()


def test_it_belongs_to_owners_only() -> None:
    project = make_project("Old", visibility="public")
    stranger = Client()
    stranger.force_login(User.objects.create_user("olivia", is_staff=True))

    answers = [
        stranger.post(address(project), {"typed": "old"}),
        stranger.post(reverse("admin:threads_project_sync", args=[project.pk])),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert not Job.objects.exists()


def test_it_syncs_a_project_with_one_click() -> None:
    connection = make_connection(make_project("Live"))
    bare = make_project("Bare")
    client = admin()

    page = client.get(reverse("admin:projects_project_change", args=[connection.project_id]))
    client.post(reverse("admin:threads_project_sync", args=[connection.project_id]))
    told = client.post(reverse("admin:threads_project_sync", args=[bare.pk]), follow=True)

    assert "Sync this project" in page.content.decode()
    assert Job.objects.get().kind == Job.Kind.SYNC_PROJECT
    assert "no connection" in told.content.decode()
    assert Job.objects.get().queued_at <= timezone.now()
