"""The console's pages for projects and tags."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import (
    Audited,
    Managed,
    ReadOnlyInline,
    UserNamesField,
    forget_managed_ids,
    user_of,
)
from projects.admin.display import UNKNOWN, badge, connection_badge, moment, number
from projects.forms import ProjectForm
from projects.models import Connection, Project, Tag

# Deleting goes through one transaction, during which nobody else can write to SQLite.
MOST_DELETED = 50_000


def count_by(rows: models.QuerySet) -> Coalesce:
    """Count `rows`, which name their project, for each project of the outer query.

    A subquery for each column: two joins in one query would multiply the counts.
    """
    counted = rows.filter(project=OuterRef("pk")).order_by().values("project")
    return Coalesce(Subquery(counted.annotate(n=Count("pk")).values("n")), 0)


class ConnectionInline(ReadOnlyInline, admin.TabularInline):
    model = Connection
    fields = readonly_fields = ("link", "store", "state_badge", "key", "checked")
    template = "admin/projects/project/connections.html"
    verbose_name_plural = _("connections: where its threads come from")

    @admin.display(description=_("connection"))
    def link(self, connection: Connection) -> str:
        address = reverse("admin:projects_connection_change", args=[connection.pk])
        name = connection.name or connection.get_store_display()
        return format_html('<a href="{}">{}</a>', address, name)

    @admin.display(description=_("state"))
    def state_badge(self, connection: Connection) -> str:
        return connection_badge(connection)

    @admin.display(description=_("key"))
    def key(self, connection: Connection) -> str:
        return f"…{connection.key_ending or '????'}" if connection.has_key else UNKNOWN

    @admin.display(description=_("last tested"))
    def checked(self, connection: Connection) -> str:
        return moment(connection.checked_at)


@admin.register(Project)
class ProjectAdmin(Audited, Managed):
    project_path = "pk"
    form = ProjectForm
    list_display = ("name", "visibility_badge", "threads", "owner_names", "tag_names", "changed")
    list_filter = ("visibility", "is_held")
    search_fields = ("name", "slug", "description")
    search_help_text = _("Name, short name or description")
    ordering = ("name", "pk")
    list_per_page = 50
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("owners", "members")
    inlines = (ConnectionInline,)
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "tags", "seen_version")}),
        (
            _("Who may read it"),
            {
                "fields": ("visibility", "owners", "members", "masking"),
                "description": _(
                    "Owners read and manage it. Members read it unless it is private. "
                    "A public project can be searched by everyone who reaches this server, "
                    "without logging in."
                ),
            },
        ),
        (
            _("Keeping and refreshing"),
            {"fields": ("retention_days", "is_held", "allows_visitor_fresh_search")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows: models.QuerySet = super().get_queryset(request)
        match = request.resolver_match
        if match is None or match.url_name != "projects_project_changelist":
            return rows
        threads = Project._meta.get_field("threads").related_model._default_manager.all()
        rows = rows.annotate(thread_count=count_by(threads))
        return rows.prefetch_related("owners", "tags")

    # Who may found projects is Django's permission; see access.py.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return user_of(request).is_staff and user_of(request).has_perm("projects.add_project")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.has_add_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        founds = obj is None and self.has_add_permission(request)
        return founds or super().has_view_permission(request, obj)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return (
            super().get_prepopulated_fields(request, obj) if user_of(request).is_superuser else {}
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # "This short name is taken" would tell an owner about somebody else's project.
        return () if user_of(request).is_superuser else ("slug",)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        if db_field.name in {"owners", "members"} and not user_of(request).is_superuser:
            return UserNamesField(required=False, label=capfirst(db_field.verbose_name))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.editor = None if user_of(request).is_superuser else user_of(request)
        return cast("type[forms.ModelForm]", form)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Count what goes instead of naming every message, and keep what is on hold."""
        projects = list(objs)
        counts: dict[str, int] = {str(self.opts.verbose_name_plural): len(projects)}
        protected: list[str] = []
        message_count = 0
        for project in projects:
            found = project.threads.aggregate(
                threads=Count("pk"),
                messages=Coalesce(Sum("message_count"), 0),
                held=Count("pk", filter=Q(is_held=True)),
            )
            message_count += found["messages"]
            for name, label in (("threads", gettext("threads")), ("messages", gettext("messages"))):
                if found[name]:
                    counts[label] = counts.get(label, 0) + found[name]
            if project.is_held or found["held"]:
                protected.append(gettext("%s is on legal hold, or a thread in it is.") % project)
        if message_count > MOST_DELETED:
            text = gettext("More than %d messages cannot be deleted from a page.")
            protected.append(text % MOST_DELETED)
        may = all(self.has_delete_permission(request, project) for project in projects)
        needed = set() if may else {str(self.opts.verbose_name)}
        return [str(project) for project in projects], counts, needed, protected

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Ask for the name and delete in the background: it may hold a million messages."""
        project = self.get_object(request, object_id)
        if project is None:
            return super().delete_view(request, object_id, extra_context)
        return redirect("admin:threads_project_delete", project.pk)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not obj.slug:
            is_known = user_of(request).is_superuser  # they see all projects anyway
            obj.slug = Project.slug_for(obj.name, tells_nothing=not is_known)
        super().save_model(request, obj, form, change)
        forget_managed_ids(request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        owners = form.instance.owners
        if not change and not (user_of(request).is_superuser and owners.exists()):
            owners.add(request.user)
            forget_managed_ids(request)
        if not change or "owners" in form.changed_data:
            self._warn_of_roles(request, owners.filter(is_staff=False))

    def _warn_of_roles(self, request: HttpRequest, owners: models.QuerySet) -> None:
        """An owner's role is for administrators to give: it opens the console."""
        if names := ", ".join(owner.get_username() for owner in owners.order_by("username")):
            text = gettext(
                "These owners cannot open the console until an administrator gives them the role "
                "of a project owner: %s"
            )
            messages.warning(request, text % names)

    @admin.display(description=_("visibility"), ordering="visibility")
    def visibility_badge(self, project: Project) -> str:
        kind = {"public": "warn", "members": "info"}.get(project.visibility, "quiet")
        short, _colon, explanation = project.get_visibility_display().partition(": ")
        return badge(kind, short, title=explanation)

    @admin.display(description=_("threads"), ordering="thread_count")
    def threads(self, project: Any) -> str:
        address = reverse("admin:threads_thread_changelist")
        return format_html(
            '<a href="{}?project__id__exact={}">{}</a>',
            address,
            project.pk,
            number(project.thread_count),
        )

    @admin.display(description=_("owners"))
    def owner_names(self, project: Project) -> str:
        return ", ".join(owner.get_username() for owner in project.owners.all()) or UNKNOWN

    @admin.display(description=_("tags"))
    def tag_names(self, project: Project) -> str:
        tags = [(tag.name,) for tag in project.tags.all()]
        return format_html_join(" ", '<span class="th-tag">{}</span>', tags) or UNKNOWN

    @admin.display(description=_("changed"), ordering="updated_at")
    def changed(self, project: Project) -> str:
        return moment(project.updated_at)


@admin.register(Tag)
class TagAdmin(Audited):
    """For renaming and removing them. Owners put tags on by writing them, and see no list."""

    list_display = ("name", "project_total", "thread_total")
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows: models.QuerySet = (
            super()
            .get_queryset(request)
            .annotate(
                project_count=Count("projects", distinct=True),
                thread_count=Count("threads", distinct=True),
            )
        )
        return rows

    @admin.display(description=_("projects"), ordering="project_count")
    def project_total(self, tag: Any) -> int:
        return int(tag.project_count)

    @admin.display(description=_("threads"), ordering="thread_count")
    def thread_total(self, tag: Any) -> int:
        return int(tag.thread_count)
