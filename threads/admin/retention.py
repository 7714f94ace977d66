"""The console's page that says what retention would delete next, without deleting it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from projects.admin.access import user_of
from projects.models import Project
from threads import actions
from threads.archive.retention import expired_threads, keep_trash

_NAMED = 10  # threads of a project that the page names, the longest silent first
_LONGEST_DAYS = 36_500


class RehearsalForm(forms.Form):
    """Another rule than the one that holds, to see what it would do."""

    project = forms.ModelChoiceField(Project.objects.none(), label=_("Project"))
    days = forms.IntegerField(
        label=_("Days"), min_value=1, max_value=_LONGEST_DAYS, help_text=_("Nothing is saved.")
    )


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """Return the page below /admin/threads/thread/."""
    return [
        path("retention/", site.admin_view(require_GET(preview)), name="threads_thread_retention")
    ]


def preview(request: HttpRequest) -> HttpResponse:
    """Show, project by project, what has been kept long enough; a project may try other days."""
    user = user_of(request)
    mine = Project.objects.managed_by(user).order_by("name", "pk") if user.is_staff else None
    projects = list(mine) if mine is not None else []
    form = RehearsalForm(request.GET if "days" in request.GET else None)
    form.fields["project"].queryset = mine or Project.objects.none()  # type: ignore[attr-defined]
    tried: Project | None = None
    if form.is_bound and form.is_valid():
        tried = form.cleaned_data["project"]
        tried.retention_days = form.cleaned_data["days"]  # in memory only
        projects = [tried]
    now = timezone.now()
    rows: list[dict[str, Any]] = []
    for found in actions.prune_preview(now=now, projects=projects):
        threads = expired_threads(found.project, now=now).select_related("project")
        named = threads.filter(~Q(is_held=True)).order_by("last_message_timestamp", "pk")
        rows.append({"found": found, "threads": named[:_NAMED]})
    context = {
        **admin.site.each_context(request),
        "title": gettext("What retention would delete"),
        "form": form,
        "tried": tried,
        "rows": rows,
        "trash_days": keep_trash().days,
        "without_rule": [project for project in projects if project.retention_days is None],
    }
    return TemplateResponse(request, "admin/threads/retention.html", context)
