"""Two workers on the same thread at the same moment: real transactions, real threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from projects.models import Connection, Project
from threads import archive, sync
from threads.models import Job, Message, Thread
from threads.sources import RemoteMessage
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.fakes import FakeSource

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        database.vendor == "sqlite",
        reason="An SQLite database in memory has one connection; its write lock lets in one writer",
    ),
]
WORKERS = 4


def said(*numbers: int) -> list[RemoteMessage]:
    return [RemoteMessage(f"m{n}", "user", f"text {n}", raw=f'{{"n": {n}}}') for n in numbers]


def test_it_stores_a_thread_once_that_all_workers_read_at_once() -> None:
    connection = make_connection(state=Connection.State.WORKING)
    for number in range(5):
        make_thread(connection.project, connection=connection, external_id=f"conv_{number}")
    barrier = threading.Barrier(WORKERS)

    def work(worker: int) -> None:
        try:
            for number in range(5):
                name = f"conv_{number}"
                source = FakeSource(**{name: said(*range(250 + worker))})
                rows = Thread.objects.select_related("connection", "project")
                thread = rows.get(external_id=name)
                barrier.wait()
                sync.sync_thread(thread, source, now=NOW + timedelta(seconds=worker))
        finally:
            database.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))

    for thread in Thread.objects.all():
        ids = thread.messages.order_by("position").values_list("remote_id", flat=True)
        assert list(ids) == [f"m{number}" for number in range(253)]
        assert thread.item_count == 253
        assert not thread.messages.filter(removed_at__isnull=False).exists()


def test_it_makes_a_thread_once_that_all_workers_import_at_once() -> None:
    project: Project = make_project()
    barrier = threading.Barrier(WORKERS)

    def work(_: int) -> bool:
        try:
            created = False
            for number in range(10):
                barrier.wait()
                stored = archive.store(
                    said(*range(20)), project=project, external_id=f"t{number}", now=NOW
                )
                created = created or stored.is_created
            return created
        finally:
            database.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))

    assert Thread.objects.count() == 10
    assert Message.objects.count() == 200
    assert set(Thread.objects.values_list("item_count", flat=True)) == {20}


def test_it_gives_a_job_to_one_worker() -> None:
    jobs = [Job.objects.create(kind=Job.Kind.SYNC_PROJECT, key=str(n)) for n in range(20)]
    barrier = threading.Barrier(WORKERS)

    def work(worker: int) -> int:
        try:
            barrier.wait()
            now = timezone.now()
            return sum(Job.objects.claim(job.pk, owner=str(worker), now=now) for job in jobs)
        finally:
            database.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        claims = list(pool.map(work, range(WORKERS)))

    assert sum(claims) == 20
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}
