"""Syncs against a server: complete, in order, and no call more than it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from threads import sync
from threads.models import Message, SyncRun, Thread
from threads.tests.openai_server import OpenAIServer, text_item, thread_message
from threads.tests.syncing import connect, items, register, run

pytestmark = pytest.mark.django_db


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
