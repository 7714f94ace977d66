"""New threads are found by themselves where the store can list them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from projects.models import Connection
from threads import tasks
from threads.models import SyncRun, Thread
from threads.tests.factories import make_connection, make_thread
from threads.tests.openai_server import OpenAIServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        running.lists["/chatkit/threads"] = []
        running.lists["/agents/sessions"] = []
        yield running


def add_chat(server: OpenAIServer, name: str) -> None:
    thread: dict[str, Any] = {"id": name, "object": "chatkit.thread", "created_at": 1_763_000_000}
    thread |= {"title": f"About {name}", "status": {"type": "active"}, "user": "u1"}
    server.add_listed("/chatkit/threads", "items", thread)


def listed_again() -> None:
    Connection.objects.update(listed_at=timezone.now() - timedelta(minutes=6))


def test_it_finds_new_threads_and_goes_on_where_it_was(server: OpenAIServer) -> None:
    make_connection(base_url=server.url, store="chatkit")
    for number in range(250):
        add_chat(server, f"cthr_{number:03d}")

    tasks.refresh_due_threads()
    first = Thread.objects.count(), server.count("/chatkit/threads") - server.count("/items")
    add_chat(server, "cthr_new")
    listed_again()
    server.forget_calls()
    tasks.refresh_due_threads()

    assert first == (250, 3)
    assert Thread.objects.get(external_id="cthr_new").title == "About cthr_new"
    listings = [call for call in server.calls if call.path == "/chatkit/threads"]
    assert [call.query["after"] for call in listings] == ["cthr_249"]
    # A thread that the list has described costs one call, not two.
    assert server.count("/chatkit/threads/cthr_new") == 1


def test_it_lists_again_only_after_some_minutes_and_within_its_share(server: OpenAIServer) -> None:
    make_connection(base_url=server.url, store="chatkit", calls_per_minute=20)
    for number in range(350):
        add_chat(server, f"cthr_{number:03d}")

    for _ in range(4):
        tasks.refresh_due_threads()

    listings = [call for call in server.calls if call.path == "/chatkit/threads"]
    # Two a round: four pages in two rounds; the other rounds do not ask.
    assert [call.query.get("after") for call in listings] == [
        None,
        "cthr_099",
        "cthr_199",
        "cthr_299",
    ]
    assert server.count() <= 18


def test_it_begins_again_when_the_last_one_was_deleted(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, store="chatkit", list_cursor="cthr_gone")
    add_chat(server, "cthr_1")
    make_thread(connection.project, connection=connection, external_id="cthr_1")
    add_chat(server, "cthr_2")

    tasks.refresh_due_threads()

    assert Thread.objects.count() == 2
    assert Connection.objects.get().list_cursor == "cthr_2"


def test_it_reads_at_once_what_the_list_says_was_used(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, store="agents")
    now = timezone.now()
    moments = {"sess_used": now - timedelta(minutes=1), "sess_quiet": now - timedelta(days=9)}
    for name, moment in moments.items():
        seconds = int(moment.timestamp())
        session = {"id": name, "created_at": seconds - 900_000, "last_active_at": seconds}
        server.add_listed("/agents/sessions", "items", session)
        make_thread(
            connection.project,
            connection=connection,
            external_id=name,
            last_message_timestamp=now - timedelta(days=9),
            last_synced_at=now - timedelta(minutes=30),
            last_full_sync_at=now - timedelta(minutes=30),
            next_refresh_at=now + timedelta(days=3),
        )

    tasks.refresh_due_threads()

    read = Thread.objects.filter(last_synced_at__gte=now)
    assert [thread.external_id for thread in read] == ["sess_used"]
    assert Connection.objects.get().list_cursor == ""


def test_it_keeps_the_calls_of_listing_in_the_ledger(server: OpenAIServer) -> None:
    make_connection(base_url=server.url, store="chatkit")

    tasks.refresh_due_threads()

    assert SyncRun.objects.get().calls_made == server.count() == 1


def test_it_stops_the_round_when_listing_is_refused(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, store="chatkit")
    make_thread(connection.project, connection=connection, external_id="cthr_1")
    server.fail("429", headers={"Retry-After": "120"})

    tasks.refresh_due_threads()

    connection.refresh_from_db()
    assert server.count() == 1
    assert connection.paused_until is not None
    assert connection.paused_until > timezone.now() + timedelta(seconds=100)


def test_it_asks_a_store_once_a_day_whether_it_has_learned_to_list(server: OpenAIServer) -> None:
    make_connection(base_url=server.url, store="conversations")

    tasks.refresh_due_threads()
    first = server.count()
    tasks.refresh_due_threads()

    assert (first, server.count()) == (1, 1)
    assert Connection.objects.get().state == Connection.State.UNTESTED
    run = SyncRun.objects.get()
    assert run.state == SyncRun.State.DONE
    assert "it offers no conversations" in run.errors[0]["message"]
