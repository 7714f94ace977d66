"""Syncs are gentle with what goes wrong: nothing is lost, and whoever can act is told."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from projects.models import Connection
from threads import sync
from threads.models import Message, Thread
from threads.sources import Part, RemoteMessage
from threads.tests.factories import NOW, make_connection
from threads.tests.fakes import FakeSource
from threads.tests.openai_server import OpenAIServer
from threads.tests.syncing import connect, items, register, run

pytestmark = pytest.mark.django_db


def test_it_believes_a_404_the_second_day_and_keeps_the_archive(server: OpenAIServer) -> None:
    connection = connect(server)
    server.add_conversation("conv_gone", items("conv_gone", 2))
    server.add_conversation("conv_stays", items("conv_stays", 1))
    ids = register(connection, "conv_gone", "conv_stays")
    run(connection, ids)
    server.remove("/conversations/conv_gone")

    first = run(connection, ids)
    run(connection, ids)  # the same day: that may be a server that is being moved
    states = [Thread.objects.get(external_id="conv_gone").upstream_state]
    Thread.objects.update(gone_at=timezone.now() - timedelta(days=1))
    run(connection, ids)

    thread = Thread.objects.get(external_id="conv_gone")
    states.append(thread.upstream_state)
    assert states == ["active", "gone"]
    assert thread.next_refresh_at is None
    assert "keeps what it holds" in thread.last_error
    assert thread.messages.filter(removed_at__isnull=True).count() == 2
    assert first.errors[0]["thread"] == thread.short_id
    assert Thread.objects.get(external_id="conv_stays").upstream_state == "active"


def test_it_takes_a_thread_back_that_was_gone(server: OpenAIServer) -> None:
    connection = connect(server)
    ids = register(connection, "conv_back")
    Thread.objects.update(upstream_state="gone", gone_at=NOW)
    server.add_conversation("conv_back", items("conv_back", 1))

    run(connection, ids, is_full=True)

    thread = Thread.objects.get()
    assert (thread.upstream_state, thread.gone_at, thread.last_error) == ("active", None, "")
    assert thread.next_refresh_at is not None


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        ("401", "denied", "key"),
        ("403", "denied", "403"),
        ("quota", "exhausted", "quota"),
    ],
)
def test_it_stops_a_connection_that_is_refused_and_says_why(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture, fault: str, state: str, words: str
) -> None:
    connection = connect(server)
    for name in ("conv_r1", "conv_r2", "conv_r3"):
        server.add_conversation(name, items(name, 2))
    ids = register(connection, "conv_r1", "conv_r2", "conv_r3")
    run(connection, ids[:1])
    server.fail(fault)

    with caplog.at_level(logging.DEBUG):
        tally = run(connection, ids)

    connection.refresh_from_db()
    assert connection.state == state
    assert words in connection.state_reason
    assert tally.stopped_by is not None
    assert not Connection.objects.usable(timezone.now()).exists()
    assert Message.objects.count() == 2
    assert Thread.objects.filter(refresh_failures__gt=0).count() == 0
    assert server.key not in caplog.text + connection.state_reason


def test_it_tells_a_thread_that_is_closed_to_the_key_from_a_key_that_is_refused(
    server: OpenAIServer,
) -> None:
    connection = connect(server)
    server.add_conversation("conv_open", items("conv_open", 1))
    server.add_conversation("conv_closed", items("conv_closed", 1))
    ids = register(connection, "conv_closed", "conv_open")
    server.fail("403", path="conv_closed")

    tally = run(connection, ids)

    connection.refresh_from_db()
    assert connection.state == Connection.State.WORKING
    assert (tally.threads_failed, tally.messages_new) == (1, 1)


@pytest.mark.parametrize(
    "fault", ["500", "html", "truncated", "dropped", "shape", "empty", "endless", "redirect"]
)
def test_it_puts_a_thread_off_that_cannot_be_read_and_loses_nothing(
    server: OpenAIServer, fault: str
) -> None:
    connection = connect(server)
    name = f"conv_bad_{fault}"
    live = server.add_conversation(name, items(name, 3))
    ids = register(connection, name)
    run(connection, ids)
    live.extend(items("next", 3))
    server.fail(fault, path="/items")

    tally = run(connection, ids)
    thread = Thread.objects.get()
    failures, sentence, kept = thread.refresh_failures, thread.last_error, thread.messages.count()
    server.heal()
    run(connection, ids)

    thread.refresh_from_db()
    assert (tally.threads_failed, failures) == (1, 1)
    assert kept >= 3
    assert "127.0.0.1" in sentence
    assert sentence.endswith(".")
    assert thread.messages.count() == 6
    assert (thread.refresh_failures, thread.last_error) == (0, "")
    assert thread.refresh_not_before is None


def test_it_pauses_a_connection_that_was_told_too_many_calls(server: OpenAIServer) -> None:
    connection = connect(server, calls_per_minute=600)
    server.add_conversation("conv_429", items("conv_429", 1))
    ids = register(connection, "conv_429")
    server.fail("429", headers={"Retry-After": "90"})
    began = timezone.now()

    run(connection, ids)

    connection.refresh_from_db()
    thread = Thread.objects.get()
    assert connection.paused_until is not None
    assert 85 < (connection.paused_until - began).total_seconds() < 100
    assert connection.accepted_rate == 300.0
    assert thread.refresh_not_before == connection.paused_until
    assert (thread.last_synced_at, thread.refresh_failures) == (None, 0)


def test_it_slows_down_once_for_calls_that_were_out_together(server: OpenAIServer) -> None:
    connection = connect(server, calls_per_minute=600)
    names = [f"conv_{number}" for number in range(8)]
    for name in names:
        server.add_conversation(name, items(name, 1))
    ids = register(connection, *names)
    server.fail("429")

    run(connection, ids)

    connection.refresh_from_db()
    assert server.count() == 8
    assert connection.accepted_rate == 300.0


def test_it_has_few_calls_out_while_it_goes_slower(server: OpenAIServer) -> None:
    connection = connect(server, calls_per_minute=600, accepted_rate=300.0)
    names = [f"conv_slow{number}" for number in range(8)]
    for name in names:
        server.add_conversation(name, items(name, 1))
    server.most_at_once = 0
    server.fail("slow", seconds=0.05)

    tally = run(connection, register(connection, *names))

    assert (tally.threads_read, server.most_at_once) == (8, 2)


def test_it_keeps_the_pages_that_came_before_the_failure(server: OpenAIServer) -> None:
    connection = connect(server)
    server.add_conversation("conv_long", items("conv_long", 350))
    ids = register(connection, "conv_long")
    server.fail("500", path="/items", skip=2)

    run(connection, ids)
    thread = Thread.objects.get()
    kept = (thread.messages.count(), thread.last_item_id, thread.last_synced_at)
    server.heal()
    server.forget_calls()
    run(connection, ids)

    assert kept == (200, "conv_long_0199", None)
    assert server.calls[-1].query["after"] == "conv_long_0299"
    assert thread.messages.count() == 350


def test_it_puts_one_thread_off_at_which_it_fails_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = make_connection()
    unwritable = Part("text", text="x", annotations=({"what": object()},))
    source = FakeSource(
        conv_good=[RemoteMessage("m1", "user", "fine")],
        conv_strange=[RemoteMessage("m1", "user", "x", parts=(unwritable,))],
    )
    source.conversations["conv_broken"] = None  # type: ignore[assignment]
    ids = register(connection, "conv_broken", "conv_strange", "conv_good")

    tally = sync.sync_many(ids, connection=connection, source=source, clock=timezone.now)

    assert (tally.threads_read, tally.threads_failed, tally.messages_new) == (3, 2, 1)
    for identity in ("conv_broken", "conv_strange"):
        thread = Thread.objects.get(external_id=identity)
        assert (thread.refresh_failures, thread.messages.count()) == (1, 0)
        assert "ThreadHub failed at this thread (TypeError)" in thread.last_error
    assert len([record for record in caplog.records if record.exc_info]) == 2


def test_it_says_what_to_do_when_the_key_cannot_be_opened(server: OpenAIServer) -> None:
    connection = connect(server)
    ids = register(connection, "conv_1")
    Connection.objects.update(sealed_key="th1$00000000$" + "A" * 60)

    tally = run(connection, ids)

    connection.refresh_from_db()
    assert connection.state == Connection.State.UNREADABLE
    assert tally.stopped_by is not None
    assert "master key" in tally.stopped_by.message
