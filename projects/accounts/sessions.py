"""When a session ends, and how it is ended before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.http import HttpRequest

from projects.models import SiteSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

# The first that fits: most browsers also name those that they descend from.
_BROWSERS = (
    *(("Edge", "Edg/"), ("Opera", "OPR/"), ("Firefox", "Firefox/"), ("Chrome", "Chrome/")),
    *(("Safari", "Safari/"), ("curl", "curl/")),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("macOS", "Mac OS X"), ("Linux", "Linux")),
)


def begin(request: HttpRequest, *, now: datetime) -> datetime:
    """Let the session of `request` last from now on as the settings say; return its end."""
    ends_at = now + timedelta(hours=SiteSettings.current().session_hours)
    request.session.set_expiry(ends_at)
    return ends_at


def end_of(request: HttpRequest) -> datetime | None:
    """Return when the session of somebody who is logged in ends; None for visitors."""
    if not request.user.is_authenticated or "_session_expiry" not in request.session:
        return None
    return request.session.get_expiry_date()


def open_ones(user: User) -> list[UserSession]:
    """Return the account's sessions, the newest first; forgets those that have ended."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.created_at, reverse=True)


def end_all(user: User, *, but: str | None = None) -> int:
    """End the account's sessions, except the one with the key `but`; return how many ended."""
    return _end(session for session in open_ones(user) if session.session_key != but)


def end_one(user: User, pk: int) -> bool:
    """End one session of the account's. False: it has none such."""
    return bool(_end(UserSession.objects.filter(user=user, pk=pk)))


def browser(user_agent: str) -> str:
    """Return "Firefox, Windows" for what that browser calls itself; unknown ones as they are."""
    parts = [
        next((name for name, mark in marks if mark in user_agent), "")
        for marks in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, parts)) or user_agent[:60]


def _end(sessions: Iterable[UserSession]) -> int:
    count = 0
    for session in sessions:
        session.end()
        count += 1
    return count
