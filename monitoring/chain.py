"""The audit log's chain: each row is hashed together with the hash of the row before it.

Whoever changes, removes or slips in a row in between has to make every later hash anew, and
whoever keeps a hash somewhere else (`verify_audit` prints the last one) can tell. The account is
not part of the hash: it is emptied when an account is deleted; its name is, and stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

from django.db import connection, transaction

from monitoring.models import AuditEvent

_LOCK = 0x7468_6175  # "thau": PostgreSQL's name for the right to write the next row
_HASHED = (
    *("actor_name", "ip", "request_id", "action", "target_type", "target_id", "target_label"),
    *("project_id", "outcome", "details", "previous_hash"),
)


def row_hash(event: AuditEvent) -> str:
    """Return the SHA-256 (64 hex digits) over the row's canonical form: JSON, keys sorted."""
    form = {name: getattr(event, name) for name in _HASHED}
    form["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def append(event: AuditEvent) -> None:
    """Add a row at the end of the chain, in the transaction that is open or one of its own.

    Writers take turns until they commit: SQLite has one writer at a time, PostgreSQL a lock for
    this. Two queries, three on PostgreSQL.
    """
    # No savepoint: what cannot be recorded must not be done either.
    with transaction.atomic(savepoint=False):
        _link([event])
        event.save(force_insert=True)


def append_many(events: Sequence[AuditEvent]) -> None:
    """Add rows at the end of the chain in the order given: two queries, three on PostgreSQL."""
    with transaction.atomic(savepoint=False):
        _link(events)
        AuditEvent.objects.bulk_create(events)


def _link(events: Sequence[AuditEvent]) -> None:
    """Take the turn to write, and chain `events` to the last row."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = AuditEvent.objects.order_by("-pk").values_list("row_hash", flat=True).first() or ""
    for event in events:
        event.previous_hash = last
        event.row_hash = last = row_hash(event)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an examination of the chain found."""

    count: int  # of rows that were examined
    last_hash: str
    broken_id: int | None = None  # the first row that is not as it was written
    problem: str = ""
    has_expected: bool = True  # False: the hash that was asked for is nowhere in the chain


def verify(*, expected: str = "", progress: Callable[[int], None] = lambda _count: None) -> Verdict:
    """Examine the chain from its first row on.

    :param expected: a hash that was noted before; rows cut off at the end show by its absence.
    """
    previous, count, is_found = "", 0, not expected
    for event in AuditEvent.objects.order_by("pk").iterator(chunk_size=1_000):
        problem = ""
        if event.previous_hash != previous:
            problem = "a row before it was removed or put in"
        elif event.row_hash != row_hash(event):
            problem = "it was changed"
        if problem:
            return Verdict(count, previous, event.pk, problem, is_found)
        previous = event.row_hash
        is_found = is_found or previous == expected
        count += 1
        if count % 1_000 == 0:
            progress(count)
    return Verdict(count, previous, has_expected=is_found)
