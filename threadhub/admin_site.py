"""The console: Django's admin with ThreadHub's sections and dashboard.

`ConsoleConfig` stands in INSTALLED_APPS where `django.contrib.admin` would, so that
`@admin.register` everywhere, django-q2's own included, reaches this site.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_dependencies
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.apps import AuthConfig
from django.core import checks
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _


class Section(NamedTuple):
    label: str
    name: Any  # lazy
    models: tuple[str, ...]


# The order of the sidebar. A model that is not named here ends up in the last section.
SECTIONS = (
    Section("archive", _("Archive"), ("Thread", "Message", "Assistant", "SavedSearch")),
    Section("projects", _("Projects"), ("Project", "Connection", "Tag")),
    Section("governance", _("Governance"), ("SubjectRequest",)),
    Section("people", _("People"), ("User", "Group", "ApiToken", "SiteSettings")),
    Section(
        "monitoring",
        _("Monitoring"),
        (
            *("SyncRun", "AuditEvent", "LoginAttempt", "Offence", "RequestBan"),
            "SystemMetric",
        ),
    ),
    Section("work", _("Background work"), ("Job", "Schedule", "OrmQ", "Failure", "Success")),
)


class Console(AdminSite):
    site_title = "ThreadHub"
    site_header = "ThreadHub"
    index_title = _("Dashboard")
    enable_nav_sidebar = True

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return what the user may open, by section rather than by Python package."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        rows = {row["object_name"]: row for app in apps for row in app["models"]}
        sections: list[dict[str, Any]] = []
        for section in SECTIONS:
            rows_here = [rows.pop(name) for name in section.models if name in rows]
            sections.append(
                {
                    "name": section.name,
                    "app_label": section.label,
                    "app_url": "",
                    "has_module_perms": True,
                    "models": rows_here,
                }
            )
        sections[-1]["models"].extend(rows.values())
        return [section for section in sections if section["models"]]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add what every page says: that nothing runs in the background. One look at the cache."""
        from threadhub.lib import cluster  # wants the apps to be ready

        context = super().each_context(request)
        context["worker_is_missing"] = context["has_permission"] and cluster.worker_count() == 0
        return context

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Log in where everybody does, second factor included, and come back here.

        A form that is sent here is taken as it is: programs log in that way.

        :raises PermissionDenied: for somebody who is logged in and may not open the console.
        """
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            from allauth.account.views import login  # wants all apps to be loaded

            response: HttpResponse = login(request)
            return response
        address = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
        return redirect(f"{reverse('account_login')}?{address}")

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        from allauth.account.views import logout

        response: HttpResponse = logout(request)
        return response

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from monitoring import charts, dashboard
        from projects.admin.access import user_of

        wanted = request.GET.get("range", charts.USUAL)
        context = {"dashboard": dashboard.for_user(user_of(request), wanted_range=wanted)}
        return super().index(request, context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from monitoring import sample

        return [
            path("sample/load/", self.admin_view(sample.load), name="sample_load"),
            path("sample/remove/", self.admin_view(sample.remove), name="sample_remove"),
            *super().get_urls(),
        ]


class ConsoleConfig(SimpleAdminConfig):
    """Loads the pages of the console with the addresses, in urls.py: a third of all imports.

    Commands that show no page start sooner by that much.
    """

    default_site = "threadhub.admin_site.Console"

    def ready(self) -> None:
        # As Django's own, but that theirs looks only at what happens to be loaded.
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def _check_pages(
    app_configs: Sequence[AppConfig] | None, **_options: Any
) -> list[checks.CheckMessage]:
    admin.autodiscover()
    return admin.site.check(app_configs)


class PeopleConfig(AuthConfig):
    """Django's users and groups under the name that they have in the console."""

    verbose_name = _("People")
