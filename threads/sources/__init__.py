"""Where threads come from. Import the public names from here."""

from __future__ import annotations

from threads.sources.base import (
    BadAnswer,
    Capability,
    Credentials,
    CursorLost,
    Denied,
    Gone,
    Page,
    Part,
    RemoteMessage,
    RemoteThread,
    Retired,
    Source,
    SourceError,
    Throttled,
    Unavailable,
    Unsupported,
    Usage,
)

__all__ = [
    "BadAnswer",
    "Capability",
    "Credentials",
    "CursorLost",
    "Denied",
    "Gone",
    "Page",
    "Part",
    "RemoteMessage",
    "RemoteThread",
    "Retired",
    "Source",
    "SourceError",
    "Throttled",
    "Unavailable",
    "Unsupported",
    "Usage",
]
