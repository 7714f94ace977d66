"""The console's page for the settings of the whole site: one row, always there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, changed_fields
from projects.admin.people import AdministratorsOnly
from projects.models import SiteSettings

_RATES = [name for name in settings.THREADHUB_RATES if hasattr(SiteSettings, f"rate_{name}")]


class SiteSettingsForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _RATES:
            widget = self.fields[f"rate_{name}"].widget
            widget.attrs["placeholder"] = settings.THREADHUB_RATES[name]


@admin.register(SiteSettings)
class SiteSettingsAdmin(AdministratorsOnly, Audited):
    form = SiteSettingsForm
    fieldsets = (
        (_("Accounts"), {"fields": ("second_factor", "session_hours")}),
        (_("Refreshing"), {"fields": ("refreshes_automatically", "refresh_minutes")}),
        (
            _("Search"),
            {"fields": ("search_page_size", "counted_hits", "facet_hits", "suggests")},
        ),
        (
            _("Keeping"),
            {
                "fields": ("keep_trash_days", "keep_jobs_days", "keep_runs_days"),
                "description": _(
                    "How long threads are kept is each project's own rule. What would go next is "
                    "shown under Threads, Retention."
                ),
            },
        ),
        (_("Masking"), {"fields": ("masking",)}),
        (
            _("Language and appearance"),
            {"fields": ("default_language", "site_name", "announcement")},
        ),
        (
            _("Fresh searches"),
            {"fields": ("captcha_mode", "free_fresh_searches", "fresh_search_calls")},
        ),
        (
            _("Images and files"),
            {"fields": ("largest_file_mb", "file_cache_mb")},
        ),
        (
            _("Bans"),
            {
                "fields": (
                    *("bans_automatically", "ban_window_minutes", "ban_after_limits"),
                    *("ban_after_answers", "ban_after_logins", "ban_minutes", "never_banned"),
                ),
                "description": _(
                    "An address that goes on although it is refused is kept out for a while. "
                    "Who did what, and bans by hand, are under Monitoring."
                ),
            },
        ),
        (
            _("Limits"),
            {
                "fields": [f"rate_{name}" for name in _RATES],
                "description": _(
                    "How often an account, a token or an address may ask: 120/m, 5/10m, 1000/d. "
                    "Empty: the built-in limit, which is shown in grey."
                ),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Go to the one row, which is made when nobody has changed it yet."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not SiteSettings.objects.exists() and self.has_change_permission(request):
            SiteSettings().save()
        return HttpResponseRedirect(reverse("admin:projects_sitesettings_change", args=[1]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore)
        return [path("restore/", view, name="projects_sitesettings_restore"), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = SiteSettings.objects.filter(pk=1).first() or SiteSettings()
        request._threadhub_changes = obj.changes_since(before)  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Put the values on record, too: they are no secrets, and say what held when."""
        changes: list[str] = getattr(request, "_threadhub_changes", [])
        self._record(request, obj, "change", fields=changed_fields(message), changes=changes)
        return super(Audited, self).log_change(request, obj, message)

    def restore(self, request: HttpRequest) -> HttpResponse:
        """Show what differs from the defaults, and restore them when that is wished."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        before = SiteSettings.objects.filter(pk=1).first() or SiteSettings()
        defaults = SiteSettings(pk=1)
        changes = defaults.changes_since(before)
        if request.method == "POST":
            defaults.save()
            self._record(request, defaults, "restore", changes=changes)
            self.message_user(request, gettext("The defaults hold again."))
            return HttpResponseRedirect(reverse("admin:projects_sitesettings_change", args=[1]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Restore the defaults?"),
            "changes": changes,
        }
        return TemplateResponse(request, "admin/projects/settings_restore.html", context)

    def response_change(self, request: HttpRequest, obj: SiteSettings) -> HttpResponse:
        self.message_user(request, gettext("Saved. It holds from now on."))
        return HttpResponseRedirect(request.path)
