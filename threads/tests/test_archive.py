"""The one way into the archive: once, in order, nothing lost, nothing written twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from threads import archive
from threads.models import Message, Thread
from threads.sources import Part, RemoteMessage, RemoteThread
from threads.tests.archiving import message, messages, store
from threads.tests.factories import NOW, make_connection, make_project

pytestmark = pytest.mark.django_db


def test_it_keeps_every_message_in_the_order_of_the_source() -> None:
    connection = make_connection()

    stored = store(messages(*range(1, 1_202)), connection)

    assert (stored.is_created, stored.messages_new) == (True, 1_201)
    rows = Message.objects.filter(thread_id=stored.thread_id).order_by("position")
    assert [row.remote_id for row in rows] == [f"m{number}" for number in range(1, 1_202)]
    assert [row.position for row in rows] == list(range(1, 1_202))
    keys = [row.search_key for row in rows]
    assert keys == sorted(keys)
    assert rows[0].source.raw == '{"id": "m1", "text": "message 1"}'


def test_it_writes_nothing_to_messages_that_are_the_same() -> None:
    connection = make_connection()
    store(messages(1, 2, 3), connection)

    with CaptureQueriesContext(database) as queries:
        stored = store(messages(1, 2, 3), connection, now=NOW + timedelta(hours=1))

    assert not stored.is_changed
    # The thread, and the messages of the batch.
    read = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert len(read) == 2
    assert not [query for query in queries if query["sql"].startswith(("INSERT", "UPDATE"))]


def test_it_appends_what_is_new_and_recognises_what_it_has() -> None:
    connection = make_connection()
    store(messages(1, 2), connection)

    stored = store(messages(2, 3), connection)

    assert (stored.messages_new, stored.messages_changed) == (1, 0)
    assert list(Message.objects.order_by("position").values_list("remote_id", "position")) == [
        ("m1", 1),
        ("m2", 2),
        ("m3", 3),
    ]


def test_it_takes_an_edited_message_over_in_its_place() -> None:
    connection = make_connection()
    store(messages(1, 2), connection)
    later = NOW + timedelta(hours=1)

    stored = store([message(1, "now with the number 4711")], connection, now=later)

    row = Message.objects.get(remote_id="m1")
    assert stored.messages_changed == 1
    assert (row.text, row.position, row.edited_at) == ("now with the number 4711", 1, later)
    assert "4711" in row.source.raw


def test_it_does_not_call_the_end_of_a_message_an_edit() -> None:
    connection = make_connection()
    store([message(1, "The answ", is_final=False, status="in_progress")], connection)

    store([message(1, "The answer.", status="completed")], connection)

    row = Message.objects.get()
    assert (row.text, row.is_final, row.edited_at) == ("The answer.", True, None)


def test_it_marks_what_the_source_has_no_more_and_takes_the_mark_away_again() -> None:
    connection = make_connection()
    store(messages(1, 2, 3), connection)
    removed_at = NOW + timedelta(days=1)

    gone = store(messages(1, 3), connection, now=removed_at, is_complete=True)
    marks = dict(Message.objects.values_list("remote_id", "removed_at"))
    back = store(messages(1, 2, 3), connection, now=NOW + timedelta(days=2), is_complete=True)

    assert gone.messages_removed == 1
    assert marks == {"m1": None, "m2": removed_at, "m3": None}
    assert back.messages_changed == 1
    assert not Message.objects.filter(removed_at__isnull=False).exists()
    assert Message.objects.get(remote_id="m2").edited_at is None


def test_it_never_marks_a_message_that_came_while_the_full_reading_went_on() -> None:
    connection = make_connection()
    began_at = NOW
    store(messages(1), connection, now=NOW - timedelta(hours=1))
    store(messages(1, 2), connection, now=NOW + timedelta(seconds=5))

    stored = store(messages(1), connection, now=began_at, began_at=began_at, is_complete=True)

    assert stored.messages_removed == 0


def test_it_lets_an_older_reading_add_but_not_change() -> None:
    connection = make_connection()
    store([message(1, "newest words")], connection)
    Thread.objects.update(last_synced_at=NOW + timedelta(seconds=30))

    stored = store([message(1, "old words"), message(2)], connection, is_complete=True)

    assert (stored.messages_new, stored.messages_changed, stored.messages_removed) == (1, 0, 0)
    assert Message.objects.get(remote_id="m1").text == "newest words"


def test_it_keeps_text_byte_for_byte_but_what_no_database_takes() -> None:
    connection = make_connection()
    texts = [
        "  spaces \r\n\t kept  ",
        "\u202eright\u2066to left\ue200",
        "café \U0001f9d1\u200d\U0001f680",
        "x" * 40_000,
    ]

    store([message(number, text) for number, text in enumerate(texts, 1)], connection)
    store(
        [
            message(
                9,
                "a\0b\ud800c",
                raw='{"t": "a\\u0000b\\ud800c"}',
                parts=(Part("json", "\0\ud800"),),
            )
        ],
        connection,
    )

    kept = list(Message.objects.order_by("position").values_list("text", flat=True))
    assert kept == [*texts, "a\ufffdb\ufffdc"]
    odd = Message.objects.get(remote_id="m9").source
    assert json.loads(odd.raw) == {"t": "a\0b\ud800c"}
    assert odd.parts == [{"kind": "json", "text": "\ufffd\ufffd"}]


def test_it_tells_times_that_are_known_from_those_that_are_not() -> None:
    connection = make_connection()
    timeless = {"created_at": None, "time_source": "unknown"}
    store([message(1), message(2, time_source="id"), message(3, **timeless)], connection)
    Thread.objects.update(last_full_sync_at=NOW)
    later = NOW + timedelta(hours=2)

    store([message(4, **timeless)], connection, now=later)

    sources = Message.objects.order_by("position").values_list("time_source", "created_at")
    assert [source for source, _ in sources] == ["given", "id", "unknown", "seen"]
    assert sources[2][1] is None
    assert sources[3][1] == later


def test_it_places_a_message_without_a_time_after_the_one_before_it() -> None:
    connection = make_connection()
    timeless = {"created_at": None, "time_source": "unknown"}

    store([message(1), message(2, **timeless), message(3)], connection)

    keys = dict(Message.objects.values_list("remote_id", "search_key"))
    assert keys["m1"] < keys["m2"] < keys["m3"]


def test_it_refuses_a_thread_of_another_connection() -> None:
    project = make_project()
    store(messages(1), make_connection(project))

    with pytest.raises(archive.BoundElsewhere, match="another connection"):
        store(messages(2), make_connection(project))

    assert Message.objects.count() == 1


@pytest.mark.parametrize("external_id", ["", "x" * 201, "nul\0"])
def test_it_refuses_an_id_that_cannot_be_kept(external_id: str) -> None:
    with pytest.raises(archive.ArchiveError):
        store(messages(1), make_connection(), external_id=external_id)


def test_it_lets_a_file_add_to_a_connected_thread_but_change_nothing() -> None:
    connection = make_connection()
    store(messages(1), connection)

    stored = archive.store(
        [message(1, "other words"), message(2)],
        project=connection.project,
        external_id="conv_1",
        remote=RemoteThread("conv_1", title="Other", remark="look at this", tags=("vip",)),
        now=NOW,
    )

    thread = Thread.objects.get(pk=stored.thread_id)
    assert (stored.messages_new, stored.messages_changed) == (1, 0)
    assert (thread.title, thread.remark, thread.connection) == (
        "Other",
        "look at this",
        connection,
    )
    assert [tag.name for tag in thread.tags.all()] == ["vip"]
    assert Message.objects.get(remote_id="m1").text == "message 1"


def test_it_goes_on_after_a_writer_that_died_between_two_batches() -> None:
    connection = make_connection()

    def breaks() -> Iterable[RemoteMessage]:
        yield from messages(*range(1, 1_101))
        raise RuntimeError("the network, or a kill")

    with pytest.raises(RuntimeError):
        store(breaks(), connection)
    before = Message.objects.count()
    stored = store(messages(*range(1, 1_201)), connection)

    assert 0 < before < 1_200
    assert stored.messages_new == 1_200 - before
    rows = Message.objects.order_by("position").values_list("remote_id", flat=True)
    assert list(rows) == [f"m{number}" for number in range(1, 1_201)]
    assert Thread.objects.get().item_count == 1_200


def test_it_saves_the_cursor_in_the_transaction_of_the_messages() -> None:
    connection = make_connection()

    def finish(row: Thread, _: archive.Stored) -> None:
        row.last_item_id = "m2"
        raise RuntimeError("killed before the commit")

    with pytest.raises(RuntimeError):
        store(messages(1, 2), connection, finish=finish)

    assert not Message.objects.exists()
    assert not Thread.objects.exists()


def test_it_recognises_an_imported_message_however_its_json_is_written() -> None:
    project = make_project()
    moment = datetime.fromisoformat("2026-02-01T10:00:00+02:00")

    def bring(raw: str, created_at: datetime) -> archive.Stored:
        given = [message(1, "same", raw=raw, created_at=created_at)]
        return archive.store(given, project=project, external_id="t", now=NOW)

    bring('{"content": "same"}', moment)
    again = bring('{ "content":"same" }', datetime.fromisoformat("2026-02-01T08:00:00+00:00"))

    assert not again.is_changed
