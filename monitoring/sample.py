"""The dashboard's two buttons for the sample archive: bring it, take it away."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from projects.models import Project
from threads import actions
from threads.models import Thread


def _administrator(request: HttpRequest) -> User:
    """Return who asks.

    :raises PermissionDenied: when that is no administrator.
    """
    user = request.user
    if not (isinstance(user, User) and user.is_superuser):
        raise PermissionDenied
    return user


@require_POST
def load(request: HttpRequest) -> HttpResponse:
    """Put the sample archive into its own public project, in this request: it is small."""
    actions.load_sample(by=_administrator(request))
    messages.success(request, _("The sample archive is there. Try a search on the front page."))
    return redirect("admin:index")


def remove(request: HttpRequest) -> HttpResponse:
    """Ask, then delete the sample project with all that was loaded into it."""
    user = _administrator(request)
    count = Thread.objects.filter(project__in=Project.objects.filter(is_sample=True)).count()
    if request.method != "POST":
        context = {"title": _("Remove the sample archive?"), "thread_count": count}
        context |= admin_context(request)
        return TemplateResponse(request, "admin/sample_remove.html", context)
    try:
        count = actions.remove_sample(by=user)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return redirect("admin:index")
    text = ngettext(
        "The sample archive was removed: %d thread.",
        "The sample archive was removed: %d threads.",
        count,
    )
    messages.success(request, text % count)
    return redirect("admin:index")


def admin_context(request: HttpRequest) -> dict[str, object]:
    """Return what the console's frame needs around a page of our own."""
    from django.contrib import admin

    return admin.site.each_context(request)
