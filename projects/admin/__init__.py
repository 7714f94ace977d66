"""The console's pages for projects, tags and people."""

from __future__ import annotations

from projects.admin import people, projects

__all__ = ["people", "projects"]
