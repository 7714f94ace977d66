"""How large a form with a file may be; it is refused before any of it is read."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from threadhub.lib.http import GetResponse

_FORM = "multipart/form-data"
_FIELDS = 64 * 1024  # bytes of what goes along with a file


class UploadLimitMiddleware:
    """Refuses forms that are larger than is taken.

    Django limits what it holds in memory. Files it writes to the disk, of any size and for
    anybody, before the page is asked whether they may. Large ones are for the pages that
    THREADHUB_UPLOAD_PAGES names, and for people who can enter the console.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        """Look at the length that is announced: no server reads further.

        :raises RequestDataTooBig: which is answered with the page for 413.
        """
        if request.content_type == _FORM and _length(request) > _most(request):
            raise RequestDataTooBig


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # is read as nothing, too


def _most(request: HttpRequest) -> int:
    match = request.resolver_match
    takes_files = match is not None and match.view_name in settings.THREADHUB_UPLOAD_PAGES
    user = getattr(request, "user", None)
    if takes_files and user is not None and user.is_active and user.is_staff:
        return max_upload_bytes() + _FIELDS
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)


def max_upload_bytes() -> int:
    """Return how large a file may be that is imported in the console."""
    return int(settings.THREADHUB_MAX_UPLOAD_MB) * 1024 * 1024
