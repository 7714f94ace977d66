"""The predecessor's settings: whether it refreshed by itself comes along, the others are named."""

from __future__ import annotations

import json
from typing import Any

from monitoring.predecessor.report import Report
from threads.imports.predecessor import Database, Row

_ABOUT_REFRESH = ("refresh", "schedule")
_SWITCHES = frozenset({"enabled", "is_enabled", "active", "on"})
_SECRETS = ("key", "secret", "password", "token")


def is_refreshed(database: Database) -> bool:
    """Tell whether the old installation read threads again by itself; True if it does not say."""
    switches = [_switch(row) for row in database.rows("system_settings")]
    return False not in switches


def bring_settings(database: Database, report: Report) -> None:
    """Count and name the settings; after the projects, whose connections the switch concerns."""
    count = report.of("settings")
    is_new = report.of("connections").new > 0
    for row in database.rows("system_settings"):
        name, value = row.text("key")[:80], row.text("value")[:80]
        switch = _switch(row)
        if switch is not None:
            count.new += is_new
            count.known += not is_new
        if switch is False and is_new:
            report.note(
                f"The setting {name}: threads were not refreshed by themselves, so that is"
                " switched off in the connections that came. Switch it on there."
            )
        elif switch is None:
            count.left_out += 1
            if any(word in name.lower() for word in _SECRETS):
                value = "not shown"
            report.note(f"The setting {name} ({value}) is not carried over: set it in the console.")


def _switch(row: Row) -> bool | None:
    """Return whether a setting switches the refresh on or off; None when it does neither.

    It is written as `{"enabled": false, …}` or on its own, as `refresh_enabled`.
    """
    name = row.text("key").lower()
    if not any(word in name for word in _ABOUT_REFRESH):
        return None
    try:
        value: Any = json.loads(row.text("value"))
    except (ValueError, RecursionError):
        value = row.text("value").strip().lower() in {"on", "true"} if "enabled" in name else None
    if isinstance(value, dict):
        value = next((value[key] for key in value if key in _SWITCHES), None)
    elif name.endswith("enabled") and value in {0, 1}:
        value = bool(value)
    return value if isinstance(value, bool) else None
