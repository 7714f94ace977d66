"""What every page may show of the settings."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from projects.models import SiteSettings


def of_site(request: HttpRequest) -> dict[str, object]:
    """Return the name and the announcement; pages that show them look once into the cache."""
    current: Any = SimpleLazyObject(SiteSettings.current)
    return {
        "announcement": SimpleLazyObject(lambda: current.announcement),
        "site_name": SimpleLazyObject(lambda: current.name),
    }
