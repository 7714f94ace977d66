"""What a thread knows of its messages: counts, tokens, its title, who spoke, what is in them."""

from __future__ import annotations

import pytest

from projects.models import Project
from threads import archive
from threads.archive.totals import Totals
from threads.models import Assistant, Message, Thread
from threads.sources import Part, RemoteThread, Usage
from threads.tests.archiving import message, messages, store
from threads.tests.factories import NOW, make_connection, make_project

pytestmark = pytest.mark.django_db


def test_it_counts_messages_items_sessions_and_tokens() -> None:
    connection = make_connection()
    thread = RemoteThread("conv_1", usage=Usage(10, 5, 15, source="run", is_exact=True))
    given = [
        message(1, "a" * 8),
        message(2, "b" * 8, kind="tool_call"),
        message(100, "c" * 8),  # more than half an hour later: a session of its own
    ]

    stored = store(given, connection, remote=thread)

    row = Thread.objects.get(pk=stored.thread_id)
    assert (row.message_count, row.item_count, row.session_count) == (2, 3, 2)
    assert (row.total_tokens, row.usage_source, row.estimated_tokens) == (15, "run", 6)
    assert row.last_message_timestamp == given[-1].created_at


def test_it_leaves_tokens_unknown_where_nobody_told_them() -> None:
    stored = store(messages(1), make_connection())

    row = Thread.objects.get(pk=stored.thread_id)
    assert (row.input_tokens, row.output_tokens, row.total_tokens) == (None, None, None)


def test_it_comes_to_the_same_totals_step_by_step_as_from_the_start() -> None:
    connection = make_connection()
    for part in (messages(1, 2), messages(2, 3, 50), [message(2, "edited")], messages(51, 500)):
        store(part, connection)

    row = Thread.objects.get()
    recounted = Totals.recount(row)
    assert (row.message_count, row.item_count) == (recounted.message_count, recounted.item_count)
    assert row.session_count == recounted.session_count == 3
    assert row.estimated_tokens == recounted.estimated_tokens
    assert row.last_message_timestamp == recounted.last_at


@pytest.mark.parametrize(
    ("thread", "title"),
    [
        (RemoteThread("conv_1", title="Given"), "Given"),
        (RemoteThread("conv_1", metadata={"topic": "From the metadata"}), "From the metadata"),
        (RemoteThread("conv_1"), "Where is my\N{ZERO WIDTH SPACE} parcel?"),
    ],
)
def test_it_names_a_thread(thread: RemoteThread, title: str) -> None:
    given = [message(1), message(2, " Where is my\N{ZERO WIDTH SPACE}\n parcel? ")]

    store(given, make_connection(), remote=thread)

    assert Thread.objects.get().title == title


def test_it_knows_the_assistants_by_name() -> None:
    connection = make_connection()
    thread = RemoteThread("conv_1", assistant_id="asst_1", assistant_name="Shop helper")

    store([message(1, assistant_id="asst_2")], connection, remote=thread)
    store([message(2, assistant_id="asst_2")], connection, external_id="conv_2")

    assert set(Assistant.objects.values_list("external_id", "name")) == {
        ("asst_1", "Shop helper"),
        ("asst_2", ""),
    }
    assert set(Thread.objects.values_list("external_id", "assistant__external_id")) == {
        ("conv_1", "asst_1"),
        ("conv_2", "asst_2"),
    }


def test_it_notes_what_has_searches_for() -> None:
    connection = make_connection()
    given = [
        message(1, "see HTTPS://example.org and ```code```"),
        message(2, "", parts=(Part("image"), Part("file"))),
        message(3, "no", parts=(Part("refusal", "no"),), status="failed"),
        message(4, "f()", kind="tool_call"),
        message(5, "plain"),
    ]

    store(given, connection)

    feature = Message.Feature
    assert list(Message.objects.order_by("position").values_list("features", flat=True)) == [
        feature.LINK | feature.CODE,
        feature.IMAGE | feature.FILE,
        feature.REFUSAL | feature.ERROR,
        feature.TOOL,
        0,
    ]


def test_it_counts_the_tokens_that_a_file_gives_with_its_messages() -> None:
    project: Project = make_project()
    given = [
        message(1, input_tokens=7, output_tokens=2),
        message(2, input_tokens=3, output_tokens=1),
    ]

    archive.store(given[:1], project=project, external_id="t", now=NOW)
    archive.store(given, project=project, external_id="t", now=NOW)

    thread = Thread.objects.get()
    assert (thread.input_tokens, thread.output_tokens, thread.total_tokens) == (10, 3, 13)
    assert thread.usage_source == "file"
