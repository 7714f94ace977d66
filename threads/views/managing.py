"""Tag a thread, hold it or put it into the trash, by those who manage it: what the console does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from projects.forms import TagsField
from projects.models import SiteSettings
from threadhub.lib.ratelimit import limited
from threads import actions
from threads.models import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ChangeForm(forms.Form):
    """What is to be done, and the words to put on or take off."""

    change = forms.ChoiceField(choices=[(one.value, one.value) for one in actions.Change])
    tags = TagsField()


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
@limited("change")
def manage_thread(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Show what may be done with a thread, and do it; what was done is undone here as well."""
    user = cast("User", request.user)
    managed = Thread.objects.managed_by(user)
    thread = get_object_or_404(managed.select_related("project"), short_id=thread_id)
    form = ChangeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        change = actions.Change(form.cleaned_data["change"])
        chosen = managed.filter(pk=thread.pk)
        changed = actions.change_chosen(chosen, change, by=user, tags=form.cleaned_data["tags"])
        _tell(request, change, is_changed=changed == 1)
        return redirect("threads:manage", thread_id=thread.short_id)
    context = {
        "section": "manage",
        "thread": thread,
        "tags": thread.tags.order_by("name"),
        "errors": form.errors.get("tags", []),
        "trash_days": SiteSettings.current().keep_trash_days,
    }
    return render(request, "threads/manage.html", context, status=400 if form.errors else 200)


def _tell(request: HttpRequest, change: actions.Change, *, is_changed: bool) -> None:
    if is_changed and change is actions.Change.TRASH:
        text = ngettext("%d thread is in the trash.", "%d threads are in the trash.", 1) % 1
    elif is_changed and change is actions.Change.RESTORE:
        text = ngettext("%d thread is back.", "%d threads are back.", 1) % 1
    elif is_changed:
        text = _("Saved.")
    elif change is actions.Change.TRASH:
        text = ngettext(
            "%d thread stays: it is on legal hold.", "%d threads stay: they are on legal hold.", 1
        )
        text %= 1
    else:  # it was so already
        return
    (messages.success if is_changed else messages.warning)(request, text)
