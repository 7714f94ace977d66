"""The console's page for saved searches: whose they are, what they look for, whom they tell."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from projects.admin.access import Audited, user_of
from threads.models import SavedSearch


@admin.register(SavedSearch)
class SavedSearchAdmin(Audited):
    """Administrators see all, and may end them; others use the page of their own searches.

    The address of a feed is not shown: it is its owner's way in.
    """

    list_display = ("name", "owner", "query", "sharing", "project", "notify", "checked_at")
    list_filter = ("sharing", "notify", "created_at")
    list_select_related = ("owner", "project")
    search_fields = ("name", "query", "owner__username")
    date_hierarchy = "created_at"
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-created_at", "-pk")
    fields = readonly_fields = (
        *("name", "owner", "query", "sharing", "project", "notify", "checked_at", "created_at"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(user_of(request).is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)
