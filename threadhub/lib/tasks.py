"""The one door to the task queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django_q.models import Task
from django_q.tasks import async_task

from threadhub.lib.logs import redact

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


def queue_again(pk: str) -> str | None:
    """Queue a failed task again with its arguments, and forget that it failed; three queries.

    Returns the task's function; None when it did not fail, or somebody queued it before.
    """
    with transaction.atomic():
        task = Task.objects.filter(pk=pk, success=False).first()
        if task is None or not Task.objects.filter(pk=pk, success=False).delete()[0]:
            return None
        # Before the commit: a queue that is away then leaves the failure where it was. Should the
        # commit fail, the task runs although it is still listed, and each is safe to run twice.
        async_task(task.func, *(task.args or ()), **(task.kwargs or {}))
        return str(task.func)


@receiver(pre_save, sender=Task)
def _hide_secrets(instance: Task, **_sent: Any) -> None:
    """Keep no key that a traceback holds: the queue writes down how a task failed."""
    if isinstance(instance.result, str):
        instance.result = redact(instance.result)


def forget_results(*, before: datetime) -> int:
    """Delete what the queue noted about tasks that ended before that moment. Returns how many."""
    deleted, _ = Task.objects.filter(stopped__lt=before).delete()
    return int(deleted)
