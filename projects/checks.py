"""System checks: what an operator should hear at start rather than at the first sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError

from projects.crypto import NoMasterKey
from projects.keys import secret_box

if TYPE_CHECKING:
    from projects.rotation import LostKey


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
            f"{_counted(key)} cannot be opened: {key.reason}",
            hint="Put the lost master key back into THREADHUB_ENCRYPTION_KEYS. Or enter the API"
            " keys again (their connections pause until then; nothing is overwritten), and let"
            " people set up their second factors again after reset_second_factor NAME.",
            id="threadhub.W011",
        )
        for key in lost
    ]


def _counted(key: LostKey) -> str:
    parts = [f"{key.connections} stored API key(s)"] if key.connections else []
    if key.second_factors:
        parts.append(f"{key.second_factors} secret(s) of second factors")
    return " and ".join(parts)


@checks.register(checks.Tags.security)
def single_sign_on_is_whole(**_: Any) -> list[checks.CheckMessage]:
    """Refuse half a configuration of OpenID Connect, and a role for newcomers that is none."""
    from projects.accounts.adapters import REFUSED
    from projects.accounts.roles import Role

    names = [f"THREADHUB_OIDC_{name}" for name in ("DISCOVERY_URL", "CLIENT_ID", "CLIENT_SECRET")]
    missing = [name for name in names if not getattr(settings, name)]
    problems: list[checks.CheckMessage] = []
    if missing and len(missing) < len(names):
        problems.append(
            checks.Warning(
                f"Single sign-on is off: {', '.join(missing)} is not set.",
                hint="docs/configure.md describes what OpenID Connect needs.",
                id="threadhub.W012",
            )
        )
    allowed = [role.value for role in Role if role is not Role.ADMINISTRATOR] + [REFUSED]
    if settings.THREADHUB_OIDC_NEWCOMERS not in allowed:
        problems.append(
            checks.Error(
                f"THREADHUB_OIDC_NEWCOMERS is {settings.THREADHUB_OIDC_NEWCOMERS!r}.",
                hint=f"It is one of: {', '.join(allowed)}.",
                id="threadhub.E013",
            )
        )
    return problems
