"""One's own account: who one is here, second factors, open sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from allauth.account.decorators import reauthentication_required
from allauth.socialaccount.providers.openid_connect.views import login as openid_connect_login
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from projects.accounts import roles, second_factor, sessions
from projects.accounts.forms import ProfileForm
from projects.models import ApiToken, Project
from threadhub.lib import audit
from threadhub.lib.http import client_ip

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def _account(request: HttpRequest) -> User:
    return cast("User", request.user)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
@reauthentication_required(  # type: ignore[untyped-decorator]
    allow_get=True, enabled=lambda request: request.user.has_usable_password()
)
def overview(request: HttpRequest) -> HttpResponse:
    """Show the account, and change its name and address; that asks for the password again."""
    user = _account(request)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        audit.record(
            action="account.profile",
            actor=user,
            target=user,
            ip=client_ip(request),
            fields=form.changed_data,
        )
        messages.success(request, _("Saved."))
        return redirect("account")
    context = {
        "form": form,
        "role": roles.of(user).label,
        "owned": Project.objects.managed_by(user).count(),
        "readable": Project.objects.visible_to(user).count(),
        "factors": list(second_factor.factors_of(user).order_by("pk")),
        "needs_factor": second_factor.is_required_of(user),
        "session_count": len(sessions.open_ones(user)),
        "token_count": ApiToken.objects.valid(timezone.now()).filter(user=user).count(),
    }
    return render(request, "account/overview.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's sessions; Django's page of all of them is what comes next."""
    user = _account(request)
    if not sessions.end_one(user, pk):
        raise Http404
    audit.record(action="account.session.end", actor=user, ip=client_ip(request), count=1)
    messages.success(request, _("That session has ended."))
    return redirect("usersessions_list")


@login_required
@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End all of one's sessions, this one included."""
    user = _account(request)
    count = sessions.end_all(user)
    audit.record(action="account.session.end", actor=user, ip=client_ip(request), count=count)
    logout(request)
    text = ngettext("%(count)d session has ended.", "%(count)d sessions have ended.", count)
    messages.success(request, text % {"count": count})
    return redirect("account_login")


@login_required
@require_POST
def stay(request: HttpRequest) -> HttpResponse:
    """Begin the session's time anew, for somebody who still works."""
    ends_at = sessions.begin(request, now=timezone.now())
    return JsonResponse({"ends_at": ends_at.isoformat()})


def single_sign_on(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider of OpenID Connect.

    By a page rather than by a redirect: the content security policy lets forms lead to our own
    addresses only, and browsers hold the redirects of a form to that.
    """
    response: HttpResponse = openid_connect_login(request, provider_id)
    if response.status_code == 302 and response["Location"].startswith(("https://", "http://")):
        return render(request, "account/leave.html", {"address": response["Location"]})
    return response
