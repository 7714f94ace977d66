"""Deleting the threads that somebody chose, here or here and at their store.

The store comes first: when it refuses, the thread stays here, so that nobody loses sight of what
is still there. A worker that dies in between is met by "no such thread" at the next attempt, which
counts as gone.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from projects.models import Connection
from threadhub.lib import audit
from threads import sync
from threads.archive.deletion import THREADS, delete_threads
from threads.models import Job, Message, Thread
from threads.sources import Denied, Eraser, SourceError, Throttled, Unavailable
from threads.work.slices import Outcome, Pace, cancelled, go_on, taken_over, wait

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_TRIES = 3  # failures of a store in a row, after which its other threads are left alone


class End(enum.StrEnum):
    """What became of one thread."""

    DELETED = "deleted"  # here; nobody asked for more, or there is no more: it came from a file
    ERASED = "erased"  # here and at its store
    WAS_GONE = "was_gone"  # here; its store had none any more
    HELD = "held"  # stays: legal hold
    KEPT = "kept"  # stays: its store did not delete it
    MISSING = "missing"  # was not here any more


GOOD = {End.DELETED, End.ERASED, End.WAS_GONE, End.MISSING}


@dataclass(slots=True)
class Ended:
    """What became of the threads so far, by primary key: the store's id, the end, and why."""

    rows: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> Ended:
        """Take up where the last slice was; whoever tries an ended job again tries what failed."""
        rows = {str(pk): list(row) for pk, row in job.result.get("threads", {}).items()}
        if "message" in job.result:
            rows = {pk: row for pk, row in rows.items() if End(row[1]) in GOOD}
        return cls(rows)

    def note(self, thread: Thread, end: End, why: str = "") -> None:
        self.rows[str(thread.pk)] = [thread.external_id, end.value, why[:300]]

    def counts(self) -> Counter[str]:
        return Counter(row[1] for row in self.rows.values())

    def as_json(self) -> dict[str, object]:
        return {"threads": self.rows, "counts": dict(self.counts())}


class Wait(Exception):
    """The calls of a connection are used up for the moment."""


class Stores:
    """The stores of one slice: each opened once, and left alone once it refuses everything."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[int, Eraser] = {}
        self._refused: dict[int, str] = {}
        self._failures: Counter[int] = Counter()

    def erase(self, thread: Thread) -> tuple[End, str]:
        """Delete `thread` at its store. :raises Wait: when that is possible later only."""
        connection = thread.connection
        if connection is None:
            if thread.upstream_state == Thread.UpstreamState.IMPORTED:
                return End.DELETED, ""
            return End.KEPT, _("Its connection was removed: nobody can delete it at its store.")
        if connection.pk in self._refused:
            return End.KEPT, self._refused[connection.pk]
        try:
            ended = self._eraser(connection).erase(
                thread.external_id, response_ids=_responses_of(thread)
            )
        except sync.BudgetSpent as error:
            raise Wait from error
        except SourceError as error:
            return End.KEPT, self._refusal(connection, error)
        self._failures[connection.pk] = 0
        return (End.ERASED, "") if ended == "deleted" else (End.WAS_GONE, "")

    def _eraser(self, connection: Connection) -> Eraser:
        if connection.pk not in self._open:
            self._open[connection.pk] = self._stack.enter_context(sync.eraser_for(connection))
        return self._open[connection.pk]

    def _refusal(self, connection: Connection, error: SourceError) -> str:
        if isinstance(error, Throttled) and not error.is_permanent:
            raise Wait from error
        self._failures[connection.pk] += 1
        is_all = isinstance(error, Denied | Throttled)
        is_away = isinstance(error, Unavailable) and self._failures[connection.pk] >= _TRIES
        if is_all or is_away:
            self._refused[connection.pk] = str(error)
        return str(error)


def _responses_of(thread: Thread) -> list[str]:
    """Return the responses of a chain, the oldest first; for other stores it is not asked."""
    if thread.store != Connection.Store.RESPONSES:
        return []
    rows = Message.objects.filter(thread=thread).exclude(group_id="").order_by("position")
    found = dict.fromkeys(rows.values_list("group_id", flat=True))
    return list(found) + ([thread.head_id] if thread.head_id else [])


def delete_chosen(job: Job) -> Outcome:
    """Delete the threads of a job, in slices, with one audit event for each step."""
    ids = [int(pk) for pk in job.parameters["thread_ids"]]
    ended = Ended.of(job)
    left = [pk for pk in ids if str(pk) not in ended.rows]
    pace = Pace()
    erases = bool(job.parameters.get("erases_upstream"))
    steps = _here_and_upstream if erases else _here
    try:
        for _step in steps(left, ended, by=job.requested_by):
            is_due = pace.is_due()
            if is_due and not _advance(job, ended, total=len(ids)):
                return taken_over(job)
            if pace.is_over():
                _advance(job, ended, total=len(ids))
                return cancelled(job) or go_on(job)
    except Wait:
        _advance(job, ended, total=len(ids))
        return cancelled(job) or wait()
    _advance(job, ended, total=len(ids))
    sentence = sentence_for(ended)
    kept = ended.counts()[End.KEPT]
    job.finish(
        now=timezone.now(),
        result={"message": sentence, **ended.as_json()},
        error=sentence if kept else "",
    )
    return Outcome(sentence)


def _advance(job: Job, ended: Ended, *, total: int) -> bool:
    return job.advance(
        now=timezone.now(), done=len(ended.rows), total=max(1, total), result=ended.as_json()
    )


def sentence_for(ended: Ended) -> str:
    """Say what became of the threads, in one sentence for each outcome that there was."""
    counts = ended.counts()
    gone = sum(counts[end] for end in (End.DELETED, End.ERASED, End.WAS_GONE))
    said = [ngettext("%d thread is deleted.", "%d threads are deleted.", gone) % gone]
    if count := counts[End.WAS_GONE]:
        text = ngettext(
            "%d of them was not at its store any more.",
            "%d of them were not at their store any more.",
            count,
        )
        said.append(text % count)
    if count := counts[End.HELD]:
        text = ngettext("%d stays: it is on legal hold.", "%d stay: they are on legal hold.", count)
        said.append(text % count)
    if count := counts[End.KEPT]:
        text = ngettext(
            "%d stays here too, because its store did not delete it.",
            "%d stay here too, because their store did not delete them.",
            count,
        )
        said.append(text % count)
    return " ".join(said)


def _threads(pks: Iterable[int]) -> dict[int, Thread]:
    found = Thread.objects.filter(pk__in=list(pks)).select_related("project", "connection")
    return found.in_bulk()


def _is_held(thread: Thread) -> bool:
    return thread.is_held or thread.project.is_held


def _note_rest(pks: list[int], found: dict[int, Thread], ended: Ended) -> None:
    """Note those that are not here any more."""
    for pk in pks:
        if pk not in found:
            ended.rows[str(pk)] = ["", End.MISSING.value, ""]


def _here(pks: list[int], ended: Ended, *, by: User | None) -> Iterator[None]:
    for start in range(0, len(pks), THREADS):
        chunk = pks[start : start + THREADS]
        found = _threads(chunk)
        _note_rest(chunk, found, ended)
        delete_threads(chunk, now=timezone.now())
        stay = set(Thread.objects.filter(pk__in=chunk).values_list("pk", flat=True))
        by_project: dict[int, list[str]] = {}
        for pk, thread in found.items():
            ended.note(thread, End.HELD if pk in stay else End.DELETED)
            if pk not in stay:
                by_project.setdefault(thread.project_id, []).append(thread.external_id)
        for project_id, external_ids in by_project.items():
            audit.record(
                action="thread.delete",
                actor=by,
                project_id=project_id,
                count=len(external_ids),
                threads=external_ids,
            )
        yield


def _here_and_upstream(pks: list[int], ended: Ended, *, by: User | None) -> Iterator[None]:
    with ExitStack() as stack:
        stores = Stores(stack)
        for pk in pks:
            thread = _threads([pk]).get(pk)  # as it is now: a hold may have come
            if thread is None:
                ended.rows[str(pk)] = ["", End.MISSING.value, ""]
            else:
                erase_one(thread, stores, ended, by=by)
            yield


def erase_one(thread: Thread, stores: Stores | None, ended: Ended, *, by: User | None) -> None:
    """Delete one thread unless it is on legal hold; note what became of it, here and on record.

    :param stores: where it is deleted first; None: nowhere but here.
    :raises Wait: when its store can be asked later only.
    """
    if _is_held(thread):
        end, why = End.HELD, ""
    else:
        end, why = stores.erase(thread) if stores else (End.DELETED, "")
        if end in GOOD and delete_threads([thread.pk], now=timezone.now()).held:
            end = End.HELD
            why = _("It came on legal hold here while it was deleted at its store.")
    ended.note(thread, end, why)
    # By its id alone: a title may say what was to be deleted.
    audit.record(
        action="thread.erase",
        actor=by,
        project_id=thread.project_id,
        outcome="ok" if end in GOOD else "refused" if end is End.HELD else "failed",
        threads=[thread.external_id],
        end=end.value,
        why=why,
    )
