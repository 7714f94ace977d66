"""Projects: who may see what, and with which credentials."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ProjectsConfig(AppConfig):
    name = "projects"
    verbose_name = _("Projects")

    def ready(self) -> None:
        from projects import checks  # noqa: F401 - registers them
        from projects.accounts import receivers, roles
        from projects.models.site import rate_of
        from threadhub.lib import ratelimit

        ratelimit.use_rates(rate_of)
        receivers.connect()
        post_migrate.connect(roles.make_groups, sender=self, dispatch_uid="accounts.groups")
