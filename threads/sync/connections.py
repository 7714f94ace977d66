"""From a connection's row to a source that can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.crypto import SecretError
from projects.models import Connection
from threadhub.lib import audit
from threads.sources import (
    Credentials,
    Denied,
    Eraser,
    Source,
    SourceError,
    open_eraser,
    open_files,
    open_source,
)
from threads.sync.budget import BudgetSpent, CallBudget
from threads.sync.writing import write_connection_error

if TYPE_CHECKING:
    from threads.sources.files import Files

_DAY_SECONDS = 86_400


@contextmanager
def source_for(
    connection: Connection,
    *,
    share: float = 1.0,
    waits: bool = False,
    most_calls: int | None = None,
) -> Iterator[Source]:
    """Open the source behind a connection, within its calls per minute, and close it after.

    :param share: the part of the calls that this use may take.
    :param waits: wait for room when the calls are used up. For a foreground command only.
    :param most_calls: how many calls this use may make in all; None for no such limit.
    :raises Denied: when there is no key, or it cannot be opened; the text says what to do.
    :raises SourceError: when the address is not one that may be called.
    """
    credentials = _credentials(connection)
    budget = CallBudget(connection, share=share, waits=waits, most=most_calls)
    source = open_source(
        connection.store,
        credentials,
        allow_private_hosts=settings.THREADHUB_ALLOW_PRIVATE_HOSTS,
        before_call=budget.take,
    )
    try:
        yield source
    finally:
        source.close()


@contextmanager
def eraser_for(connection: Connection) -> Iterator[Eraser]:
    """Open what deletes threads behind a connection, within its calls per minute; close it after.

    Raises what `source_for` does.
    """
    eraser = open_eraser(
        connection.store,
        _credentials(connection),
        allow_private_hosts=settings.THREADHUB_ALLOW_PRIVATE_HOSTS,
        before_call=CallBudget(connection).take,
    )
    try:
        yield eraser
    finally:
        eraser.close()


@contextmanager
def files_for(connection: Connection) -> Iterator[Files]:
    """Open the files that a connection's key can read, within its calls, and close it after.

    Raises what `source_for` does.
    """
    files = open_files(
        _credentials(connection),
        allow_private_hosts=settings.THREADHUB_ALLOW_PRIVATE_HOSTS,
        before_call=CallBudget(connection).take,
    )
    try:
        yield files
    finally:
        files.close()


def _credentials(connection: Connection) -> Credentials:
    """Open the key, which puts its use on the audit log. :raises Denied: when it cannot be."""
    try:
        key = connection.open_key()
    except SecretError as error:
        connection.state = Connection.State.UNREADABLE
        connection.state_reason = str(error)[:500]
        connection.save(update_fields=["state", "state_reason"])
        raise Denied(str(error)) from None
    _note_use(connection)
    return Credentials(
        api_key=key,
        base_url=connection.base_url,
        azure_endpoint=connection.azure_endpoint,
        azure_api_version=connection.azure_api_version,
    )


def _note_use(connection: Connection) -> None:
    """Put the first use of a key on each day on the audit log: a minute has one, too."""
    name = f"audit:key:{connection.pk}:{connection.key_fingerprint}:{timezone.now():%Y%m%d}"
    if connection.has_key and cache.add(name, 1, timeout=_DAY_SECONDS):
        audit.record(
            action="connection.use_key",
            target=connection,
            project_id=connection.project_id,
            key_ending=connection.key_ending,
        )


def try_connection(connection: Connection, *, now: datetime) -> str:
    """Make one cheap call and write the connection's state. Returns a sentence for people.

    The state tells whether it went well: `Connection.State.WORKING`.
    """
    try:
        with source_for(connection) as source:
            source.check()
    except BudgetSpent as error:
        return str(error)
    except SourceError as error:
        if connection.state != Connection.State.UNREADABLE:
            _note(connection, error, now=now)
        return str(error)
    connection.state, connection.state_reason = Connection.State.WORKING, ""
    connection.checked_at, connection.paused_until = now, None
    connection.save(update_fields=["state", "state_reason", "checked_at", "paused_until"])
    return _("The key and the address work.")


def _note(connection: Connection, error: SourceError, *, now: datetime) -> None:
    if not write_connection_error(connection, error, now=now):
        connection.state = Connection.State.UNREACHABLE
    connection.state_reason = str(error)[:500]
    connection.checked_at = now
    connection.save(update_fields=["state", "state_reason", "checked_at"])
