"""Smart Refresh: one round over all connections, each within its calls per minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from projects.models import Connection, SiteSettings
from threads import sync
from threads.work.reading import sentence_for

_ROUND = timedelta(seconds=50)  # a round of the refresh ends before the next one begins
_LAST_ROUND = "refresh-round"
_LAST_TURN = "refresh-turn"
_MINUTE = timedelta(minutes=1)
_EARLY = timedelta(seconds=30)  # the queue calls each minute, at times a little sooner
_MARK_SECONDS = 300  # for so long a round whose worker died keeps others off its connection


def refresh_due() -> str:
    """Read what is due, connection by connection."""
    totals = sync.Tally()
    rules, now = SiteSettings.current(), timezone.now()
    if not rules.refreshes_automatically:
        return _("Smart Refresh is switched off in the settings.")
    if not _is_time(now, every=timedelta(minutes=rules.refresh_minutes)):
        return _("The next round is not due yet.")
    until = now + _ROUND
    hour = timezone.localtime(now).hour
    for connection in _in_turn(now):
        if not connection.is_refresh_hour(hour):
            continue
        mark = f"refresh:{connection.pk}"
        if timezone.now() >= until or not cache.add(mark, 1, timeout=_MARK_SECONDS):
            continue  # another worker is at it
        cache.set(_LAST_TURN, connection.pk, timeout=None)
        try:
            tally = sync.refresh_connection(
                connection,
                now=now,
                seconds=60.0 * rules.refresh_minutes,
                keep_going=lambda _: timezone.now() < until,
            )
        finally:
            cache.delete(mark)
        totals.threads_read += tally.threads_read
        totals.messages_new += tally.messages_new
        totals.messages_changed += tally.messages_changed
    return sentence_for(totals)


def _in_turn(now: datetime) -> list[Connection]:
    """Return whom to refresh, beginning behind the one that had the last turn.

    A round may end before the last of them, where servers are slow: always beginning with the
    same ones would starve the others.
    """
    last = cache.get(_LAST_TURN, 0)
    found = Connection.objects.usable(now).filter(is_refreshed=True)
    return sorted(found, key=lambda connection: (connection.pk <= last, connection.pk))


def _is_time(now: datetime, *, every: timedelta) -> bool:
    """Whether a round may begin; notes that it does."""
    last = cache.get(_LAST_ROUND)
    if every > _MINUTE and last is not None and now - last < every - _EARLY:
        return False
    cache.set(_LAST_ROUND, now, timeout=None)
    return True


def replan() -> str:
    """Count what was learned again from the archive, and plan every thread by it."""
    projects, threads = sync.replan(now=timezone.now())
    return _("Learned from %(projects)d projects; %(threads)d threads planned anew.") % {
        "projects": projects,
        "threads": threads,
    }
