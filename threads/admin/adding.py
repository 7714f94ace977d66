"""The console's page that registers threads by their ids."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from projects.admin.access import account_of, user_of
from projects.models import Connection
from threads import actions
from threads.admin.thread_forms import AddThreadsForm

_MOST_TOLD = 5  # refused ids that a message names


def report_added(request: HttpRequest, added: actions.Added) -> None:
    """Say what became of the ids, one sentence for each outcome that there was."""
    if count := len(added.added) + len(added.adopted):
        text = ngettext(
            "%d thread is new here and will be read in the next minutes.",
            "%d threads are new here and will be read in the next minutes.",
            count,
        )
        messages.success(request, text % count)
    if count := len(added.known):
        text = ngettext("%d was here already.", "%d were here already.", count)
        messages.info(request, text % count)
    for identifier, why in list(added.refused.items())[:_MOST_TOLD]:
        messages.error(request, f"“{identifier}”: {why}")
    if (count := len(added.refused) - _MOST_TOLD) > 0:
        text = ngettext("%d more was refused.", "%d more were refused.", count)
        messages.error(request, text % count)


class AddingPage(admin.ModelAdmin):
    """Adds the page to the admin of threads, in the place of Django's own."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Register ids rather than type a thread in: what is said in it comes from its source."""
        form = AddThreadsForm(request.POST or None, initial=request.GET.dict())
        choices = Connection.objects.managed_by(user_of(request)).select_related("project")
        form.fields["connection"].queryset = choices.order_by("project__name", "pk")  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid():
            connection = form.cleaned_data["connection"]
            added = actions.add_thread_ids(
                connection.project, connection, form.cleaned_data["ids"], by=account_of(request)
            )
            report_added(request, added)
            # Among all projects the new ones stand last: nothing is known of them yet.
            theirs = urlencode({"project__id__exact": connection.project_id})
            return redirect(f"{reverse('admin:threads_thread_changelist')}?{theirs}")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Add threads by their ids"),
            "form": form,
            "opts": self.opts,
            "has_connections": choices.exists(),
        }
        return TemplateResponse(request, "admin/threads/thread/add.html", context)
