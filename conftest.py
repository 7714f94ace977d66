"""Fixtures for every test."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from projects.models import SiteSettings


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Counters, limits and marks of one test are none of the next one's business."""
    cache.clear()
    SiteSettings().remember()  # those of a new installation, without a query in any test
