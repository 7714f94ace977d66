"""Whatever goes wrong, the API answers in one shape."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from threadhub.lib.http import json_error
from threads import actions

logger = logging.getLogger(__name__)
View = Callable[..., HttpResponseBase]
_RETRY_AFTER_SECONDS = 10  # a busy database or one that restarts is back within that


class Refused(Exception):
    """A request that cannot be answered; `message` is for the person who wrote it."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        position: int | None = None,
        length: int | None = None,
        suggestion: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.response = json_error(
            status=status,
            code=code,
            message=message,
            field=field,
            position=position,
            length=length,
            suggestion=suggestion or None,
        )
        if retry_after_seconds is not None:
            self.response["Retry-After"] = str(retry_after_seconds)


def bad_cursor() -> Refused:
    return Refused(
        status=400,
        code="bad_cursor",
        message=_("This cursor is not one of ours, or belongs to another list."),
        field="cursor",
    )


def unknown_project(slug: str, message: str, *, field: str, suggestion: str = "") -> Refused:
    """Return what says that the caller has no such project; it may exist all the same.

    :param message: with a place for the {slug}.
    """
    return Refused(
        status=404,
        code="unknown_project",
        message=message.format(slug=slug),
        field=field,
        suggestion=suggestion,
    )


def refused(refusal: actions.Refused) -> Refused:
    """Return what an action would not do, with its sentence."""
    return Refused(status=400, code="refused", message=str(refusal))


def answer_errors(api: NinjaAPI) -> None:
    """Make `api` answer every error in the one shape, those that it has ways of its own for too."""
    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, _answer)


def in_one_shape(view: View) -> View:
    """Let `view` refuse a method in the shape of every other error."""

    @functools.wraps(view)
    def shaped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        refusal = json_error(
            status=405,
            code="method_not_allowed",
            message=_("{method} is not possible here.").format(method=request.method),
        )
        refusal["Allow"] = response["Allow"]
        return refusal

    return shaped


@csrf_exempt  # it does nothing, and a program should be told why
def no_such_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer 404 for an address that the API does not have."""
    return json_error(status=404, code="no_such_address", message=_("The API has no such address."))


def _answer(request: HttpRequest, error: object) -> HttpResponse:
    match error:
        case Refused():
            return error.response
        case Http404():
            message = _("There is nothing here that you may see.")
            return json_error(status=404, code="not_found", message=message)
        case ValidationError():
            return _invalid(error)
        case RequestDataTooBig():
            message = _("This is too much for one request. Send less at once.")
            return json_error(status=413, code="too_large", message=message)
        case HttpError() if error.status_code == 400 and "json" not in (request.content_type or ""):
            message = _("Send JSON, with Content-Type: application/json.")
            return json_error(status=415, code="unsupported_media_type", message=message)
        case HttpError():
            return json_error(status=error.status_code, code="bad_request", message=str(error))
        case OperationalError() | InterfaceError():
            logger.error("The database does not answer: %s", error)
            message = _("The database is busy. Try again shortly.")
            response = json_error(status=503, code="unavailable", message=message)
            response["Retry-After"] = str(_RETRY_AFTER_SECONDS)
            return response
    logger.error("The API failed.", exc_info=error if isinstance(error, Exception) else None)
    return json_error(
        status=500,
        code="server_error",
        message=_("Something went wrong here. Its traces are in the log, under the request's id."),
    )


def _invalid(error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    field = next((str(part) for part in reversed(first["loc"]) if isinstance(part, str)), None)
    return json_error(status=400, code="invalid_parameter", message=str(first["msg"]), field=field)
