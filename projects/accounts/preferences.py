"""Each account's language and time zone: kept in its row, at hand in its session."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import TYPE_CHECKING, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from projects.models import Preferences, SiteSettings
from threadhub.lib.http import TIME_ZONE_COOKIE, GetResponse

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_IN_SESSION = "preferences"


@cache
def _zones() -> list[str]:
    """The places of the world, without the old names that are kept for old programs."""
    return [*sorted(name for name in zoneinfo.available_timezones() if "/" in name), "UTC"]


class PreferencesForm(forms.Form):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("As the browser says")), *settings.LANGUAGES],
        required=False,
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=lambda: [
            ("", gettext_lazy("As the browser says")),
            *((name, name.replace("_", " ")) for name in _zones()),
        ],
        required=False,
    )


def remember(request: HttpRequest, user: User) -> None:
    """Put what `user` prefers at hand for this session; one query."""
    kept = Preferences.of(user)
    request.session[_IN_SESSION] = {"language": kept.language, "time_zone": kept.time_zone}


def _keep(request: HttpRequest, **changed: str) -> None:
    user = cast("User", request.user)
    Preferences.objects.update_or_create(user=user, defaults=changed)
    remember(request, user)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest) -> HttpResponse:
    """Choose language and time zone."""
    kept = Preferences.of(cast("User", request.user))
    given = {"language": kept.language, "time_zone": kept.time_zone}
    form = PreferencesForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        _keep(request, **form.cleaned_data)
        translation.activate(form.cleaned_data["language"] or translation.get_language())
        messages.success(request, _("Saved."))
        response = redirect("account_preferences")
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        return response
    context = {"form": form, "browser_zone": request.COOKIES.get(TIME_ZONE_COOKIE, "")}
    return render(request, "account/preferences.html", context, status=400 if form.errors else 200)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Switch the language, as Django does; who is logged in keeps it for all browsers."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and translation.check_for_language(language):
        _keep(request, language=language)
    return i18n.set_language(request)


class PreferencesMiddleware:
    """Shows pages in the language and the time zone that the account prefers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        usual = SiteSettings.current().default_language
        if usual and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            translation.activate(usual)
            request.LANGUAGE_CODE = usual
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        kept = request.session.get(_IN_SESSION) or {}
        if language := kept.get("language"):
            translation.activate(language)  # the next request begins anew in LocaleMiddleware
            request.LANGUAGE_CODE = language
        if not kept.get("time_zone"):
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(kept["time_zone"])):
            return self.get_response(request)
