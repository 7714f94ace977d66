"""The named limits: how often one person may ask for what. The rates are in the settings."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_ratelimit.core import get_usage

from threadhub.lib.http import client_ip

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def client_key(group: str, request: HttpRequest) -> str:
    """Return who is counted: the account, or the address; an IPv6 network of 64 bits is one."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"user:{user.pk}"
    address = ipaddress.ip_address(client_ip(request))
    if address.version == 6:
        return f"ip:{ipaddress.ip_network((address, 64), strict=False).network_address}"
    return f"ip:{address}"


def seconds_to_wait(request: HttpRequest, name: str) -> int | None:
    """Count this request against the limit `name`; None when it is within it.

    Otherwise the seconds until the next one is let through. Costs two calls to the cache.

    :raises KeyError: when THREADHUB_RATES has no such name.
    """
    usage = get_usage(
        request,
        group=name,
        key=client_key,
        rate=settings.THREADHUB_RATES[name],
        increment=True,
    )
    if not usage or not usage["should_limit"]:
        return None
    return max(1, int(usage["time_left"]))


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
