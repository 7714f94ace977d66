"""Makes saved searches, and people to own them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User

from threads.models import SavedSearch

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def make_user(name: str = "olga", **fields: Any) -> User:
    return User.objects.create_user(name, email=f"{name}@example.org", **fields)


def make_saved(owner: User, query: str = "refund", **fields: Any) -> SavedSearch:
    fields.setdefault("name", "Refunds")
    if fields.get("notify", "never") != "never":
        fields.setdefault("checked_at", LONG_AGO)
    return SavedSearch.objects.create(owner=owner, query=query, **fields)
