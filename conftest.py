"""Fixtures for every test."""

from __future__ import annotations

import time

import pytest
from django.core.cache import cache
from django.utils import timezone, translation

import threadhub.urls  # noqa: F401 - the console's pages, which tests count, come with it
from monitoring import banned
from projects.models import SiteSettings, masking


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks the database: the rest does the same whatever database there is."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or "db" in fixtures:
            item.add_marker("database")


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> None:
    """Counters, limits, marks and languages of one test are none of the next one's business."""
    cache.clear()
    # A request leaves its language to its thread; here the next test runs in the same one.
    translation.deactivate()
    timezone.deactivate()
    # Those of a new installation, and no bans, without a query in any test.
    SiteSettings().remember()
    banned.remember([])
    masking.remember_rules({})


@pytest.fixture(autouse=True)
def _limits_begin_with_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of a limit that ended between two requests would allow what has to be refused."""
    began: list[int] = []

    def end_of_window(_value: str, period: int) -> int:
        now = int(time.time())
        began.append(now)
        return now + period - max(0, now - began[0]) % period

    monkeypatch.setattr("django_ratelimit.core._get_window", end_of_window)
