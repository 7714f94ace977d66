"""Files that messages name, for programs: the bytes that /files/… shows to people."""

from __future__ import annotations

from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone

from projects.models import Project
from threads import actions
from threads.api.access import reader_of, within
from threads.api.errors import Refused
from threads.api.router import FILE_REFUSALS, router


@router.get(
    "files/{project}/{file_id}",
    operation_id="read_file",
    auth=within("file"),
    response={200: None, **FILE_REFUSALS},
    summary="An image or file of a message",
    tags=["threads"],
    url_name="file",
)
def read_file(request: HttpRequest, project: str, file_id: str) -> HttpResponseBase:
    """Send a file that a message names, fetched from its source if need be."""
    reader = reader_of(request)
    found = get_object_or_404(Project.objects.visible_to(reader), slug=project)
    try:
        opened = actions.open_file(found, file_id, by=reader, now=timezone.now())
    except actions.FileGone as gone:
        raise Refused(status=410, code="file_gone", message=str(gone)) from gone
    except actions.FileBusy as busy:
        raise Refused(
            status=503,
            code="file_busy",
            message=str(busy),
            retry_after_seconds=max(1, round(busy.wait_seconds)),
        ) from busy
    if opened is None:
        raise Http404
    response = FileResponse(
        opened.stream,
        as_attachment=True,
        filename=opened.name,
        content_type=opened.kind.content_type,
    )
    response["Cache-Control"] = "private, no-store"
    return response
