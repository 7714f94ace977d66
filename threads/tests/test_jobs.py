"""Jobs: run once however often they are delivered, end with a sentence, go on after a kill."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from monitoring.models import AuditEvent
from projects.models import Connection, Project
from threads import actions, tasks
from threads.models import Job, Message, Thread
from threads.models.job import LEASE, MAX_ATTEMPTS
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.openai_server import OpenAIServer, text_item
from threads.work import slices
from threads.work.importing import import_path

pytestmark = pytest.mark.django_db
Queue = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """What was given to the task queue, in place of the queue."""
    queued: Queue = []

    def enqueue(task: Any, **kwargs: Any) -> None:
        queued.append((task.__qualname__, kwargs))

    monkeypatch.setattr(tasks, "enqueue", enqueue)
    return queued


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    settings.THREADHUB_DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def run_all(queue: Queue) -> list[str]:
    """Run what is queued, and what that queues, as a worker would."""
    sentences = []
    while queue:
        name, kwargs = queue.pop(0)
        sentences.append(getattr(tasks, name)(**kwargs))
    return sentences


def connected_thread(server: OpenAIServer | None = None, **fields: Any) -> Thread:
    connection = make_connection(base_url=server.url if server else "", **fields)
    if server is not None:
        server.add_conversation("conv_1", [text_item("m1", "user", "hello")])
    return make_thread(
        connection.project, connection=connection, external_id="conv_1", created_at=None
    )


def job_in_state(**fields: Any) -> Job:
    fields = {"kind": Job.Kind.SYNC_PROJECT, "key": str(uuid.uuid4())} | fields
    queued_at = fields.pop("queued_at", None)
    job = Job.objects.create(**fields)
    if queued_at is not None:
        Job.objects.filter(pk=job.pk).update(queued_at=queued_at)
    return job


def test_it_queues_a_sync_once_and_names_the_one_that_is_live(queue: Queue) -> None:
    thread = connected_thread()

    first = actions.request_sync(thread, by=None)
    second = actions.request_sync(thread, by=None)

    assert first.pk == second.pk
    assert queue == [("fetch_thread_task", {"thread_id": thread.pk, "job_id": str(first.pk)})]
    assert AuditEvent.objects.filter(action="thread.sync").count() == 1


def test_it_runs_a_job_once_that_is_delivered_twice(server: OpenAIServer, queue: Queue) -> None:
    job = actions.request_sync(connected_thread(server), by=None)
    queue *= 2

    sentences = run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert job.result["messages_new"] == 1
    assert "1 threads read: 1 new messages" in sentences[0]
    assert "Nothing to do" in sentences[1]
    assert server.count() == 2


def test_it_says_in_the_job_why_a_sync_failed(server: OpenAIServer, queue: Queue) -> None:
    job = actions.request_sync(connected_thread(server), by=None)
    server.fail("html")

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "web page" in job.error


def test_it_refuses_to_sync_what_came_from_a_file() -> None:
    with pytest.raises(actions.Refused, match="came from a file"):
        actions.request_sync(make_thread(), by=None)


def test_it_fails_a_job_whose_connection_cannot_be_asked(queue: Queue) -> None:
    thread = connected_thread()
    Connection.objects.update(state=Connection.State.DENIED)
    job = actions.request_sync(thread, by=None)

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "no connection" in job.error


def test_it_ends_a_job_with_a_sentence_when_the_code_breaks(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = actions.request_sync(connected_thread(), by=None)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("threads.sync.sync_batch", broken)

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "ZeroDivisionError" in job.error


def test_it_queues_again_what_was_lost_and_ends_what_fails_always(queue: Queue) -> None:
    now = timezone.now()
    long_ago = now - LEASE - timedelta(seconds=1)
    forgotten = job_in_state(queued_at=long_ago)
    dead = job_in_state(state="running", lease_until=long_ago, attempts=1, owner="a")
    poison = job_in_state(state="running", lease_until=long_ago, attempts=MAX_ATTEMPTS, owner="a")
    alive = job_in_state(state="running", lease_until=now + LEASE, attempts=1, owner="a")
    waiting = job_in_state(queued_at=now)

    sentence = tasks.sweep_jobs()
    again = tasks.sweep_jobs()

    assert {kwargs["job_id"] for _, kwargs in queue} == {str(forgotten.pk), str(dead.pk)}
    states = {
        job.pk: Job.objects.get(pk=job.pk).state
        for job in (forgotten, dead, poison, alive, waiting)
    }
    assert list(states.values()) == ["queued", "queued", "failed", "running", "queued"]
    assert "3 times" in Job.objects.get(pk=poison.pk).error
    assert sentence == "2 jobs queued again, 1 ended."
    assert again == "0 jobs queued again, 0 ended."


def test_it_stops_a_worker_that_was_taken_for_dead() -> None:
    job = job_in_state()
    Job.objects.claim(job.pk, owner="slow", now=NOW)
    slow = Job.objects.get(pk=job.pk)
    later = NOW + LEASE + timedelta(seconds=1)

    assert Job.objects.claim(job.pk, owner="next", now=later)

    assert not slow.advance(now=later, done=1)
    assert not slow.finish(now=later)
    assert Job.objects.get(pk=job.pk).owner == "next"


def test_it_cancels_a_job_that_waits_at_once(server: OpenAIServer, queue: Queue) -> None:
    job = actions.request_sync(connected_thread(server), by=None)

    assert actions.cancel_job(job, by=None)
    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert server.count() == 0
    assert not actions.cancel_job(job, by=None)


def test_it_tries_a_failed_job_again(server: OpenAIServer, queue: Queue) -> None:
    job = actions.request_sync(connected_thread(server), by=None)
    server.fail("500", times=1)
    run_all(queue)
    Thread.objects.update(refresh_not_before=None)

    job.refresh_from_db()
    again = actions.retry_job(job, by=None)
    run_all(queue)

    again.refresh_from_db()
    assert (again.pk, again.state, again.error) == (job.pk, Job.State.DONE, "")
    with pytest.raises(actions.Refused):
        actions.retry_job(again, by=None)


# A whole project.


def project_of(server: OpenAIServer, count: int, **fields: Any) -> Project:
    connection = make_connection(base_url=server.url, **fields)
    for number in range(count):
        name = f"conv_{number:03d}"
        server.add_conversation(name, [text_item(f"{name}_m", "user", "hello")])
        make_thread(connection.project, connection=connection, external_id=name, created_at=None)
    return connection.project


def test_it_syncs_a_project_with_progress(server: OpenAIServer, queue: Queue) -> None:
    project = project_of(server, 30)
    job = actions.request_project_sync(project, by=None)

    run_all(queue)

    job.refresh_from_db()
    assert (job.state, job.percent, job.result["messages_new"]) == ("done", 100, 30)
    assert job.sync_runs.get().threads_read == 30
    assert actions.request_project_sync(project, by=None).pk != job.pk


def test_it_goes_on_with_a_project_in_slices(
    server: OpenAIServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = actions.request_project_sync(project_of(server, 25), by=None)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "ADVANCE_SECONDS", 0.0)

    sentences = run_all(queue)

    job.refresh_from_db()
    assert len(sentences) > 1
    assert job.state == Job.State.DONE
    assert (job.result["threads_read"], job.result["messages_new"]) == (25, 25)
    assert server.count() == 50  # each thread and its items: nothing was read twice


def test_it_waits_for_the_next_minute_when_the_calls_are_used_up(
    server: OpenAIServer, queue: Queue
) -> None:
    job = actions.request_project_sync(project_of(server, 10, calls_per_minute=6), by=None)

    sentences = run_all(queue)

    job.refresh_from_db()
    assert (job.state, job.attempts, server.count()) == ("queued", 0, 6)
    assert "goes on" in sentences[0]
    # The sweeper finds it at its next round, not a lease later.
    tasks.sweep_jobs()
    assert [kwargs["job_id"] for _, kwargs in queue] == [str(job.pk)]


def test_it_ends_a_cancelled_project_sync(
    server: OpenAIServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ADVANCE_SECONDS", 0.0)
    job = actions.request_project_sync(project_of(server, 40), by=None)
    advance = Job.advance

    def cancelled(self: Job, **kwargs: Any) -> bool:
        actions.cancel_job(self, by=None)
        return advance(self, **kwargs)

    monkeypatch.setattr(Job, "advance", cancelled)

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert 0 < Message.objects.count() < 40


def test_it_says_why_a_project_was_not_read(server: OpenAIServer, queue: Queue) -> None:
    job = actions.request_project_sync(project_of(server, 3), by=None)
    server.fail("401")

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "key" in job.error


def test_it_refuses_to_sync_a_project_without_a_connection() -> None:
    with pytest.raises(actions.Refused, match="no connection"):
        actions.request_project_sync(make_project(), by=None)


# Imports.


def lines(count: int, *, wrong: bool = False) -> bytes:
    records = [
        {"id": f"t{number}", "messages": [{"role": "user", "content": f"text {number}"}]}
        for number in range(count)
    ]
    body = "".join(json.dumps(record) + "\n" for record in records)
    return (body + ("{\n" if wrong else "")).encode()


def test_it_imports_an_upload_and_keeps_the_report(queue: Queue, data_dir: Path) -> None:
    project = make_project()
    job = actions.request_import(project, [lines(3, wrong=True)], name="mine.jsonl", by=None)
    mode = import_path(job.pk).stat().st_mode

    run_all(queue)

    job.refresh_from_db()
    assert (job.state, job.percent) == ("done", 100)
    assert job.result["report"]["threads_new"] == 3
    assert job.result["report"]["problems"][0]["line"] == 4
    assert Thread.objects.filter(project=project).count() == 3
    assert mode & 0o777 == 0o600
    assert list((data_dir / "imports").iterdir()) == []


def test_it_goes_on_with_a_long_import_where_it_was(
    queue: Queue, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "ADVANCE_SECONDS", 0.0)
    job = actions.request_import(make_project(), [lines(600)], name="big.jsonl", by=None)

    sentences = run_all(queue)

    job.refresh_from_db()
    assert len(sentences) >= 3
    assert job.state == Job.State.DONE
    assert job.result["report"]["threads_new"] == 600
    assert job.result["report"]["threads_unchanged"] == 0
    assert Message.objects.count() == 600


def test_it_takes_the_same_upload_twice_at_once_for_one(queue: Queue, data_dir: Path) -> None:
    project = make_project()

    first = actions.request_import(project, [lines(1)], name="a.jsonl", by=None)
    second = actions.request_import(project, [lines(1)], name="a.jsonl", by=None)

    assert first.pk == second.pk
    assert len(list((data_dir / "imports").iterdir())) == 1


def test_it_says_what_is_wrong_with_an_upload(queue: Queue, data_dir: Path) -> None:
    job = actions.request_import(make_project(), [b"PK\x03\x04zip"], name="x.zip", by=None)

    run_all(queue)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.error == "x.zip is no zip file, or it breaks off."
    assert list((data_dir / "imports").iterdir()) == []
