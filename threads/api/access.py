"""Who asks, and how often they may."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils.translation import gettext as _

from threadhub.lib.ratelimit import seconds_to_wait
from threads.api.errors import Refused


def reader_of(request: HttpRequest) -> User | AnonymousUser:
    """Return whose eyes the answer is for: the session's account, or a visitor.

    Every operation asks here and nowhere else, so that another way to say who one is has one
    place to be added.
    """
    user = request.user
    return user if isinstance(user, User) else AnonymousUser()


def count_against(request: HttpRequest, limit: str) -> None:
    """Count the request against the named limit.

    :raises Refused: with status 429 when it is one too many.
    """
    wait_seconds = seconds_to_wait(request, limit)
    if wait_seconds is not None:
        raise Refused(
            status=429,
            code="too_many_requests",
            message=_("Too many requests. Try again in {seconds} seconds.").format(
                seconds=wait_seconds
            ),
            retry_after_seconds=wait_seconds,
        )
