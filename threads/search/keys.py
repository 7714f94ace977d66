"""One number a message that orders the whole archive by time: the row id of the search index.

A key is the message's second since 2020, times eight, plus a running number while taken. An
index in this order answers "newest first" by reading it backwards and a date filter by a range,
both without a look into the table. More than eight messages in one second spill into the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_EPOCH_SECONDS = 1_577_836_800  # EPOCH as Unix time
_SHIFT = 3
_WINDOW = 1 << _SHIFT  # keys of one second
_FAR = 48  # doublings of a step that reach past every key there can be
_PROBES = 64  # keys asked about at once when a run of taken ones is searched for its end
_ADVISORY_LOCK = 7_466_021  # any number that is the same in every process


def key_for(moment: datetime) -> int:
    """Return the first key of `moment`'s second: messages from then on have this or more."""
    if moment.tzinfo is None:
        msg = "a search key needs a time with its zone"
        raise ValueError(msg)
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) << _SHIFT


def time_of(key: int) -> datetime:
    """Return the second that `key` stands for. After a spill it is a little late."""
    return EPOCH + timedelta(seconds=key >> _SHIFT)


def allocate(times: Sequence[datetime], *, using: str = "default") -> list[int]:
    """Return a free key for each time; give the thread's messages in the order of position.

    Equal times get rising keys in the order given. A message without a time takes the time at
    which it is archived. The keys are free until the transaction ends, in which the messages
    have to be written: on PostgreSQL a lock makes the next writer wait for that end, on SQLite
    the transaction holds the write lock. One query as a rule; a few more when a second is full.

    :raises TransactionManagementError: outside of a transaction.
    """
    if not times:
        return []
    connection = connections[using]
    if not connection.in_atomic_block:
        msg = "search keys are given out inside the transaction that writes the messages"
        raise transaction.TransactionManagementError(msg)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])

    wanted = [key_for(moment) for moment in times]
    taken = _taken_in_windows(connection, sorted(set(wanted)))
    keys = [0] * len(wanted)
    after = None  # the last key given out; the next one is higher
    free_until = None  # everything from `after` up to here is known to be free
    for index in sorted(range(len(wanted)), key=lambda index: (wanted[index], index)):
        base = wanted[index]
        key = base if after is None or after < base else after + 1
        if key < base + _WINDOW:
            while key in taken:
                key += 1
        if key >= base + _WINDOW and (free_until is None or key >= free_until):
            key, free_until = _free_run(connection, key)
        keys[index] = after = key
    return keys


def _taken_in_windows(connection: BaseDatabaseWrapper, bases: list[int]) -> set[int]:
    """The keys in use within the second of each base."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT m.search_key FROM unnest(%s::bigint[]) AS b(base)"
                " JOIN threads_message m"
                " ON m.search_key >= b.base AND m.search_key < b.base + %s",
                [bases, _WINDOW],
            )
        else:
            cursor.execute(
                "SELECT m.search_key FROM json_each(%s) AS b CROSS JOIN threads_message m"
                " ON m.search_key >= b.value AND m.search_key < b.value + %s",
                [str(bases), _WINDOW],
            )
        return {row[0] for row in cursor.fetchall()}


def _free_run(connection: BaseDatabaseWrapper, start: int) -> tuple[int, int]:
    """Return the first key of a free run at or after `start`, and the key that ends the run.

    Steps double until a free key is met, then the gap is narrowed: a second into which ten
    thousand messages spilled costs four queries, not ten thousand.
    """
    low, high = start - 1, start  # low is taken or before the start; high becomes a free one
    probes = [start, *(start + (1 << power) for power in range(_FAR))]
    while True:
        in_use = _in_use(connection, probes)
        high = next(probe for probe in probes if probe not in in_use)
        low = max((probe for probe in probes if probe < high), default=low)
        if high - low == 1:
            break
        step = max(1, (high - low) // _PROBES)
        probes = [*range(low + 1, high, step), high]
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(search_key) FROM threads_message WHERE search_key > %s", [high])
        (ends,) = cursor.fetchone()
    return high, (1 << 62) if ends is None else int(ends)


def _in_use(connection: BaseDatabaseWrapper, keys: list[int]) -> set[int]:
    marks = ", ".join(["%s"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT search_key FROM threads_message WHERE search_key IN ({marks})",  # noqa: S608
            keys,
        )
        return {row[0] for row in cursor.fetchall()}
