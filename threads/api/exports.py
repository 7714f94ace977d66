"""Exports through the API: asked for, followed, fetched."""

from __future__ import annotations

import uuid

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from threads import actions
from threads.api import bodies, shapes
from threads.api.access import EXPORT, account_of, within
from threads.api.errors import Refused, refused
from threads.api.router import CHANGE_REFUSALS, REFUSALS, leads_to, router
from threads.exports import ExportOrder
from threads.exports.kept import expires_at, export_path
from threads.models import Job
from threads.search.published import published_time


@router.post(
    "exports",
    operation_id="start_export",
    auth=within("export"),
    response={202: shapes.ExportDetail, **CHANGE_REFUSALS},
    summary="Make a file of threads",
    tags=["exports"],
    openapi_extra=leads_to(202, "/id", read_export="export_id", read_export_file="export_id"),
)
def start_export(request: HttpRequest, body: bodies.NewExport) -> HttpResponse:
    """Make an export in the background. Poll `url` until `file_url` is there."""
    user = account_of(request, scope=EXPORT)
    order = ExportOrder(
        form=body.format,
        query=body.query,
        thread_ids=tuple(body.thread_ids),
        per_message=body.per_message,
        columns=tuple(body.columns),
        masked=body.masked,
        zipped=body.zipped,
        zone=body.time_zone,
    )
    try:
        job = actions.request_export(order, by=user)
    except actions.Refused as refusal:
        raise refused(refusal) from refusal
    return JsonResponse(_export(job), status=202)


@router.get(
    "exports/{export_id}",
    operation_id="read_export",
    auth=within("poll"),
    response={200: shapes.ExportDetail, **REFUSALS},
    summary="How far an export is",
    tags=["exports"],
    url_name="export",
)
def read_export(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Tell how far an export of one's own is, and where its file is once it is made."""
    return JsonResponse(_export(_own_export(request, export_id)))


@router.get(
    "exports/{export_id}/file",
    operation_id="read_export_file",
    auth=within("export"),
    response={200: None, **CHANGE_REFUSALS},
    summary="The file of an export",
    tags=["exports"],
    url_name="export_file",
)
def read_export_file(request: HttpRequest, export_id: uuid.UUID) -> HttpResponseBase:
    """Send the file to who asked for it, until it expires."""
    job = _own_export(request, export_id)
    if job.is_live:
        raise Refused(
            status=409,
            code="not_ready",
            message=_("The file is not made yet. Poll the export until it has a file_url."),
        )
    order = ExportOrder.from_json(job.parameters)
    try:
        file = export_path(job.pk).open("rb")
    except OSError as error:
        raise Http404 from error
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"threadhub-{job.queued_at:%Y-%m-%d}.{order.extension}",
        content_type=order.content_type,
    )
    response["Cache-Control"] = "private, no-store"
    return response


def _own_export(request: HttpRequest, export_id: uuid.UUID) -> Job:
    user = account_of(request, scope=EXPORT)
    jobs = Job.objects.visible_to(user).filter(kind=Job.Kind.EXPORT, requested_by=user)
    return get_object_or_404(jobs, pk=export_id)


def _export(job: Job) -> shapes.ExportDetail:
    until = expires_at(job)
    return shapes.ExportDetail(
        id=str(job.pk),
        format=str(job.parameters.get("form", "")),
        state=job.state,
        threads_done=job.done_count,
        threads_total=job.total_count,
        error=job.error,
        sha256=str(job.result.get("sha256", "")) or None,
        size_bytes=job.result.get("size_bytes"),
        expires_at=published_time(until),
        url=reverse("api:export", args=[job.pk]),
        file_url=reverse("api:export_file", args=[job.pk]) if until else None,
    )
