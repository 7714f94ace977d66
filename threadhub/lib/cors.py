"""Lets pages of other origins read the API, where the settings name them. None by default."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from threadhub.lib.http import GetResponse

_PATH = "/api/v1/"
_METHODS = "GET, POST, DELETE"
_HEADERS = "Authorization, Content-Type"
_READABLE = "Retry-After, X-Request-ID"
_REMEMBERED_SECONDS = "7200"  # browsers ask again after that


class CorsMiddleware:
    """Answers browsers that ask on behalf of another origin, for the API only.

    No cookies: such pages send an API token, so they can do nothing with somebody's session.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        allowed = settings.THREADHUB_CORS_ORIGINS
        if not allowed or not request.path.startswith(_PATH):
            return self.get_response(request)
        origin = request.headers.get("Origin", "")
        is_allowed = origin in allowed
        asks_first = "Access-Control-Request-Method" in request.headers
        if is_allowed and asks_first and request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = _METHODS
            response["Access-Control-Allow-Headers"] = _HEADERS
            response["Access-Control-Max-Age"] = _REMEMBERED_SECONDS
        else:
            response = self.get_response(request)
        if is_allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = _READABLE
        vary = response.get("Vary", "")
        response["Vary"] = f"{vary}, Origin" if vary else "Origin"
        return response
