"""Keeps people without a second factor at its set-up page, where the settings ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from projects.accounts import second_factor
from threadhub.lib.http import GetResponse, json_error

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# Where somebody without one may go meanwhile: set it up, log out, change language or theme.
_OPEN = ("/account/", "/i18n/", "/static/", "/healthz", "/readyz", "/metrics", "/favicon.ico")
_CLOSED = ("/account/tokens/",)


class SecondFactorMiddleware:
    """Costs visitors and members nothing; staff a look into the cache, and a query where the
    settings require a second factor.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        is_open = path.startswith(_OPEN) and not path.startswith(_CLOSED)
        if is_open or not second_factor.is_missing(cast("User | AnonymousUser", request.user)):
            return self.get_response(request)
        text = _("Your account needs a second factor. Set it up here, then go on.")
        if path.startswith("/api/"):
            return json_error(status=403, code="second_factor_needed", message=text)
        messages.warning(request, text)
        return redirect("mfa_activate_totp")
