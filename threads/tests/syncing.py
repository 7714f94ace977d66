"""What tests of syncs do first: threads that a connection has not read yet, and a run over them."""

from __future__ import annotations

from typing import Any

from projects.models import Connection
from threads import sync
from threads.models import SyncRun
from threads.sync import Tally
from threads.tests.factories import NOW, make_connection, make_thread
from threads.tests.openai_server import OpenAIServer, text_item


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
