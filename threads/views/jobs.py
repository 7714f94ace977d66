"""Background work as its owner follows it: how far it is, how it ended, stop, once more."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from threadhub.lib.ratelimit import limited
from threads.models import Job
from threads.views.reader import reader


@require_GET
@limited("poll")
def job_page(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Show a job; htmx gets the part that changes, which asks again by itself while it runs."""
    job = get_object_or_404(
        Job.objects.visible_to(reader(request)).select_related("project", "requested_by"), pk=job_id
    )
    template = "threads/_job.html" if request.headers.get("HX-Request") else "threads/job.html"
    response = render(request, template, {"section": "job", "job": job})
    response["Vary"] = "HX-Request, Cookie"
    response["Cache-Control"] = "no-store"
    return response
