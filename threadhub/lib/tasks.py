"""The one door to the task queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django_q.models import Task
from django_q.tasks import async_task

# django-q2 takes these out of a task's own keywords.
_RESERVED = frozenset(
    {"hook", "group", "save", "sync", "cached", "iter_count", "iter_cached", "chain", "broker"}
    | {"timeout", "ack_failure", "task_name", "cluster", "q_options"}
)


def enqueue(task: Callable[..., Any], **kwargs: int | str | None) -> None:
    """Queue `task` once the surrounding transaction commits.

    Arguments are keyword-only plain values (primary keys, not model instances), so a task
    queued by an older release still runs after an upgrade.

    :raises ValueError: when a keyword is one that django-q2 would take for itself.
    """
    if taken := _RESERVED.intersection(kwargs):
        raise ValueError(f"django-q2 keeps {sorted(taken)} for itself; name the argument otherwise")
    name = f"{task.__module__}.{task.__qualname__}"
    transaction.on_commit(partial(async_task, name, **kwargs))


def forget_results(*, before: datetime) -> int:
    """Delete what the queue noted about tasks that ended before that moment. Returns how many."""
    deleted, _ = Task.objects.filter(stopped__lt=before).delete()
    return int(deleted)
