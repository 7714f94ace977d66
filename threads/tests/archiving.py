"""What tests of the archive do: make the messages of a conversation and store them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from projects.models import Connection
from threads import archive
from threads.sources import RemoteMessage
from threads.tests.factories import NOW


def message(number: int, text: str | None = None, **fields: Any) -> RemoteMessage:
    """Make the n-th message of a conversation, a minute after the one before."""
    text = f"message {number}" if text is None else text
    fields.setdefault("created_at", NOW - timedelta(days=1) + timedelta(minutes=number))
    fields.setdefault("time_source", "given")
    fields.setdefault("raw", json.dumps({"id": f"m{number}", "text": text}))
    role = "assistant" if number % 2 else "user"
    return RemoteMessage(f"m{number}", fields.pop("role", role), text, **fields)


def messages(*numbers: int) -> list[RemoteMessage]:
    return [message(number) for number in numbers]


def store(given: Iterable[RemoteMessage], connection: Connection, **options: Any) -> archive.Stored:
    options.setdefault("now", NOW)
    options.setdefault("external_id", "conv_1")
    return archive.store(given, project=connection.project, connection=connection, **options)
