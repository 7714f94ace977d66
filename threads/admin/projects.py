"""What the console does with a whole project in the background: sync it, delete it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from projects.admin.access import account_of, user_of
from projects.models import Project
from threads import actions


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """Return the pages below /admin/threads/job/."""
    view = site.admin_view
    return [
        path("project/<int:pk>/sync/", view(require_POST(sync)), name="threads_project_sync"),
        path("project/<int:pk>/delete/", view(delete), name="threads_project_delete"),
    ]


def _project(request: HttpRequest, pk: int) -> Project:
    user = user_of(request)
    project = Project.objects.managed_by(user).filter(pk=pk).first() if user.is_staff else None
    if project is None:
        raise Http404
    return project


def sync(request: HttpRequest, pk: int) -> HttpResponse:
    """Read all threads of a project again, as a job."""
    project = _project(request, pk)
    try:
        job = actions.request_project_sync(project, by=account_of(request))
    except actions.Refused as refused:
        messages.warning(request, str(refused))
        return redirect("admin:projects_project_change", pk)
    return redirect("admin:threads_job_change", job.pk)


def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what would go, ask for the project's short name, and delete it as a job."""
    project = _project(request, pk)
    if request.method == "POST":
        try:
            job = actions.request_project_deletion(
                project, by=account_of(request), typed=request.POST.get("typed", "")
            )
        except actions.Refused as refused:
            messages.error(request, str(refused))
        else:
            return redirect("admin:threads_job_change", job.pk)
    counts: dict[str, Any] = project.threads.aggregate(
        threads=Count("pk"),
        messages=Sum("message_count", default=0),
        held=Count("pk", filter=Q(is_held=True)),
    )
    context = {
        **admin.site.each_context(request),
        "title": gettext("Delete the project %s?") % project,
        "project": project,
        "counts": counts,
        "is_held": project.is_held or counts["held"] > 0,
    }
    return TemplateResponse(request, "admin/threads/project_delete.html", context)
