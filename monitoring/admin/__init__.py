"""The console's pages for what monitoring keeps."""

from __future__ import annotations

from monitoring.admin import bans, logs, queue  # noqa: F401 - they register their pages
