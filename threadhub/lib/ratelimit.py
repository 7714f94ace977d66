"""The named limits: how often one person may ask for what. Counted exactly, over all processes.

The built-in rates are in the settings; an app above may put others in their place.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_ratelimit.core import get_usage

from threadhub.lib import offences
from threadhub.lib.http import client_ip
from threadhub.lib.networks import line_of

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def _built_in(name: str) -> str:
    rate: str = settings.THREADHUB_RATES[name]
    return rate


_rate_of: Callable[[str], str] = _built_in


def use_rates(source: Callable[[str], str]) -> None:
    """Ask `source` for the rate of a limit from now on; it raises KeyError for unknown names."""
    global _rate_of  # noqa: PLW0603 - set once, when the apps are ready
    _rate_of = source


def client_key(group: str, request: HttpRequest) -> str:
    """Return who is counted: token, account or address. An IPv6 network of 64 bits is one."""
    token = getattr(request, "api_token_id", None)
    if token is not None:
        return f"token:{token}"
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"user:{user.pk}"
    return address_key(group, request)


def seconds_to_wait(request: HttpRequest, name: str) -> int | None:
    """Count this request against the limit `name`; None when it is within it.

    Otherwise the seconds until the next one is let through, and it is noted as an offence. Costs
    two calls to the cache.

    :raises KeyError: when THREADHUB_RATES has no such name.
    """
    usage = get_usage(
        request,
        group=name,
        key=client_key,
        rate=_rate_of(name),
        increment=True,
    )
    if not usage or not usage["should_limit"]:
        return None
    offences.note(request, offences.Kind.LIMIT, what=name)
    return max(1, int(usage["time_left"]))


def address_key(group: str, request: HttpRequest) -> str:
    """Return the address that is counted, whoever is signed in there."""
    return f"ip:{line_of(client_ip(request)).network_address}"


def login_wait(request: HttpRequest, username: str) -> int | None:
    """Tell how long logins from here, or of this account, are refused; None: they are not.

    Counts nothing: `count_failed_login` does. Costs two calls to the cache.
    """
    waits = [
        int(usage["time_left"])
        for usage in _login_usages(request, username, is_failure=False)
        if usage["count"] >= usage["limit"]
    ]
    if not waits:
        return None
    offences.note(request, offences.Kind.LIMIT, what="login")
    return max(1, *waits)


def count_failed_login(request: HttpRequest, username: str) -> None:
    """Count a wrong password against the address and against the account."""
    offences.note(request, offences.Kind.LOGIN)
    _login_usages(request, username, is_failure=True)


def _login_usages(request: HttpRequest, username: str, *, is_failure: bool) -> list[dict[str, int]]:
    # Names are folded, or every way to write one would have tries of its own. Kept as a hash.
    folded = hashlib.sha256(username.casefold().strip().encode("utf-8", "replace")).hexdigest()
    keys = {"login": address_key, "login_account": lambda group, request: f"name:{folded[:32]}"}
    usages = []
    for name, key in keys.items():
        usage = get_usage(request, group=name, key=key, rate=_rate_of(name), increment=is_failure)
        if usage:
            usages.append(usage)
    return usages


def too_many(request: HttpRequest, wait_seconds: int) -> HttpResponse:
    """Answer 429 with a page that says in words how long to wait."""
    response = render(
        request,
        "429.html",
        {"wait_seconds": wait_seconds, "wait_minutes": -(-wait_seconds // 60)},
        status=429,
    )
    response["Retry-After"] = str(wait_seconds)
    return response


def limited(name: str) -> Callable[[View[P]], View[P]]:
    """Refuse a view's requests above the limit `name` with the page of 429."""

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def limited_view(
            request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            wait_seconds = seconds_to_wait(request, name)
            if wait_seconds is not None:
                return too_many(request, wait_seconds)
            return view(request, *args, **kwargs)

        return limited_view

    return decorate
