"""Deleting for good, in small transactions: nobody waits for it, and it may stop anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import transaction

from threads.models import FileReference, Message, MessageSource, Thread, Tombstone
from threads.models.tombstone import id_hash

# Messages of one transaction: half a second on SQLite, whose other writers wait for it.
MESSAGES = 2_000
THREADS = 100
_COLUMNS = ("is_held", "project__is_held", "connection_id", "external_id")


@dataclass(slots=True)
class Deleted:
    threads: int = 0
    messages: int = 0
    held: int = 0  # threads that stay, because they or their project are on legal hold now

    def __iadd__(self, other: Deleted) -> Deleted:
        self.threads += other.threads
        self.messages += other.messages
        self.held += other.held
        return self


def delete_threads(
    thread_ids: Iterable[int],
    *,
    now: datetime,
    keep_going: Callable[[Deleted], bool] = lambda _deleted: True,
) -> Deleted:
    """Delete threads with all that belongs to them; what is on legal hold stays.

    Holds are looked at in each transaction, so one that is put on while this runs still counts.
    A thread goes to the trash first: nobody ever sees half of one.

    :param keep_going: asked after each transaction; False stops. What is left is in the trash.
    """
    total = Deleted()
    rest = iter(thread_ids)
    while batch := list(islice(rest, THREADS)):
        is_done = False
        while not is_done:
            is_done, deleted = _delete_some(batch, now=now)
            total += deleted
            if not keep_going(total):
                return total
    return total


@transaction.atomic
def _delete_some(batch: list[int], *, now: datetime) -> tuple[bool, Deleted]:
    """Delete up to MESSAGES of them, and the threads when no message is left."""
    locked = Thread.objects.select_for_update(of=("self",)).filter(pk__in=batch).order_by("pk")
    known = list(locked.select_related("project").only(*_COLUMNS))
    going = [thread for thread in known if not (thread.is_held or thread.project.is_held)]
    free = [thread.pk for thread in going]
    Thread.objects.filter(pk__in=free, trashed_at__isnull=True).update(trashed_at=now)
    found = Message.objects.filter(thread__in=free).values_list("pk", flat=True)
    pks = list(found.order_by("thread_id", "position")[:MESSAGES])
    sources = MessageSource.objects.filter(message__in=pks)
    sources._raw_delete(sources.db)  # nothing hangs on them
    files = FileReference.objects.filter(message__in=pks)
    files._raw_delete(files.db)
    Message.objects.filter(pk__in=pks).only("pk").delete()
    if len(pks) == MESSAGES:
        return False, Deleted(messages=len(pks))
    _remember(going, now=now)
    Thread.objects.filter(pk__in=free).delete()
    return True, Deleted(threads=len(free), messages=len(pks), held=len(known) - len(free))


def _remember(threads: Iterable[Thread], *, now: datetime) -> None:
    """Note what a store may list again, so that nothing comes back that was deleted."""
    stones = [
        Tombstone(project_id=thread.project_id, id_hash=id_hash(thread.external_id), deleted_at=now)
        for thread in threads
        if thread.connection_id is not None
    ]
    Tombstone.objects.bulk_create(stones, ignore_conflicts=True)
