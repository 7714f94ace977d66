"""Background work as its owner follows it: how far it is, how it ended, stop, once more."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from threadhub.lib.ratelimit import limited
from threads import actions
from threads.models import Job
from threads.views.reader import reader

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def _job(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Return a job of the reader's. :raises Http404: when they may see none with that id."""
    jobs = Job.objects.visible_to(reader(request)).select_related("project", "requested_by")
    return get_object_or_404(jobs, pk=job_id)


def _page(request: HttpRequest, job: Job) -> HttpResponse:
    """Lead to where the reader follows the job: an export of their own has a page with its file."""
    is_own_export = job.kind == Job.Kind.EXPORT and job.requested_by_id == request.user.pk
    return redirect("threads:export" if is_own_export else "threads:job", job_id=job.pk)


@require_GET
@limited("poll")
def job_page(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Show a job; htmx gets the part that changes, which asks again by itself while it runs."""
    is_fragment = bool(request.headers.get("HX-Request"))
    response = render(
        request,
        "threads/_job.html" if is_fragment else "threads/job.html",
        {"section": "job", "job": _job(request, job_id), "is_fragment": is_fragment},
    )
    response["Vary"] = "HX-Request, Cookie"
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@limited("change")
def cancel(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Stop a job that waits or runs."""
    job = _job(request, job_id)
    if not actions.cancel_job(job, by=cast("User", request.user)):
        messages.info(request, _("It had ended already."))
    return _page(request, job)


@require_POST
@limited("change")
def retry(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Queue a job again that failed or was cancelled."""
    job = _job(request, job_id)
    try:
        job = actions.retry_job(job, by=cast("User", request.user))
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
    return _page(request, job)
