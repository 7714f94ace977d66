"""Fixtures for every test."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from monitoring import banned
from projects.models import SiteSettings, masking


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Counters, limits and marks of one test are none of the next one's business."""
    cache.clear()
    # Those of a new installation, and no bans, without a query in any test.
    SiteSettings().remember()
    banned.remember([])
    masking.remember_rules({})
