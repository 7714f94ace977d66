"""Master keys that come and go: stored API keys are sealed anew, or found to be lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from projects.crypto import SecretError, sealed_with
from projects.keys import secret_box
from projects.models import Connection


@dataclass(frozen=True, slots=True)
class LostKey:
    """Stored keys that cannot be opened. `key_id` names their master key; "" is no token at all.

    `reason` is a sentence that says what to do; no secret is in it.
    """

    key_id: str
    connections: int
    reason: str


@dataclass(slots=True)
class Rotation:
    """What became of the stored keys."""

    resealed: int = 0
    already: int = 0
    unreadable: list[tuple[Connection, str]] = field(default_factory=list)  # with the reason


def sealed_connections() -> QuerySet[Connection]:
    """The connections that hold a key, in the order in which they are sealed anew."""
    return Connection.objects.exclude(sealed_key="").order_by("pk")


def lost_keys() -> list[LostKey]:
    """Open one stored key of each master key, the newest; return the master keys that fail.

    Two queries and one more for each master key, however many connections there are.
    """
    counts: dict[str, int] = {}
    newest: dict[str, int] = {}
    for pk, token in sealed_connections().values_list("pk", "sealed_key"):
        key_id = sealed_with(token)
        counts[key_id] = counts.get(key_id, 0) + 1
        newest[key_id] = pk
    lost = []
    for key_id, pk in newest.items():
        try:
            Connection.objects.get(pk=pk).open_key()
        except SecretError as error:
            lost.append(LostKey(key_id=key_id, connections=counts[key_id], reason=str(error)))
    return lost


def note_readability() -> tuple[int, int]:
    """Write into each connection's state whether its key can be opened; the keys stay as they are.

    Returns how many became unreadable, and how many can be opened again. Those wait as untested.
    """
    worse = better = 0
    for connection in sealed_connections():
        was_lost = connection.state == Connection.State.UNREADABLE
        try:
            connection.open_key()
        except SecretError as error:
            worse += not was_lost
            _write_state(connection, Connection.State.UNREADABLE, str(error))
        else:
            if was_lost:
                better += 1
                _write_state(connection, Connection.State.UNTESTED, "")
    return worse, better


def _write_state(connection: Connection, state: Connection.State, reason: str) -> None:
    same = Connection.objects.filter(pk=connection.pk, sealed_key=connection.sealed_key)
    same.update(state=state, state_reason=reason[:500])


def rotate(
    *, is_dry_run: bool = False, progress: Callable[[int], None] = lambda _count: None
) -> Rotation:
    """Seal every stored key with the newest master key, row by row.

    A row is written only while it still holds the token that was opened: a key that somebody
    enters meanwhile wins. It may be stopped at any row and started again. Rows that cannot be
    opened stay as they are, marked as unreadable.

    :param progress: called with the number of rows looked at.
    :raises NoMasterKey: when no usable master key is configured.
    """
    secret_box()  # without one every row would look lost
    done = Rotation()
    for number, connection in enumerate(sealed_connections().iterator(chunk_size=200), start=1):
        before = connection.sealed_key
        try:
            connection.open_key()
            is_new = connection.reseal()
        except SecretError as error:
            done.unreadable.append((connection, str(error)))
            if not is_dry_run:
                _write_state(connection, Connection.State.UNREADABLE, str(error))
            continue
        if not is_new:
            done.already += 1
        elif is_dry_run:
            done.resealed += 1
        else:
            same = Connection.objects.filter(pk=connection.pk, sealed_key=before)
            done.resealed += same.update(
                sealed_key=connection.sealed_key, key_fingerprint=connection.key_fingerprint
            )
        progress(number)
    return done


def connections_sealed_with(key_id: str) -> int:
    """Count the connections whose key the master key `key_id` opens; one query."""
    return Connection.objects.filter(sealed_key__startswith=f"th1${key_id}$").count()
