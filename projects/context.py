"""What every page may show of the settings."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from projects.models import SiteSettings


def announcement(request: HttpRequest) -> dict[str, object]:
    """Return the announcement, which is looked up (in the cache) by pages that show it."""
    return {"announcement": SimpleLazyObject(lambda: SiteSettings.current().announcement)}
