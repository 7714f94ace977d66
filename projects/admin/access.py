"""Who may do what in the console.

Three kinds of people can log in to it:

- Administrators (superusers) see and do everything.
- Project owners need `is_staff` and nothing else. What belongs to a project is theirs exactly when
  they own that project: the permission comes from the ownership, so there is no group to keep in
  step, and Django's model permissions neither add to it nor take from it. The one exception is the
  permission `projects.add_project`: whoever has it may found projects, and owns those.
- Other staff see what Django's model permissions allow outside of projects: metrics, the audit
  log, the queue. Both logs name every project; give those permissions to operators only.

Everything below starts from `managed_by(user)`: lists, pages by address, autocompletes, choices
in forms, filters, history and deletion. Somebody else's row answers as one that does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from projects.admin.widgets import KeysField, RobustAutocomplete, RobustAutocompleteMultiple, is_key
from projects.models import Project
from threadhub.lib import audit
from threadhub.lib.http import client_ip

if TYPE_CHECKING:
    from django.contrib.admin.models import LogEntry

_CACHE = "_threadhub_managed_ids"


def user_of(request: HttpRequest) -> User | AnonymousUser:
    """Return who asks. Anonymous on the login page only, which draws the console's frame too."""
    return cast("User | AnonymousUser", request.user)


def account_of(request: HttpRequest) -> User:
    """Return who asks, on a page that needs a login."""
    return cast("User", request.user)


def managed_ids(request: HttpRequest) -> frozenset[int]:
    """Return the projects that an owner manages; one query a request. Not for administrators."""
    ids = getattr(request, _CACHE, None)
    if ids is None:
        projects = Project.objects.managed_by(user_of(request))
        ids = frozenset(projects.values_list("pk", flat=True))
        setattr(request, _CACHE, ids)
    return ids


def forget_managed_ids(request: HttpRequest) -> None:
    """Ask again: the request has founded or changed a project."""
    if hasattr(request, _CACHE):
        delattr(request, _CACHE)


class Closed(admin.ModelAdmin):
    """Refuses before it looks: Django's history page would tell who may not see it that it is.

    Its fields for other rows say what is wrong with whatever is posted, and its actions leave out
    what is no row's key.
    """

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.name in self.autocomplete_fields:
            kwargs.setdefault("widget", RobustAutocomplete(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        if db_field.name in self.autocomplete_fields:
            kwargs.setdefault("widget", RobustAutocompleteMultiple(db_field, self.admin_site))
        kwargs.setdefault("form_class", KeysField)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def response_action(  # type: ignore[override]
        self, request: HttpRequest, queryset: models.QuerySet
    ) -> Any:
        posted = request.POST.copy()
        chosen = posted.getlist(ACTION_CHECKBOX_NAME)
        posted.setlist(ACTION_CHECKBOX_NAME, [each for each in chosen if is_key(queryset, each)])
        request.POST = posted  # type: ignore[assignment]
        return super().response_action(request, queryset)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


def changed_fields(message: Any) -> list[str]:
    """Return the names of the fields that a change of Django's history names."""
    parts = message if isinstance(message, list) else []
    return [str(name) for part in parts for name in part.get("changed", {}).get("fields", [])]


class Audited(Closed):
    """Writes each addition, change and deletion to the audit log: which fields, never their values.

    Django's own history keeps the same and is shown with the row; it goes when the account goes.
    """

    def _record(
        self, request: HttpRequest, target: models.Model, verb: str, **details: Any
    ) -> None:
        audit.record(
            action=f"{target._meta.model_name}.{verb}",
            actor=user_of(request),
            target=target,
            project_id=self.project_id_of(target),
            ip=client_ip(request),
            **details,
        )

    def project_id_of(self, target: models.Model) -> int | None:
        """Return the project that `target` belongs to; None for people and tags."""
        if isinstance(target, Project):
            return target.pk
        return getattr(target, "project_id", None)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        self._record(request, obj, "add")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        self._record(request, obj, "change", fields=changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        for obj in queryset:
            self._record(request, obj, "delete")
        return super().log_deletions(request, queryset)


class Managed(admin.ModelAdmin):
    """A model whose rows belong to a project; `project_path` leads from the row to it."""

    project_path = "project"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows = super().get_queryset(request)
        if user_of(request).is_superuser:
            return rows
        return rows.filter(
            **{f"{self.project_path}__in": Project.objects.managed_by(user_of(request))}
        )

    def is_managed(self, request: HttpRequest, obj: models.Model | None) -> bool:
        """True when the user manages the project of `obj`, or any project if `obj` is None."""
        user = user_of(request)
        if not (user.is_active and user.is_staff):
            return False
        if user.is_superuser:
            return True
        if obj is None:
            return bool(managed_ids(request))
        project_id: Any = obj
        for step in self.project_path.split("__"):
            project_id = getattr(project_id, "pk" if step == "pk" else f"{step}_id", None)
        return project_id in managed_ids(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.is_managed(request, None)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.is_managed(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_managed(request, None)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.is_managed(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.is_managed(request, obj)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        """Offer, and accept, only what the user manages."""
        related = db_field.remote_field.model
        if hasattr(related._default_manager, "managed_by"):
            kwargs["queryset"] = related._default_manager.managed_by(user_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class Untouched:
    """Refuses to add, change and delete, for the rows of a page and of an inline alike."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(Untouched, Closed):
    """A log: it is read here, and written by ThreadHub only."""


class ReadOnlyInline(Untouched, InlineModelAdmin):
    """Rows of a project shown on its page; whoever may see the page may see them."""

    extra = 0
    max_num = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class ProjectFilter(admin.RelatedFieldListFilter):
    """Django's filter by project, with the user's own projects only."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin) -> Any:
        projects = Project.objects.managed_by(user_of(request)).order_by("name", "pk")
        return list(projects.values_list("pk", "name"))


class UserNamesField(forms.ModelMultipleChoiceField):
    """Accounts by their names: owners may name the people they know, and browse nobody else."""

    widget = forms.TextInput(attrs={"class": "vTextField"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            User.objects.filter(is_active=True),
            to_field_name="username",
            help_text=_("User names, separated by commas."),
            error_messages={"invalid_choice": _("There is no account named %(value)s.")},
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        """Return what the field shows: accounts as names; names, typed or split, as they are."""
        if value is None or isinstance(value, str):
            return value
        accounts = [item for item in value if isinstance(item, User)]
        if not accounts:
            return value or ""
        return ", ".join(sorted(account.get_username() for account in accounts))

    def clean(self, value: Any) -> Any:
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        return super().clean(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = {name for name in str(self.prepare_value(initial) or "").split(", ") if name}
        after = {name.strip() for name in str(data or "").split(",") if name.strip()}
        return before != after
