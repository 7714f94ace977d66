"""Pages for what goes wrong, each with the request's id, so that a report can be found again."""

from __future__ import annotations

import logging
import re
import types
from collections.abc import ItemsView
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.debug import SafeExceptionReporterFilter
from django.views.defaults import bad_request as default_bad_request

from threadhub.lib.http import GetResponse
from threadhub.lib.logs import redact

logger = logging.getLogger(__name__)
_RETRY_AFTER_SECONDS = 10  # a busy database or one that restarts is back within that


def _static_page(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    """Render a page without database and session; plain text if even that fails."""
    request_id = request.META.get("THREADHUB_REQUEST_ID", "")
    try:
        body = render_to_string(f"{status.value}.html", {"request_id": request_id})
    except Exception:  # the last resort must answer
        logger.exception("The page for status %s could not be made.", status.value)
        return HttpResponse(
            f"{status.value} {status.phrase}\n{request_id}\n",
            status=status,
            content_type="text/plain; charset=utf-8",
        )
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, or 413 when the request holds more than is taken."""
    too_large = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
    if isinstance(exception, too_large):
        return _static_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return default_bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500. Django calls this for every exception that nobody handled."""
    return _static_page(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 and say when to try again."""
    response = _static_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return response


class SecretsReporterFilter(SafeExceptionReporterFilter):
    """Keeps secrets off Django's pages for developers, too, where DEBUG is on.

    Django hides nothing there. Whatever a form sent under a name like "password" is hidden, and
    every variable that holds it.
    """

    hidden_names = re.compile(r"(?i)pass|secret|token|key|code|credential|cookie|authorization")

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        if request is None:
            return {}
        return {
            name: self.cleansed_substitute if self.hidden_names.search(name) else value
            for name, value in request.POST.items()
        }

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: types.FrameType
    ) -> ItemsView[str, Any]:
        posted = request.POST.items() if request is not None else ()
        sent = [value for name, value in posted if self.hidden_names.search(name) and value]
        variables: dict[str, Any] = {}
        for name, value in super().get_traceback_frame_variables(request, tb_frame):
            text = repr(value)
            is_told = self.hidden_names.search(name) or any(str(word) in text for word in sent)
            is_told = is_told or redact(text) != text
            variables[name] = self.cleansed_substitute if is_told else value
        return variables.items()


class DatabaseAwayMiddleware:
    """Answers 503, not 500, while the database is locked, restarting or not reachable."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, (OperationalError, InterfaceError)):
            logger.error("The database does not answer: %s", exception)
            return unavailable(request)
        return None
