"""What is on legal hold stays, whichever way somebody tries to delete it. All ways are here."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.tasks import prune_expired
from projects.models import Project
from threads import actions, tasks
from threads.archive import ListAction, Listing
from threads.archive.deletion import delete_threads
from threads.archive.listed import Refusal, apply
from threads.imports.base import ListedThread, Place
from threads.models import Job, SubjectRequest, Thread
from threads.tests.factories import make_conversation, make_project
from threads.work.erasing import Ended, erase_one

pytestmark = pytest.mark.django_db

OLD = timezone.now() - timedelta(days=900)


def root() -> User:
    user = User.objects.filter(username="root").first()
    return user or User.objects.create_superuser("root")


def console(address: str, **form: object) -> None:
    client = Client()
    client.force_login(root())
    client.post(address, form)


def run_jobs() -> None:
    for job in Job.objects.live():
        getattr(tasks, f"{job.kind}_task")(job_id=str(job.pk))


def by_retention(_thread: Thread) -> None:
    Project.objects.update(retention_days=1)
    call_command("prune", verbosity=0)
    prune_expired()


def by_age_in_the_trash(thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).update(trashed_at=OLD)
    prune_expired()
    Thread.objects.filter(pk=thread.pk).update(trashed_at=None)


def by_the_trash(thread: Thread) -> None:
    actions.change_chosen(Thread.objects.filter(pk=thread.pk), actions.Change.TRASH, by=None)


def by_a_list_of_ids(thread: Thread) -> None:
    item = ListedThread(Place(1, 0), thread.external_id)
    with pytest.raises(Refusal):
        apply(item, Listing(ListAction.DELETE), project=thread.project, now=timezone.now())


def by_hand(thread: Thread) -> None:
    chosen = Thread.objects.filter(pk=thread.pk)
    for erases_upstream in (False, True):
        with pytest.raises(actions.Refused):
            actions.request_thread_deletion(
                chosen, by=None, typed="1", erases_upstream=erases_upstream
            )


def by_a_job_that_was_queued_before(thread: Thread) -> None:
    for erases_upstream in (False, True):
        actions.queue_job(
            Job.Kind.DELETE_THREADS,
            f"{thread.pk}:{erases_upstream}",
            by=None,
            parameters={"thread_ids": [thread.pk], "erases_upstream": erases_upstream},
        )
    run_jobs()


def by_a_step_of_one(thread: Thread) -> None:
    fresh = Thread.objects.select_related("project", "connection").get(pk=thread.pk)
    erase_one(fresh, None, Ended(), by=None)
    delete_threads([thread.pk], now=timezone.now())


def by_a_data_request(thread: Thread) -> None:
    case = SubjectRequest(reference="Case", user_ids="u-17")
    actions.open_subject_request(case, Project.objects.all(), by=root())
    run_jobs()
    actions.request_erasure(case, by=root(), typed="Case", erases_upstream=True)
    run_jobs()


def by_its_project(thread: Thread) -> None:
    with pytest.raises(actions.Refused):
        actions.request_project_deletion(thread.project, by=None, typed=thread.project.slug)
    actions.queue_job(
        Job.Kind.DELETE_PROJECT,
        f"project:{thread.project_id}",
        by=None,
        parameters={"project_id": thread.project_id, "name": "x"},
    )
    run_jobs()


def by_the_console(thread: Thread) -> None:
    chosen = {"_selected_action": [thread.project_id], "action": "delete_selected", "post": "yes"}
    console(reverse("admin:projects_project_changelist"), **chosen)
    console(reverse("admin:projects_project_delete", args=[thread.project_id]), post="yes")
    console(reverse("admin:threads_thread_delete", args=[thread.pk]), post="yes")
    chosen = {"_selected_action": [thread.pk], "action": "delete_selected", "post": "yes"}
    console(reverse("admin:threads_thread_changelist"), **chosen)


def by_the_sample(thread: Thread) -> None:
    Project.objects.update(is_sample=True)
    with pytest.raises(actions.Refused):
        actions.remove_sample()
    console(reverse("admin:sample_remove"))


WAYS: list[Callable[[Thread], None]] = [
    *(by_retention, by_age_in_the_trash, by_the_trash, by_a_list_of_ids, by_hand),
    *(by_a_job_that_was_queued_before, by_a_step_of_one, by_a_data_request),
    *(by_its_project, by_the_console, by_the_sample),
]


@pytest.mark.parametrize("on", ["thread", "project"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_it_keeps_what_is_on_hold(way: Callable[[Thread], None], on: str, tmp_path: Path) -> None:
    project = make_project(is_held=on == "project")
    thread = make_conversation(
        "Hello",
        project=project,
        end_user="u-17",
        is_held=on == "thread",
        last_message_timestamp=OLD,
        created_at=OLD,
    )

    way(thread)

    kept = Thread.objects.get(pk=thread.pk)
    assert kept.trashed_at is None
    assert kept.messages.count() == 1
    assert Project.objects.filter(pk=project.pk).exists()


# Where rows of threads, messages or projects are deleted; each is one of the ways above. A new
# place belongs there first.
_KNOWN = {
    "threads/archive/deletion.py",  # looks at holds in each transaction
    "threads/work/removal.py",  # a project, once delete_threads held nothing back
    "threads/actions/sample.py",  # refuses what is held
}
_DELETION = re.compile(
    r"(Thread|Message|Project)\.objects\b[^\n]*\.delete\(\)|\b(thread|project)s?\.delete\(\)"
    r"|_raw_delete|DELETE FROM threads_(thread|message)\b"
)


def test_it_knows_every_place_that_deletes() -> None:
    found = set()
    for folder in ("threads", "projects", "monitoring", "threadhub"):
        for path in Path(settings.BASE_DIR, folder).rglob("*.py"):
            name = path.relative_to(settings.BASE_DIR).as_posix()
            is_ours = "/tests/" not in name and "/migrations/" not in name
            if is_ours and _DELETION.search(path.read_text(encoding="utf-8")):
                found.add(name)

    assert found == _KNOWN
