"""One visit to a thread, at the moments that only a fake can show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from projects.models import Connection
from threads import refresh, sync
from threads.models import Thread
from threads.sources import Denied, RemoteMessage, Throttled, Unavailable
from threads.sync import Result
from threads.tests.factories import NOW, make_connection, make_thread
from threads.tests.fakes import FakeSource
from threads.tests.syncing import register

pytestmark = pytest.mark.django_db


def said(*numbers: int) -> list[RemoteMessage]:
    return [RemoteMessage(f"m{n}", "user", f"text {n}", raw=f'{{"n": {n}}}') for n in numbers]


def fake_thread() -> Thread:
    connection = make_connection(state=Connection.State.WORKING)
    (pk,) = register(connection, "conv_1")
    return Thread.objects.select_related("connection", "project").get(pk=pk)


def test_it_survives_another_worker_between_its_reading_and_its_writing() -> None:
    thread = fake_thread()
    source = FakeSource(conv_1=said(1, 2))
    other = FakeSource(conv_1=said(1, 2, 3))

    def other_worker(page: int) -> None:
        if page == 1:
            source.before_page = lambda _: None
            same = Thread.objects.select_related("connection", "project").get(pk=thread.pk)
            sync.sync_thread(same, other, now=NOW + timedelta(seconds=1))

    source.before_page = other_worker
    outcomes = sync.sync_thread(thread, source, now=NOW)

    row = Thread.objects.get()
    assert outcomes[-1].result is Result.UNCHANGED
    assert list(row.messages.order_by("position").values_list("remote_id", flat=True)) == [
        "m1",
        "m2",
        "m3",
    ]
    assert (row.item_count, row.last_item_id) == (3, "m3")
    assert row.last_synced_at == NOW + timedelta(seconds=1)


def test_it_comes_to_the_same_rows_wherever_it_is_killed() -> None:
    expected = [f"m{number}" for number in range(1_300)]
    for stop in (1, 3, 11, 12):
        thread = fake_thread()
        source = FakeSource(conv_1=said(*range(1_300)))

        def die(page: int, stop: int = stop) -> None:
            if page == stop:
                raise KeyboardInterrupt

        source.before_page = die
        with pytest.raises(KeyboardInterrupt):
            sync.sync_thread(thread, source, now=NOW)
        source.before_page = lambda _: None
        thread = Thread.objects.select_related("connection", "project").get(pk=thread.pk)
        sync.sync_thread(thread, source, now=NOW + timedelta(minutes=1))

        rows = thread.messages.order_by("position").values_list("remote_id", flat=True)
        assert list(rows) == expected
        thread.refresh_from_db()
        assert thread.item_count == 1_300


def test_it_plans_the_next_visit_by_the_silence() -> None:
    thread = fake_thread()
    Thread.objects.update(created_at=NOW - timedelta(days=10))
    moment = NOW - timedelta(hours=1)
    message = RemoteMessage("m1", "user", "x", created_at=moment, time_source="given", raw="{}")

    sync.sync_thread(thread, FakeSource(conv_1=[message]), now=NOW)

    row = Thread.objects.get()
    silence, lowest = refresh.Silence(3_600.0, 1), refresh.ECONOMY_THRESHOLD
    seconds = refresh.Expectation().seconds_until(silence, lowest)
    assert row.next_refresh_at is not None
    wait = (row.next_refresh_at - NOW).total_seconds()
    assert wait == pytest.approx(seconds, rel=1e-3)
    assert row.last_synced_at == row.last_full_sync_at == NOW


def test_it_adopts_a_thread_that_came_from_a_file() -> None:
    thread = fake_thread()
    Thread.objects.update(connection=None, upstream_state="imported")

    sync.sync_thread(thread, FakeSource(conv_1=said(1)), now=NOW)

    row = Thread.objects.get()
    assert row.connection == thread.connection
    assert row.upstream_state == "active"


@pytest.mark.parametrize("error", [Denied("x"), Throttled("x"), Unavailable("x")])
def test_it_leaves_the_times_of_a_thread_alone_when_nothing_was_read(error: Exception) -> None:
    thread = fake_thread()
    sync.sync_thread(thread, FakeSource(conv_1=said(1)), now=NOW)
    source = FakeSource(conv_1=said(1))
    source.refusal = error  # type: ignore[assignment]
    thread = Thread.objects.select_related("connection", "project").get()

    sync.sync_thread(thread, source, now=NOW + timedelta(hours=1))

    assert Thread.objects.get().last_synced_at == NOW


def test_it_notes_a_visit_that_found_nothing_with_one_statement(
    django_assert_num_queries: Any,
) -> None:
    connection = make_connection(state=Connection.State.WORKING)
    make_thread(connection.project, connection=connection, external_id="conv_1", created_at=None)
    source = FakeSource(conv_1=[RemoteMessage("m1", "user", "hi", raw="{}")])
    threads = Thread.objects.select_related("connection", "project")
    sync.sync_thread(threads.get(), source, now=NOW)
    thread = threads.get()

    with django_assert_num_queries(1):  # the visit's columns
        (outcome,) = sync.sync_thread(thread, source, now=NOW + timedelta(minutes=5))

    after = Thread.objects.get()
    assert outcome.result is Result.UNCHANGED
    assert outcome.learned is not None
    assert after.last_synced_at == NOW + timedelta(minutes=5)
    assert after.stale_refresh_count == 1
    assert after.next_refresh_at is not None
    assert after.next_refresh_at > NOW + timedelta(minutes=5)


def test_it_lets_the_visit_stand_that_somebody_else_made_meanwhile() -> None:
    connection = make_connection(state=Connection.State.WORKING)
    make_thread(connection.project, connection=connection, external_id="conv_1", created_at=None)
    source = FakeSource(conv_1=[RemoteMessage("m1", "user", "hi", raw="{}")])
    threads = Thread.objects.select_related("connection", "project")
    sync.sync_thread(threads.get(), source, now=NOW)
    seen_before = threads.get()
    Thread.objects.update(last_synced_at=NOW + timedelta(hours=1), next_refresh_at=NOW)

    sync.sync_thread(seen_before, source, now=NOW + timedelta(minutes=5))

    after = Thread.objects.get()
    assert after.last_synced_at == NOW + timedelta(hours=1)
    assert after.next_refresh_at == NOW
