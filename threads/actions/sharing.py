"""Showing one thread to people without an account, for a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from threadhub.lib import audit
from threads.models import ShareLink, Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MOST_LINKS = 50  # valid ones of a thread


class TooManyLinks(Exception):
    """The thread has so many links that nobody can know who reads it."""


def may_share(thread: Thread, *, by: User | AnonymousUser) -> bool:
    """Tell whether `by` may make links to a thread: who manages it may. One query."""
    return by.is_authenticated and Thread.objects.managed_by(by).filter(pk=thread.pk).exists()


def share(
    thread: Thread, *, by: User, note: str, now: datetime, life: timedelta, ip: str = ""
) -> tuple[ShareLink, str]:
    """Make a link to `thread`; returns it with its secret, which is shown once.

    :raises PermissionError: when `by` does not manage the thread.
    :raises TooManyLinks: when there are MOST_LINKS valid ones.
    """
    if not may_share(thread, by=by):
        raise PermissionError(thread.pk)
    if ShareLink.objects.valid(now).filter(thread=thread).count() >= MOST_LINKS:
        raise TooManyLinks
    link, text = ShareLink.issue(thread, by=by, note=note, now=now, life=life)
    audit.record(
        action="thread.share",
        actor=by,
        target=thread,
        project_id=thread.project_id,
        ip=ip,
        link=link.pk,
        note=link.note,
        until=link.expires_at.isoformat(),
    )
    return link, text


def unshare(link: ShareLink, *, by: User, now: datetime, ip: str = "") -> bool:
    """Revoke a link. False: that was done before."""
    if not link.revoke(now):
        return False
    thread = link.thread
    audit.record(
        action="thread.unshare",
        actor=by,
        target=thread,
        project_id=thread.project_id,
        ip=ip,
        link=link.pk,
    )
    return True


def open_shared(text: str, *, now: datetime, ip: str = "", is_first: bool = True) -> Thread | None:
    """Return the thread that a link's secret opens; None when it opens nothing.

    Puts it on the audit log, without an actor, and counts it when it is the first page of it.
    """
    link = ShareLink.objects.for_text(text, now=now)
    if link is None:
        return None
    if is_first:
        link.note_opening(now)
        audit.record(
            action="thread.read",
            target=link.thread,
            project_id=link.thread.project_id,
            ip=ip,
            via="share link",
            link=link.pk,
        )
    return link.thread
