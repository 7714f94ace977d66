"""The console's pages for accounts and groups: for administrators only.

Whoever may change accounts can make themselves an administrator, so this right is not given in
parts. The last administrator who can log in can be neither removed nor demoted.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import Audited, user_of
from projects.admin.display import badge, moment


def administrators_besides(user_ids: list[int]) -> bool:
    """True when somebody else than `user_ids` is an administrator who can log in; one query."""
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk__in=user_ids)
    return others.exists()


class AccountForm(UserChangeForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stays = all(cleaned.get(name) for name in ("is_superuser", "is_active", "is_staff"))
        before = User.objects.filter(pk=self.instance.pk, is_superuser=True, is_active=True)
        if not stays and before.exists() and not administrators_besides([self.instance.pk]):
            raise ValidationError(
                gettext("This is the last administrator who can log in. Appoint another first.")
            )
        return cleaned


class AdministratorsOnly(admin.ModelAdmin):
    def has_module_permission(self, request: HttpRequest) -> bool:
        user = user_of(request)
        return user.is_active and user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(AdministratorsOnly, Audited, DjangoUserAdmin):
    form = AccountForm
    list_display = ("username", "email", "role", "projects", "is_active", "seen")
    list_filter = ("is_active", "is_superuser", "is_staff", "groups")
    list_per_page = 50
    search_help_text = _("User name, name or e-mail address")
    autocomplete_fields = ("groups",)
    filter_horizontal = ("user_permissions",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (
            _("Role"),
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": _(
                    "Staff may open this console, where they manage the projects that they own. "
                    "Superusers are administrators: they see and manage everything. "
                    "Switch an account off rather than deleting it: its history stays readable."
                ),
            },
        ),
        (
            _("Further permissions"),
            {"classes": ("collapse",), "fields": ("groups", "user_permissions")},
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows: models.QuerySet = (
            super().get_queryset(request).annotate(owned_count=Count("owned_projects"))
        )
        return rows

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Add the last administrator to what is protected: one door for page and action."""
        to_delete, counts, needed, protected = super().get_deleted_objects(objs, request)
        users = [obj for obj in objs if isinstance(obj, User)]
        able = [user for user in users if user.is_superuser and user.is_active]
        if able and not administrators_besides([user.pk for user in users]):
            protected = [
                *protected,
                *(gettext("The last administrator who can log in: %s") % user for user in able),
            ]
        return to_delete, counts, needed, protected

    @admin.display(description=_("role"), ordering="-is_superuser")
    def role(self, user: User) -> str:
        if user.is_superuser:
            return badge("info", gettext("Administrator"))
        return badge("quiet", gettext("Staff") if user.is_staff else gettext("Reader"))

    @admin.display(description=_("owns projects"), ordering="owned_count")
    def projects(self, user: Any) -> int:
        return int(user.owned_count)

    @admin.display(description=_("last login"), ordering="last_login")
    def seen(self, user: User) -> str:
        return moment(user.last_login)


@admin.register(Group)
class GroupAdmin(AdministratorsOnly, Audited, DjangoGroupAdmin):
    pass
