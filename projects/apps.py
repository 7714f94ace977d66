"""Projects: who may see what, and with which credentials."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProjectsConfig(AppConfig):
    name = "projects"
    verbose_name = _("Projects")

    def ready(self) -> None:
        from projects import checks  # noqa: F401 - registers them
        from projects.models.site import rate_of
        from threadhub.lib import ratelimit

        ratelimit.use_rates(rate_of)
