"""Images and files of messages, from this server's disk or fetched onto it."""

from __future__ import annotations

from typing import cast

from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
)
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from projects.models import Project
from threadhub.lib.ratelimit import limited
from threads import actions
from threads.views.reader import reader

# Nothing in a file runs or loads anything, should a browser show it after all.
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_BLOCK = 64 * 1024  # bytes sent at a time


@require_GET
@limited("file")
def file_content(request: HttpRequest, project_slug: str, file_id: str) -> HttpResponse:
    """Send a file that a message names. Images open in the page, everything else is saved."""
    projects = Project.objects.visible_to(reader(request))
    project = get_object_or_404(projects, slug=project_slug)
    try:
        opened = actions.open_file(project, file_id, by=reader(request), now=timezone.now())
    except actions.FileGone as gone:
        return _instead(request, str(gone), status=410)
    except actions.FileBusy as busy:
        response = _instead(request, str(busy), status=503)
        response["Retry-After"] = str(max(1, round(busy.wait_seconds)))
        return response
    if opened is None:
        raise Http404
    tag = f'"{opened.path.name}"'  # what an id stands for never changes
    if request.headers.get("If-None-Match") == tag:
        opened.stream.close()
        response = HttpResponseNotModified()
    else:
        sent = FileResponse(
            opened.stream,
            as_attachment=not opened.kind.is_image,
            filename=opened.name,
            content_type=opened.kind.content_type,
        )
        sent.block_size = _BLOCK
        response = cast("HttpResponse", sent)
    response["ETag"] = tag
    response["Cache-Control"] = "private, max-age=600"
    response["Content-Security-Policy"] = _POLICY
    return response


def _instead(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    """Say why there is no file."""
    context = {"section": "thread", "sentence": sentence, "status": status}
    response = render(request, "threads/no_file.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response
