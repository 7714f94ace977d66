"""Who is reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest


def reader(request: HttpRequest) -> User | AnonymousUser:
    """Return the request's user as what it is here: an account of Django's own, or a visitor."""
    return cast("User | AnonymousUser", request.user)
