"""System checks: what an operator should hear at start rather than at the first sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DatabaseError

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


@checks.register(checks.Tags.database)
def stored_keys_open(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Warn of stored API keys whose master key is lost: `check --database default` and `migrate`.

    A warning, so that the rest of ThreadHub starts and somebody can enter them again.
    """
    if not databases or "default" not in databases:
        return []
    from projects.rotation import lost_keys  # models are not loaded yet when checks register

    try:
        lost = lost_keys()
    except DatabaseError:  # before the first migration
        return []
    return [
        checks.Warning(
            f"{key.connections} stored API key(s) cannot be opened: {key.reason}",
            hint="Put the lost master key back into THREADHUB_ENCRYPTION_KEYS, or enter the API"
            " keys again. Their connections pause until then; nothing is overwritten.",
            id="threadhub.W011",
        )
        for key in lost
    ]
