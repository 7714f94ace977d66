"""The console's pages for accounts and groups: for administrators only.

Whoever may change accounts can make themselves an administrator, so this right is not given in
parts. The last administrator who can log in can be neither removed nor demoted.
"""

from __future__ import annotations

from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401 - they register what is taken off below
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminRadioSelect
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Count, Exists, OuterRef
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.accounts import roles, second_factor, sessions
from projects.accounts.roles import Role
from projects.admin.access import Audited, Closed, user_of
from projects.admin.display import UNKNOWN, badge, moment

_ALLAUTH = (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession)


_RADIOS = AdminRadioSelect(attrs={"class": "radiolist"})  # fields copy it


class AccountForm(UserChangeForm):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, widget=_RADIOS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].required = False  # programs send what they know: Django's own flags
        if self.instance.pk:
            self.fields["role"].initial = roles.of(self.instance)

    @property
    def new_role(self) -> Role | None:
        """The role that was chosen, if it is another one than before."""
        chosen = self.cleaned_data.get("role")
        if not chosen or chosen == self.fields["role"].initial:
            return None
        return Role(chosen)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.new_role is None:
            stays = bool(cleaned.get("is_superuser") and cleaned.get("is_staff"))
        else:
            stays = self.new_role is Role.ADMINISTRATOR
        if not (stays and cleaned.get("is_active")) and roles.is_last_administrator(self.instance):
            raise ValidationError(roles.last_administrator_text())
        if self.new_role is Role.VIEWER and self.instance.owned_projects.exists():
            names = ", ".join(project.name for project in self.instance.owned_projects.all()[:5])
            text = gettext("A viewer owns no project. Give these to somebody else first: %s")
            raise ValidationError(text % names)
        return cleaned


class NewAccountForm(AdminUserCreationForm):
    role = forms.ChoiceField(
        label=_("Role"), choices=Role.choices, widget=_RADIOS, initial=Role.MEMBER
    )

    @property
    def new_role(self) -> Role | None:
        return Role(self.cleaned_data["role"])


class AdministratorsOnly(Closed):
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


# What django-allauth registers shows secrets, and would let them be typed in. What an
# administrator needs of it is on the accounts' own pages.
for _model in (*_ALLAUTH, User, Group):
    admin.site.unregister(_model)

_ROLE_KIND = {Role.ADMINISTRATOR: "info", Role.OWNER: "ok"}


class RoleFilter(admin.SimpleListFilter):
    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(role.value, str(role.label).partition(":")[0]) for role in Role]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return roles.accounts_with(Role(value), queryset) if value in Role.values else queryset


@admin.register(User)
class UserAdmin(AdministratorsOnly, Audited, DjangoUserAdmin):
    form = AccountForm
    add_form = NewAccountForm
    list_display = ("username", "email", "role", "projects", "second_factor", "is_active", "seen")
    list_filter = (RoleFilter, "is_active", "groups")
    list_per_page = 50
    search_help_text = _("User name, name or e-mail address")
    autocomplete_fields = ("groups",)
    filter_horizontal = ()  # Django's widget for it has parts that screen readers cannot name
    actions = ("log_out_everywhere", "reset_second_factors")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (
            _("Role"),
            {
                "fields": ("is_active", "role"),
                "description": _(
                    "Which projects somebody reads or manages is set with each project. "
                    "Switch an account off rather than deleting it: its history stays readable."
                ),
            },
        ),
        (_("Security"), {"fields": ("factors", "open_sessions", "last_login", "date_joined")}),
        (
            _("Further permissions"),
            {
                "classes": ("collapse",),
                "fields": ("is_staff", "is_superuser", "groups", "user_permissions"),
                "description": _(
                    "What a role is made of, in Django's own words. For operators who may see the "
                    "logs: staff, with the permissions to view them."
                ),
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "role")}),
    )
    readonly_fields = ("factors", "open_sessions", "last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
            type=Authenticator.Type.RECOVERY_CODES
        )
        rows: models.QuerySet = (
            super()
            .get_queryset(request)
            .annotate(owned_count=Count("owned_projects"), has_factor=Exists(factors))
            .prefetch_related("groups")
        )
        return rows

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if form.new_role is not None:
            roles.give(form.instance, form.new_role)
            self._record(request, form.instance, "role", role=form.new_role.value)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Add the last administrator to what is protected: one door for page and action."""
        to_delete, counts, needed, protected = super().get_deleted_objects(objs, request)
        users = [obj for obj in objs if isinstance(obj, User)]
        able = [user for user in users if user.is_superuser and user.is_active]
        if able and not roles.administrators_besides([user.pk for user in users]):
            protected = [
                *protected,
                *(gettext("The last administrator who can log in: %s") % user for user in able),
            ]
        return to_delete, counts, needed, protected

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete; two administrators who delete each other at once do not both succeed."""
        with transaction.atomic():
            ids = list(queryset.order_by().values_list("pk", flat=True))
            able = User.objects.filter(pk__in=ids, is_superuser=True, is_active=True).exists()
            if able and not roles.administrators_besides(ids):
                raise PermissionDenied
            super().delete_queryset(request, User.objects.filter(pk__in=ids))

    @admin.action(description=_("Log out everywhere"))
    def log_out_everywhere(self, request: HttpRequest, users: Any) -> None:
        count = 0
        for user in users:
            ended = sessions.end_all(user)
            self._record(request, user, "sessions_end", count=ended)
            count += ended
        text = ngettext("%(count)d session has ended.", "%(count)d sessions have ended.", count)
        self.message_user(request, text % {"count": count})

    @admin.action(description=_("Take off the second factor"))
    def reset_second_factors(self, request: HttpRequest, users: Any) -> None:
        count = 0
        for user in users:
            if second_factor.reset(user):
                self._record(request, user, "second_factor_reset")
                count += 1
        text = ngettext(
            "%(count)d account logs in with its password alone now.",
            "%(count)d accounts log in with their passwords alone now.",
            count,
        )
        self.message_user(request, text % {"count": count})

    @admin.display(description=_("role"), ordering="-is_superuser")
    def role(self, user: User) -> str:
        role = roles.of(user)
        return badge(_ROLE_KIND.get(role, "quiet"), str(role.label).partition(":")[0])

    @admin.display(description=_("owns projects"), ordering="owned_count")
    def projects(self, user: Any) -> int:
        return int(user.owned_count)

    @admin.display(description=_("second factor"), ordering="has_factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        return bool(user.has_factor)

    @admin.display(description=_("second factors (added, last used)"))
    def factors(self, user: User) -> str:
        rows = [
            (factor.get_type_display(), moment(factor.created_at), moment(factor.last_used_at))
            for factor in Authenticator.objects.filter(user=user).order_by("pk")
        ]
        return format_html_join("", "<p>{} · {} · {}</p>", rows) or UNKNOWN

    @admin.display(description=_("open sessions"))
    def open_sessions(self, user: User) -> str:
        rows = [
            (sessions.browser(session.user_agent), session.ip, moment(session.created_at))
            for session in sessions.open_ones(user)
        ]
        return format_html_join("", "<p>{} · {} · {}</p>", rows) or UNKNOWN

    @admin.display(description=_("last login"), ordering="last_login")
    def seen(self, user: User) -> str:
        return moment(user.last_login)


@admin.register(Group)
class GroupAdmin(AdministratorsOnly, Audited, DjangoGroupAdmin):  # type: ignore[misc]
    """The three groups of the roles keep their names: the roles find them by these."""

    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        is_ours = obj is not None and obj.name in roles.GROUPS.values()
        return ("name",) if is_ours else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_ours = obj is not None and obj.name in roles.GROUPS.values()
        return not is_ours and super().has_delete_permission(request, obj)
