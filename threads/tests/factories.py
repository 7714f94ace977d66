"""Plain functions that make rows for tests; name only what the test is about."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from projects.models import Connection, Project
from threads.models import Message, Thread
from threads.models.thread import Store
from threads.search import keys

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_project(name: str = "Support", **fields: Any) -> Project:
    """Make a public project unless `visibility` says otherwise."""
    fields.setdefault("visibility", Project.Visibility.PUBLIC)
    fields.setdefault("slug", Project.slug_for(name))
    return Project.objects.create(name=name, **fields)


def make_connection(project: Project | None = None, **fields: Any) -> Connection:
    """Make a connection to the conversations store; `base_url` leads to a test's own server."""
    key = fields.pop("key", "sk-test-0123456789abcdefghij")
    fields.setdefault("store", Connection.Store.CONVERSATIONS)
    fields.setdefault("calls_per_minute", 100_000)
    connection = Connection(project=project or make_project(), **fields)
    connection.set_key(key)
    connection.save()
    return connection


def make_thread(project: Project | None = None, **fields: Any) -> Thread:
    """Make an empty thread, in a public project of its own unless one is given."""
    number = next(_numbers)
    fields.setdefault("external_id", f"thread_{number:06d}")
    fields.setdefault("store", Store.ASSISTANTS)
    fields.setdefault("created_at", NOW)
    return Thread.objects.create(project=project or make_project(), **fields)


def make_message(thread: Thread, text: str = "Hello", **fields: Any) -> Message:
    """Add a message at the end of `thread`, a minute after the one before it."""
    with transaction.atomic():
        position = fields.pop("position", None) or thread.messages.count() + 1
        fields.setdefault("created_at", NOW + timedelta(minutes=position))
        fields.setdefault("remote_id", f"msg_{thread.pk}_{position}")
        fields.setdefault("role", Message.Role.USER)
        if "search_key" not in fields:
            (fields["search_key"],) = keys.allocate([fields["created_at"] or NOW])
        return Message.objects.create(
            thread=thread,
            project_id=fields.pop("project_id", thread.project_id),
            position=position,
            text=text,
            **fields,
        )


def make_conversation(*texts: str, project: Project | None = None, **fields: Any) -> Thread:
    """Make a thread in which a user and an assistant take turns saying `texts`."""
    thread = make_thread(project, **fields)
    for number, text in enumerate(texts):
        role = Message.Role.ASSISTANT if number % 2 else Message.Role.USER
        make_message(thread, text, role=role)
    return thread
