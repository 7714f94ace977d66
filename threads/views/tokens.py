"""One's own API tokens: make one, see it once, take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from projects.models import ApiToken
from threadhub.lib import audit
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import limited
from threads.forms import TokenForm

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_TOKENS = 50  # valid ones of an account


@login_required
@require_http_methods(["GET", "POST"])
@limited("change")
def api_tokens(request: HttpRequest) -> HttpResponse:
    """List one's tokens. The answer to making one is the only page that ever shows it."""
    user, now, text = cast("User", request.user), timezone.now(), ""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if ApiToken.objects.valid(now).filter(user=user).count() >= MOST_TOKENS:
            form.add_error(None, _("You have very many tokens. Revoke some first."))
        else:
            token, text = ApiToken.issue(
                user,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                now=now,
                life=timedelta(days=int(form.cleaned_data["days"])),
            )
            audit.record(
                action="apitoken.add",
                actor=user,
                target=token,
                ip=client_ip(request),
                scopes=list(token.scopes),
            )
            form = TokenForm()
    tokens = ApiToken.objects.filter(user=user, revoked_at=None).order_by("-created_at", "-pk")
    context = {
        "section": "tokens",
        "form": form,
        "text": text,
        "tokens": [(token, token.is_valid(now)) for token in tokens],
    }
    status = 400 if form.errors else 200
    response = render(request, "threads/api_tokens.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
@limited("change")
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Take a token's power away for good."""
    user = cast("User", request.user)
    token = get_object_or_404(ApiToken.objects.filter(user=user), pk=token_id)
    if token.revoke(timezone.now()):
        audit.record(action="apitoken.revoke", actor=user, target=token, ip=client_ip(request))
        messages.success(request, _("Revoked. Programs that use it are refused from now on."))
    return redirect("threads:api_tokens")
