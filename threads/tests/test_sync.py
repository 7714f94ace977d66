"""Syncs against a server: complete, incremental, and gentle with what goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects.models import Connection
from threads import refresh, sync
from threads.models import Message, SyncRun, Thread
from threads.sources import Denied, Part, RemoteMessage, Throttled, Unavailable
from threads.sync import Result, Tally
from threads.tests.factories import NOW, make_connection, make_thread
from threads.tests.fakes import FakeSource
from threads.tests.openai_server import OpenAIServer, text_item, thread_message

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.heal()
    running_server.forget_calls()
    return running_server


def connect(server: OpenAIServer, **fields: Any) -> Connection:
    return make_connection(base_url=server.url, **fields)


def register(connection: Connection, *ids: str) -> list[int]:
    return [
        make_thread(
            connection.project,
            connection=connection,
            store=connection.store,
            external_id=identity,
            created_at=None,
            next_refresh_at=NOW,
        ).pk
        for identity in ids
    ]


def items(prefix: str, count: int) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [
        text_item(f"{prefix}_{number:04d}", roles[number % 2], f"{prefix} says {number}\n ")
        for number in range(count)
    ]


def run(connection: Connection, ids: list[int], **options: Any) -> Tally:
    connection.refresh_from_db()
    return sync.sync_batch(connection, ids, trigger=SyncRun.Trigger.MANUAL, **options)


def message_writes(queries: CaptureQueriesContext) -> list[str]:
    words = ("INSERT", "UPDATE", "DELETE")
    return [
        query["sql"]
        for query in queries
        if query["sql"].startswith(words) and "threads_message" in query["sql"]
    ]


def test_it_stores_every_item_in_order_and_then_asks_once_a_thread(server: OpenAIServer) -> None:
    connection = connect(server)
    names = [f"conv_all{number}" for number in range(12)]
    sent = {name: server.add_conversation(name, items(name, 250)) for name in names}
    ids = register(connection, *names)

    first = run(connection, ids)
    kept = {
        name: list(
            Message.objects.filter(thread__external_id=name)
            .order_by("position")
            .values_list("remote_id", "text")
        )
        for name in names
    }
    server.forget_calls()
    with CaptureQueriesContext(database) as queries:
        second = run(connection, ids)

    assert (first.threads_read, first.messages_new, first.errors) == (12, 3_000, [])
    assert kept == {
        name: [(item["id"], item["content"][0]["text"]) for item in sent[name]] for name in names
    }
    assert server.count() == 12
    assert (second.threads_read, second.threads_changed) == (12, 0)
    assert message_writes(queries) == []
    run_row = SyncRun.objects.latest("pk")
    # Reading all of it would have been three pages a thread.
    assert (run_row.calls_made, run_row.calls_avoided) == (12, 24)


def test_it_fetches_only_what_follows_the_last_item(server: OpenAIServer) -> None:
    connection = connect(server)
    live = server.add_conversation("conv_more", items("conv_more", 3))
    ids = register(connection, "conv_more")
    run(connection, ids)
    server.forget_calls()
    live.append(text_item("later", "user", "one more"))

    tally = run(connection, ids)

    assert (tally.messages_new, server.count()) == (1, 1)
    assert server.calls[0].query["after"] == "conv_more_0002"
    assert Message.objects.get(remote_id="later").position == 4


def test_it_asks_once_where_the_last_items_have_no_id(server: OpenAIServer) -> None:
    connection = connect(server)
    live = server.add_conversation("conv_bare", items("conv_bare", 150))
    for text in ("ok", "ok", "fine"):
        live.append({**text_item("", "user", text), "id": None})
    ids = register(connection, "conv_bare")
    run(connection, ids)
    server.forget_calls()

    with CaptureQueriesContext(database) as queries:
        tally = run(connection, ids)
    writes, calls = message_writes(queries), server.count()
    live.append(text_item("later", "user", "one more"))
    after = run(connection, ids)

    assert (tally.threads_changed, writes, calls) == (0, [], 1)
    assert (after.messages_new, Message.objects.count()) == (1, 154)
    texts = Message.objects.order_by("-position").values_list("text", flat=True)
    assert list(texts[:4]) == ["one more", "fine", "ok", "ok"]


def test_it_reads_an_item_again_until_it_is_final(server: OpenAIServer) -> None:
    connection = connect(server)
    live = server.add_conversation("conv_slow", items("conv_slow", 2))
    live.append(text_item("moving", "assistant", "The ans", status="in_progress"))
    live.append(text_item("behind", "user", "and?"))
    ids = register(connection, "conv_slow")
    run(connection, ids)
    live[2] = text_item("moving", "assistant", "The answer.")

    tally = run(connection, ids)

    thread = Thread.objects.get()
    assert (tally.messages_new, tally.messages_changed) == (0, 1)
    assert Message.objects.get(remote_id="moving").text == "The answer."
    assert thread.last_item_id == "behind"


def test_it_reads_all_of_it_when_its_last_item_was_deleted(server: OpenAIServer) -> None:
    connection = connect(server)
    live = server.add_conversation("conv_cut", items("conv_cut", 3))
    ids = register(connection, "conv_cut")
    run(connection, ids)
    del live[2]
    live.append(text_item("after_cut", "user", "new"))

    tally = run(connection, ids)

    removed = Message.objects.filter(removed_at__isnull=False)
    assert (tally.errors, tally.messages_new) == ([], 1)
    assert [message.remote_id for message in removed] == ["conv_cut_0002"]
    assert Message.objects.count() == 4


def test_it_sees_edits_and_removals_at_the_weekly_reading_for_the_same_one_call(
    server: OpenAIServer,
) -> None:
    connection = connect(server)
    live = server.add_conversation("conv_edit", items("conv_edit", 4))
    ids = register(connection, "conv_edit")
    run(connection, ids)
    live[0] = text_item("conv_edit_0000", "user", "other words")
    del live[1]
    Thread.objects.update(last_full_sync_at=timezone.now() - timedelta(days=8))
    server.forget_calls()

    tally = run(connection, ids)

    assert server.count() == 1
    assert (tally.messages_new, tally.messages_changed) == (0, 1)
    edited = Message.objects.get(remote_id="conv_edit_0000")
    assert edited.text == "other words"
    assert edited.edited_at is not None
    assert Message.objects.get(remote_id="conv_edit_0001").removed_at is not None


def test_it_brings_the_usage_and_times_of_assistants_threads(server: OpenAIServer) -> None:
    connection = connect(server, store="assistants")
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    said = [thread_message("m1", "user", "hi", created_at=1_763_000_000)]
    server.add_thread("thread_u", said, runs=[{"id": "run_1", "usage": usage}])
    ids = register(connection, "thread_u")

    run(connection, ids)

    thread = Thread.objects.get()
    assert (thread.total_tokens, thread.usage_source, thread.usage_is_exact) == (15, "run", True)
    assert thread.last_message_timestamp is not None
    assert thread.last_message_timestamp.timestamp() == 1_763_000_000


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


def test_it_never_makes_more_calls_than_it_may(server: OpenAIServer) -> None:
    connection = connect(server, calls_per_minute=7)
    names = [f"conv_few{number}" for number in range(10)]
    for name in names:
        server.add_conversation(name, items(name, 1))
    ids = register(connection, *names)

    tally = run(connection, ids)

    assert server.count() == 7
    assert tally.stopped_by is not None
    assert sync.is_own_limit(tally.stopped_by)
    assert Thread.objects.filter(refresh_failures__gt=0).count() == 0
    assert set(tally.left) == set(
        Thread.objects.filter(last_synced_at=None).values_list("pk", flat=True)
    )


def test_it_reads_several_threads_at_once(server: OpenAIServer) -> None:
    connection = connect(server)
    names = [f"conv_par{number}" for number in range(16)]
    for name in names:
        server.add_conversation(name, items(name, 1))
    server.most_at_once = 0
    server.fail("slow", seconds=0.1)

    run(connection, register(connection, *names))

    assert server.most_at_once >= 8


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


# What only a fake can show.


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
