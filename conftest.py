"""Fixtures for every test."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Counters, limits and marks of one test are none of the next one's business."""
    cache.clear()
