"""What browsers and robots ask every site for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_GET


@require_GET
def robots(request: HttpRequest) -> HttpResponse:
    """Ask robots to stay away: an archive of conversations is nothing for search engines."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """Send those who ask for the old name to the drawing."""
    return redirect(static("threadhub/favicon.svg"))
