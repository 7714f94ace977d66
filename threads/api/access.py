"""Who asks, what they may do with it, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.utils import check_csrf

from projects.models import ApiToken
from threadhub.lib import offences
from threadhub.lib.ratelimit import client_key, seconds_to_wait
from threads.api.errors import Refused

READ, WRITE, EXPORT = (scope.value for scope in ApiToken.Scope)
_SAFE = {"GET", "HEAD", "OPTIONS"}


def reader_of(request: HttpRequest, *, scope: str = READ) -> User | AnonymousUser:
    """Return whose eyes the answer is for: the token's account, the session's, or a visitor.

    Every operation asks here and nowhere else. A token that is given decides alone, whatever the
    session says. What changes something by a session needs Django's CSRF token as well.

    :raises Refused: with 401 for a token that does not hold, with 403 for one without the scope.
    """
    token = _token_of(request)
    if token is not None:
        if not token.allows(scope):
            raise Refused(
                status=403,
                code="missing_scope",
                message=_("This token was not given the scope “{scope}”.").format(scope=scope),
            )
        return token.user
    user = request.user
    if not isinstance(user, User):
        return AnonymousUser()
    if request.method not in _SAFE and check_csrf(request) is not None:
        raise Refused(
            status=403,
            code="csrf",
            message=_("Send the X-CSRFToken header along, or use an API token."),
        )
    return user


def account_of(request: HttpRequest, *, scope: str) -> User:
    """Return the account that asks, where visitors may not.

    :raises Refused: with 401 for visitors, and as `reader_of` does.
    """
    user = reader_of(request, scope=scope)
    if not isinstance(user, User):
        raise Refused(
            status=401,
            code="not_signed_in",
            message=_("Sign in, or send an API token: Authorization: Bearer th_…"),
        )
    return user


def binding_of(request: HttpRequest, user: User | AnonymousUser) -> str:
    """Return to what a question is bound: the account, or the address of a visitor."""
    return f"user:{user.pk}" if user.is_authenticated else f"api:{client_key('', request)}"


def _token_of(request: HttpRequest) -> ApiToken | None:
    """Return the request's token, looked up once; None when none was sent.

    :raises Refused: when it is unknown, expired or revoked. Which of them is not told.
    """
    known = getattr(request, "api_token", None)
    if known is not None:
        return cast("ApiToken", known)
    kind, _space, text = request.headers.get("Authorization", "").partition(" ")
    if not kind:
        return None
    now = timezone.now()
    token = None
    if kind.casefold() == "bearer":
        token = ApiToken.objects.for_text(text.strip(), now=now)
    if token is None:
        offences.note(request, offences.Kind.LOGIN, what="token")
        _count(request, "login")  # who tries tokens out is slowed down like who tries passwords
        raise Refused(
            status=401,
            code="invalid_token",
            message=_("This token is unknown, expired or revoked."),
        )
    token.note_use(now)
    request.api_token = token  # type: ignore[attr-defined]
    request.api_token_id = token.pk  # type: ignore[attr-defined]
    return token


def within(limit: str) -> Callable[[HttpRequest], bool]:
    """Return what counts a request against the named limit: for its token, account or address.

    It stands where ninja asks who is there, which is before the body is looked at: what makes no
    sense counts, too. Who is there, `reader_of` tells.

    :raises Refused: (what is returned does) with status 429 when it is one too many; with 401 for
        a token that is none.
    """

    def count(request: HttpRequest) -> bool:
        _token_of(request)
        _count(request, limit)
        return True

    return count


def _count(request: HttpRequest, limit: str) -> None:
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
