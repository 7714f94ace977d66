"""The console's pages for projects, tags, people and the settings."""

from __future__ import annotations

from projects.admin import people, projects, site, tokens

__all__ = ["people", "projects", "site", "tokens"]
