"""System checks: what an operator should hear at start rather than at the first sync."""

from __future__ import annotations

from typing import Any

from django.core import checks

from projects.crypto import NoMasterKey
from projects.keys import secret_box


@checks.register(checks.Tags.security)
def master_key_is_set(**_: Any) -> list[checks.CheckMessage]:
    """Warn when API keys could be neither stored nor opened."""
    try:
        secret_box()
    except NoMasterKey as error:
        return [
            checks.Warning(
                f"API keys can be neither stored nor opened: {error}",
                hint="docs/configure.md describes THREADHUB_ENCRYPTION_KEYS.",
                id="threadhub.W010",
            )
        ]
    return []
