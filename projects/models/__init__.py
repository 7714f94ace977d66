"""Projects, their tags, and the connections to the stores their threads come from."""

from __future__ import annotations

from projects.models.connection import Connection
from projects.models.project import Project, Tag

__all__ = ["Connection", "Project", "Tag"]
