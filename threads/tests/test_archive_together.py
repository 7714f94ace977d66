"""Many threads in one transaction: kept apart, in a fixed number of queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from threads import archive
from threads.archive import writer
from threads.models import Message, Thread
from threads.sources import RemoteMessage, RemoteThread
from threads.tests.archiving import message
from threads.tests.factories import NOW, make_project

pytestmark = pytest.mark.django_db


def brought(number: int, *said: RemoteMessage, **fields: Any) -> tuple[RemoteThread, list[Any]]:
    return RemoteThread(f"conv_{number}", **fields), list(said)


def together(*threads: tuple[RemoteThread, list[Any]], project: Project) -> list[archive.Stored]:
    return writer.store_together(threads, project=project, now=NOW)


def began(number: int) -> datetime:
    return NOW - timedelta(hours=number)


def test_it_stores_many_threads_with_a_fixed_number_of_queries() -> None:
    project = make_project()
    threads = [
        brought(
            number,
            *(
                message(each, assistant_id=f"asst_{number % 3}", created_at=began(number))
                for each in range(1, 5)
            ),
            tags=(f"tag {number % 2}",),
        )
        for number in range(100)
    ]
    statements = []
    for part in (threads[:5], threads[5:]):
        with CaptureQueriesContext(database) as queries:
            together(*part, project=project)
        statements.append(len(queries))

    # The second part finds the assistants and tags that the first one made, which saves five;
    # its 380 messages take one statement more than 250.
    assert statements[1] < statements[0] < 20
    assert Thread.objects.filter(item_count=4, tags__isnull=False).count() == 100


def test_it_keeps_threads_of_one_transaction_apart() -> None:
    project = make_project()
    together(brought(1, message(1)), brought(2, message(1), message(2)), project=project)

    first, second, third = together(
        brought(1, message(1, "edited"), message(3)),
        brought(2, message(1), message(2)),
        brought(3, message(9, None, raw="{}")),
        project=project,
    )

    assert (first.messages_new, first.messages_changed, first.is_created) == (1, 1, False)
    assert not second.is_changed
    assert (third.messages_new, third.is_created) == (1, True)
    listed = Message.objects.order_by("thread__external_id", "position")
    assert list(listed.values_list("thread__external_id", "position", "text")) == [
        ("conv_1", 1, "edited"),
        ("conv_1", 2, "message 3"),
        ("conv_2", 1, "message 1"),
        ("conv_2", 2, "message 2"),
        ("conv_3", 1, "message 9"),
    ]
    assert {row.source.raw for row in listed.filter(thread__external_id="conv_3")} == {"{}"}
    assert sorted(Thread.objects.values_list("item_count", flat=True)) == [1, 2, 2]


def test_it_writes_the_same_row_as_a_model_does() -> None:
    project = make_project()

    (stored,) = together(
        brought(1, message(1), metadata={"team": "ä"}, created_at=NOW), project=project
    )

    written = Thread.objects.get(pk=stored.thread_id)
    model = Thread(
        project=project,
        external_id="conv_1",
        short_id=written.short_id,
        store="import",
        metadata={"team": "ä"},
        created_at=NOW,
        archived_at=NOW,
        title=written.title,
        message_count=1,
        item_count=1,
        session_count=1,
        estimated_tokens=3,
        upstream_state=written.upstream_state,
        last_message_timestamp=message(1).created_at,
        pk=written.pk,
    )
    for column in Thread._meta.concrete_fields:
        assert getattr(written, column.attname) == getattr(model, column.attname), column.name
