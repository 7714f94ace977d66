"""What the search field offers while somebody types."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from projects.masking import covered_for
from projects.models import Project, SiteSettings
from threadhub.lib.ratelimit import limited
from threads.exports.masking import mask
from threads.models import SavedSearch
from threads.search.suggestions import suggest
from threads.views.reader import reader

MAX_SAVED = 4  # saved searches among the suggestions


@require_GET
@limited("suggest")
def suggestions(request: HttpRequest) -> HttpResponse:
    """List how the text in `q` could go on at `position`, and saved searches that it may mean.

    None where the administrators have switched them off. At most three queries. `kind` "search" is
    one to go to, "part" one to type on from.
    """
    if not SiteSettings.current().suggests:
        return JsonResponse({"results": []})
    text = request.GET.get("q", "")
    position = request.GET.get("position", "")
    at = int(position) if position.isascii() and position.isdigit() and len(position) < 5 else None
    offered: list[dict[str, Any]] = [
        {
            "kind": "search",
            "label": saved.name,
            "description": _("Saved search"),
            "text": saved.query,
        }
        for saved in SavedSearch.objects.visible_to(reader(request)).like(text)[:MAX_SAVED]
    ]
    visible = Project.objects.visible_to(reader(request))
    covered = covered_for(reader(request))
    offered += [
        {"kind": "part", "label": one.label, "description": one.description, "text": one.text}
        for one in suggest(text, projects=visible, position=at)
        if not covered or mask(one.label) == one.label
    ]
    response = JsonResponse({"results": offered})
    response["Cache-Control"] = "private, max-age=30"
    return response
