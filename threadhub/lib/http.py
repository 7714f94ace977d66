"""What every request passes: its id, its client's address, its headers, its time zone."""

from __future__ import annotations

import re
import secrets
import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone

from threadhub.lib import logs, telemetry
from threadhub.lib.networks import address_of

GetResponse = Callable[[HttpRequest], HttpResponse]
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
_PROBES = {"/healthz", "/readyz"}  # 503 is what they are asked for
TIME_ZONE_COOKIE = "threadhub_timezone"


def client_ip(request: HttpRequest, *, trusted_proxies: int | None = None) -> str:
    """Return the address that the request came from; "0.0.0.0" when nothing tells.

    Walks X-Forwarded-For from the right through as many proxies as are trusted (the setting
    THREADHUB_TRUSTED_PROXIES unless given): what stands further left is the client's own word.
    """
    hops = settings.THREADHUB_TRUSTED_PROXIES if trusted_proxies is None else trusted_proxies
    try:
        current = str(address_of(request.META.get("REMOTE_ADDR") or ""))
    except ValueError:  # a Unix socket
        current = "0.0.0.0"  # noqa: S104 - a placeholder, nothing is bound to it
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    for part in reversed(forwarded[-hops:] if hops > 0 else []):
        try:
            current = str(address_of(part))
        except ValueError:
            break
    return current


def json_error(
    *,
    status: int,
    code: str,
    message: str,
    field: str | None = None,
    position: int | None = None,
    length: int | None = None,
    suggestion: str | None = None,
) -> JsonResponse:
    """Return the API's one error shape; parts that are None are left out."""
    parts = {"code": code, "message": message, "field": field, "position": position}
    parts |= {"length": length, "suggestion": suggestion}
    error = {name: value for name, value in parts.items() if value is not None}
    return JsonResponse({"error": error}, status=status)


class RequestIdMiddleware:
    """Gives each request an id, in the log lines and in the answer's X-Request-ID."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        identifier = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        token = logs.request_id.set(identifier)
        address = logs.client_address.set(client_ip(request))
        request.META["THREADHUB_REQUEST_ID"] = identifier
        try:
            response = self.get_response(request)
        finally:
            logs.request_id.reset(token)
            logs.client_address.reset(address)
        if response.status_code >= 500 and request.path not in _PROBES:
            telemetry.count("error")
        response["X-Request-ID"] = identifier
        return response


class SecurityHeadersMiddleware:
    """Adds the content security policy and the headers that Django leaves out."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = "; ".join(
            f"{directive} {' '.join(sources)}" for directive, sources in settings.SECURE_CSP.items()
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", self.policy)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        response.setdefault("X-Robots-Tag", "noindex, nofollow")
        return response


class CompressionMiddleware(GZipMiddleware):
    """Sends pages and data compressed: a thread of 200 messages is 46 kB instead of 400.

    Django's own adds random bytes, so that lengths tell nobody what a page holds. Files stay as
    they are: most are compressed already, and their lengths have to be known.
    """

    kinds = ("text/html", "application/json", "application/atom+xml")

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_text = response.get("Content-Type", "").startswith(self.kinds)
        if response.streaming or not is_text:
            return response
        return super().process_response(request, response)


class TimeZoneMiddleware:
    """Shows times in the zone that the reader's browser told us in a cookie."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            zone = zoneinfo.ZoneInfo(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            return self.get_response(request)
        with timezone.override(zone):
            return self.get_response(request)
