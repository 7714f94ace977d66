"""The console's pages for the queue: why tasks failed, and how they are run again, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from monitoring.models import AuditEvent
from threadhub.lib.cluster import queue_length
from threadhub.lib.queue import Failure, Schedule, Success
from threadhub.lib.tasks import queue_again

pytestmark = pytest.mark.django_db

FAILED = reverse("admin:django_q_failure_changelist")


def make_task(number: int = 1, *, success: bool = False, result: object = None) -> Any:
    now = timezone.now()
    return apps.get_model("django_q", "Task").objects.create(
        id=f"{number:032d}",
        name=f"task-{number}",
        func="monitoring.tasks.collect_system_metrics",
        kwargs={},
        result=result or "disk is full : Traceback (most recent call last): …",
        started=now - timedelta(seconds=3),
        stopped=now,
        success=success,
        attempt_count=1,
    )


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def run_again(client: Client, *tasks: Any) -> Any:
    posted = {"action": "run_again", "_selected_action": [task.pk for task in tasks]}
    return client.post(FAILED, posted, follow=True)


def operator(*permissions: str) -> Client:
    """Somebody who is no administrator and was given these permissions of the queue."""
    user = User.objects.create_user("olivia", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_it_says_why_a_task_failed(client: Client) -> None:
    task = make_task(result="disk is full : Traceback (most recent call last): in write()")

    listed = client.get(FAILED).content.decode()
    page = client.get(reverse("admin:django_q_failure_change", args=[task.pk])).content.decode()

    assert "disk is full" in listed
    assert "Traceback" not in listed
    assert "in write()" in page


def test_it_queues_a_failed_task_again(client: Client) -> None:
    task, other = make_task(1), make_task(2)

    page = run_again(client, task).content.decode()

    assert "1 task was queued again." in page
    assert queue_length() == 1
    assert [row.pk for row in Failure.objects.all()] == [other.pk]
    event = AuditEvent.objects.get(action="failure.retry")
    assert event.details["function"] == "monitoring.tasks.collect_system_metrics"


def test_it_queues_with_the_same_arguments(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(
        "threadhub.lib.tasks.async_task", lambda *given, **named: queued.append((given, named))
    )
    task = make_task()
    task.args, task.kwargs = (7,), {"job_id": "abc"}
    task.save()

    run_again(client, task)

    assert queued == [((task.func, 7), {"job_id": "abc"})]


def test_it_queues_a_task_once() -> None:
    task = make_task()

    first, second = queue_again(task.pk), queue_again(task.pk)

    assert first == "monitoring.tasks.collect_system_metrics"
    assert second is None
    assert queue_length() == 1


def test_it_queues_nothing_that_succeeded() -> None:
    assert queue_again(make_task(success=True).pk) is None
    assert Success.objects.count() == 1
    assert queue_length() == 0


def test_it_keeps_the_failure_when_the_queue_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()

    def refuse(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no queue")

    monkeypatch.setattr("threadhub.lib.tasks.async_task", refuse)

    with pytest.raises(ConnectionError):
        queue_again(task.pk)

    assert Failure.objects.filter(pk=task.pk).exists()


def test_it_lets_only_those_retry_who_may_change_tasks() -> None:
    task = make_task()
    reader = operator("view_failure")

    page = reader.get(FAILED).content.decode()
    run_again(reader, task)

    assert "disk is full" in page
    assert "run_again" not in page
    assert queue_length() == 0
    assert Failure.objects.exists()


def test_it_lets_operators_retry_who_were_given_that() -> None:
    task = make_task()

    run_again(operator("view_failure", "change_failure"), task)

    assert queue_length() == 1
    assert AuditEvent.objects.get(action="failure.retry").actor_name == "olivia"


def test_it_keeps_no_key_of_a_traceback() -> None:
    task = make_task(result="cannot use sk-proj-0123456789abcdef : Traceback")

    task.refresh_from_db()

    assert task.result == "cannot use [secret] : Traceback"


def test_it_puts_changes_of_schedules_on_record(client: Client) -> None:
    schedule = Schedule.objects.create(name="mine", func="monitoring.tasks.prune_expired")

    client.post(reverse("admin:django_q_schedule_delete", args=[schedule.pk]), {"post": "yes"})

    assert AuditEvent.objects.get(action="schedule.delete").actor_name == "root"


@pytest.mark.parametrize("name", ["failure", "success"])
def test_it_asks_the_same_number_of_queries_for_many_tasks(client: Client, name: str) -> None:
    address = reverse(f"admin:django_q_{name}_changelist")
    make_task(1, success=name == "success")
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for number in range(2, 40):
        make_task(number, success=name == "success")

    with CaptureQueriesContext(connection) as many:
        client.get(address)

    assert len(many) == len(few)  # session, account, count, page
