"""The question before some forms: drawn or played with the page, judged with the form."""

from __future__ import annotations

import secrets

from django.http import HttpRequest
from django.utils import timezone

from projects.models import SiteSettings
from threadhub.lib import offences
from threads import captcha

_VISITOR = "visitor"  # in the session: who asked, also for those who are not signed in
FIELD, TOKEN = "captcha_answer", "captcha_token"


def _binding(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    visitor = request.session.get(_VISITOR)
    if not visitor:
        visitor = request.session[_VISITOR] = secrets.token_urlsafe(16)
    return f"visitor:{visitor}"


def ask_for(request: HttpRequest, *, purpose: str) -> captcha.Question:
    """Return a new question: a sound when that was asked for, else as the settings say."""
    wants_sound = request.GET.get("captcha") == captcha.Mode.SOUND
    wants_sound = wants_sound or request.POST.get("captcha") == captcha.Mode.SOUND
    mode = captcha.Mode.SOUND if wants_sound else SiteSettings.current().captcha_mode
    return captcha.ask(
        purpose=purpose,
        binding=_binding(request),
        mode=captcha.Mode(mode),
        now=timezone.now(),
    )


def wants_another(request: HttpRequest) -> bool:
    """Tell whether the form was sent for another question, not for what it is about."""
    return bool(request.POST.get("captcha"))


def refusal(request: HttpRequest, *, purpose: str) -> str:
    """Judge the answer in a form that was sent. "" when it is right, else a sentence."""
    verdict = captcha.check(
        request.POST.get(TOKEN, ""),
        request.POST.get(FIELD, ""),
        purpose=purpose,
        binding=_binding(request),
        now=timezone.now(),
    )
    if verdict.is_offence:
        offences.note(request, offences.Kind.CAPTCHA)
    return verdict.message
