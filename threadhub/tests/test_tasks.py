"""The door to the queue: after the commit, plain arguments, schedules written once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Schedule, Success
from django_q.signing import SignedPackage
from pytest_django import DjangoCaptureOnCommitCallbacks

from threadhub.lib import schedules
from threadhub.lib.cluster import queue_length, worker_count
from threadhub.lib.schedules import Every
from threadhub.lib.tasks import enqueue, forget_results
from threadhub.tests import worker_tasks


def task_without_arguments() -> str:
    return "Done."


def another_task() -> str:
    return "Done."


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    get_broker().purge_queue()


def test_it_queues_after_the_commit_only(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        enqueue(worker_tasks.write_line, line="a")
        before = queue_length()

    assert before == 0
    assert queue_length() == 1


def test_it_queues_nothing_when_the_transaction_fails(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def enqueue_and_fail() -> None:
        with transaction.atomic():
            enqueue(worker_tasks.write_line, line="a")
            raise RuntimeError("no commit")

    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(RuntimeError, match="no commit"),
    ):
        enqueue_and_fail()

    assert queue_length() == 0


def test_it_queues_the_name_and_the_keywords(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        enqueue(worker_tasks.write_line, line="a")

    ((_, packed),) = get_broker().dequeue()
    task = SignedPackage.loads(packed)
    assert task["func"] == "threadhub.tests.worker_tasks.write_line"
    assert task["args"] == ()
    assert task["kwargs"] == {"line": "a"}


@pytest.mark.parametrize("keyword", ["group", "hook", "timeout", "task_name", "sync", "cluster"])
def test_it_refuses_keywords_that_the_queue_would_swallow(keyword: str) -> None:
    with pytest.raises(ValueError, match=keyword):
        enqueue(worker_tasks.write_line, **{keyword: "x"})


def test_it_knows_that_no_worker_runs() -> None:
    assert worker_count() == 0


def test_it_writes_schedules_once() -> None:
    wanted = [Every(task_without_arguments, minutes=1), Every(another_task, minutes=60)]
    schedules.write(wanted)
    next_runs = dict(Schedule.objects.values_list("name", "next_run"))

    removed = schedules.write(wanted)

    assert removed == 0
    assert dict(Schedule.objects.values_list("name", "next_run")) == next_runs
    assert len(next_runs) == 2


def test_it_changes_a_schedule_and_removes_what_is_no_longer_wanted() -> None:
    schedules.write([Every(task_without_arguments, minutes=1), Every(another_task, minutes=60)])
    Schedule.objects.create(name="by hand", func="math.sqrt", schedule_type=Schedule.DAILY)

    removed = schedules.write([Every(another_task, minutes=5)])

    assert removed == 1
    assert set(Schedule.objects.values_list("func", "minutes")) == {
        ("threadhub.tests.test_tasks.another_task", 5),
        ("math.sqrt", None),
    }


@pytest.mark.parametrize(
    ("arguments", "keywords"), [("1,(", None), ("unquoted", None), (None, "5"), (None, "[1]")]
)
def test_it_switches_off_a_schedule_that_would_stop_all_the_others(
    arguments: str | None, keywords: str | None
) -> None:
    bad = Schedule.objects.create(name="bad", func="f", args=arguments, kwargs=keywords)
    good = Schedule.objects.create(name="good", func="f", args="1, 'a'", kwargs="{'b': 2}")
    loose = Schedule.objects.create(name="loose", func="f", kwargs="b=2")

    count = schedules.switch_off_unreadable()

    assert count == 1
    assert list(Schedule.objects.order_by("pk").values_list("pk", "repeats")) == [
        (bad.pk, 0),
        (good.pk, -1),
        (loose.pk, -1),
    ]


def test_it_forgets_old_results_only() -> None:
    now = timezone.now()
    for name, age in (("old", timedelta(days=31)), ("new", timedelta(days=29))):
        Success.objects.create(
            id=name, name=name, func="f", started=now - age, stopped=now - age, success=True
        )

    count = forget_results(before=now - timedelta(days=30))

    assert count == 1
    assert list(Success.objects.values_list("name", flat=True)) == ["new"]
