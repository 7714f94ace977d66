"""Says in words why a thread is read when it is read."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from projects.models import Connection
from threads import refresh
from threads.models import Thread
from threads.sync.budget import CallBudget
from threads.sync.choice import lowest_threshold, silence_of
from threads.sync.learning import expectation_for


def reason_for(thread: Thread, *, now: datetime) -> str:
    """Return a few sentences for people. Up to three queries; `connection` should be loaded."""
    connection = thread.connection
    if connection is None:
        return _("It came from a file: there is no source to ask.")
    if not thread.is_refreshable or thread.trashed_at is not None:
        return _("It is not refreshed.")
    why_not = _why_not(connection, now)
    if thread.last_synced_at is None:
        said = _("It was never read: new threads come first.")
    elif thread.upstream_state == Thread.UpstreamState.CLOSED:
        said = _("It is closed at its source, so only the weekly visit looks at it.")
    else:
        said = _expected(thread, connection, now)
    if thread.refresh_not_before is not None and thread.refresh_not_before > now:
        said = _("It is put off after a failure or a refusal.")
    return f"{said} {why_not}".strip()


def _why_not(connection: Connection, now: datetime) -> str:
    if not connection.is_enabled or not connection.is_refreshed:
        return _("Smart Refresh is switched off for its connection.")
    if connection.state not in Connection.CALLABLE_STATES:
        return _("Its connection cannot be asked at present.")
    if connection.paused_until is not None and connection.paused_until > now:
        return _("Its connection pauses because the server asked for it.")
    if CallBudget(connection).is_day_spent():
        return _("The calls per day of its connection are used up; more are made from 00:00 UTC.")
    return ""


def _expected(thread: Thread, connection: Connection, now: datetime) -> str:
    assert thread.last_synced_at is not None  # noqa: S101 - the caller has looked
    expectation = expectation_for(thread.project_id)
    silence = silence_of(
        last_message_at=thread.last_message_timestamp,
        created_at=thread.created_at,
        synced_at=thread.last_synced_at,
        session_count=thread.session_count,
    )
    since = max(0.0, (now - thread.last_synced_at).total_seconds())
    score = expectation.score(silence, since)
    threshold = max(connection.refresh_threshold, lowest_threshold(connection))
    said = _(
        "There is something new with a probability of %(chance)s %%. One call now is expected to"
        " end %(score)s message-seconds of waiting; it is due at %(threshold)s."
    ) % {
        "chance": f"{100 * expectation.chance(silence, since):.2g}",
        "score": f"{score:,.0f}",
        "threshold": f"{threshold:,.0f}",
    }
    if now - thread.last_synced_at > refresh.LONGEST_UNSYNCED * 0.75:
        said += " " + _("It is read soon in any case: it was not for a week.")
    return said
