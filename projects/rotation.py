"""Master keys that come and go: stored API keys are sealed anew, or found to be lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from projects.accounts import second_factor
from projects.crypto import SecretError, sealed_with
from projects.keys import secret_box
from projects.models import Connection


@dataclass(frozen=True, slots=True)
class LostKey:
    """Stored keys that cannot be opened. `key_id` names their master key; "" is no token at all.

    `second_factors` counts the secrets of apps and recovery codes. `reason` is a sentence that
    says what to do; no secret is in it.
    """

    key_id: str
    connections: int
    reason: str
    second_factors: int = 0


@dataclass(slots=True)
class Rotation:
    """What became of the stored keys."""

    resealed: int = 0
    already: int = 0
    unreadable: list[tuple[Connection, str]] = field(default_factory=list)  # with the reason
    second_factors: int = 0  # secrets of apps and recovery codes that were sealed anew
    lost_second_factors: int = 0


def sealed_connections() -> QuerySet[Connection]:
    """The connections that hold a key, in the order in which they are sealed anew."""
    return Connection.objects.exclude(sealed_key="").order_by("pk")


def lost_keys() -> list[LostKey]:
    """Open one stored key of each master key, the newest; return the master keys that fail.

    Three queries and one more for each master key, however many connections there are; the
    secrets of second factors are few and opened one by one.
    """
    counts: dict[str, int] = {}
    newest: dict[str, int] = {}
    for pk, token in sealed_connections().values_list("pk", "sealed_key"):
        key_id = sealed_with(token)
        counts[key_id] = counts.get(key_id, 0) + 1
        newest[key_id] = pk
    reasons: dict[str, str] = {}
    for key_id, pk in newest.items():
        try:
            Connection.objects.get(pk=pk).open_key()
        except SecretError as error:
            reasons[key_id] = str(error)
    factors = second_factor.lost()
    reasons |= {key_id: reason for key_id, (_count, reason) in factors.items()}
    return [
        LostKey(
            key_id=key_id,
            connections=counts.get(key_id, 0),
            reason=reason,
            second_factors=factors.get(key_id, (0, ""))[0],
        )
        for key_id, reason in reasons.items()
    ]


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
    _rotate_second_factors(done, is_dry_run=is_dry_run)
    return done


def _rotate_second_factors(done: Rotation, *, is_dry_run: bool) -> None:
    for pk, name, token in list(second_factor.tokens()):
        try:
            second_factor.unseal(token)
        except SecretError:
            done.lost_second_factors += 1
            continue
        if is_dry_run:
            done.second_factors += secret_box().needs_rotation(token)
        else:
            done.second_factors += second_factor.reseal(pk, name)


def sealed_count(key_id: str) -> tuple[int, int]:
    """Count the API keys and the secrets of second factors that the master key `key_id` opens."""
    connections = Connection.objects.filter(sealed_key__startswith=f"th1${key_id}$").count()
    return connections, second_factor.sealed_by(key_id)
