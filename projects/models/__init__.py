"""Projects, their tags, and the connections to their stores; and what holds for the whole site."""

from __future__ import annotations

from projects.models.connection import Connection
from projects.models.preferences import Preferences
from projects.models.project import Project, Tag
from projects.models.site import SiteSettings
from projects.models.token import ApiToken

__all__ = ["ApiToken", "Connection", "Preferences", "Project", "SiteSettings", "Tag"]
