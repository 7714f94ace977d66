"""A project groups threads; it decides who may read them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Exists, Q
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from projects.models.masking import note_rule

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

VIEWERS = "Viewers"  # the group of accounts that read and do nothing else; see accounts/roles.py


class Tag(models.Model):
    """A word that people put on projects and threads."""

    name = models.CharField(_("name"), max_length=60, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep the projects that `user` may read; None is a visitor. Adds no query of its own.

        Public projects are for everybody, `members` ones for their owners and members,
        `private` ones for their owners; administrators (superusers) read all.
        """
        if user is None or not user.is_authenticated or not user.is_active:
            return self.filter(visibility=Project.Visibility.PUBLIC)
        if user.is_superuser:
            return self.all()
        owned = Project.owners.through.objects.filter(user_id=user.pk).values("project_id")
        joined = Project.members.through.objects.filter(user_id=user.pk).values("project_id")
        return self.filter(
            Q(visibility=Project.Visibility.PUBLIC)
            | Q(pk__in=owned)
            | Q(visibility=Project.Visibility.MEMBERS, pk__in=joined)
        )

    def usable_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep the projects whose threads `user` may take along. Adds no query of its own.

        Whoever may read them may; only viewers are held to the public ones.
        """
        visible = self.visible_to(user)
        if user is None or not user.is_authenticated or user.is_superuser:
            return visible
        return visible.filter(Q(visibility=Project.Visibility.PUBLIC) | ~_is_viewer(user))

    def askable_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep the projects whose sources `user` may have asked. Adds no query of its own.

        Visitors and viewers may where a project lets visitors, everybody else where they read.
        """
        visible = self.usable_by(user)
        if user is None or not user.is_authenticated:
            return visible.filter(allows_visitor_fresh_search=True)
        if user.is_superuser:
            return visible
        return visible.filter(Q(allows_visitor_fresh_search=True) | ~_is_viewer(user))

    def managed_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep the projects that `user` may change: their own ones, or all for administrators."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        owned = Project.owners.through.objects.filter(user_id=user.pk).values("project_id")
        return self.filter(pk__in=owned)


def _is_viewer(user: User | AnonymousUser) -> Exists:
    """The condition that `user` is in the group of those who only read."""
    return Exists(Group.objects.filter(name=VIEWERS, user__in=[user.pk or 0]))


ProjectManager = models.Manager.from_queryset(ProjectQuerySet)


class Project(models.Model):
    class Visibility(models.TextChoices):
        PUBLIC = "public", _("Public: everyone who reaches this server")
        MEMBERS = "members", _("Members: its owners and members")
        PRIVATE = "private", _("Private: its owners")

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(
        _("short name"),
        max_length=80,
        unique=True,
        help_text=_("Used in addresses, commands and searches (project:short-name)."),
    )
    description = models.TextField(_("description"), blank=True)
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility.choices, default=Visibility.MEMBERS
    )
    owners = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="owned_projects",
        blank=True,
        verbose_name=_("owners"),
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="joined_projects",
        blank=True,
        verbose_name=_("members"),
    )
    tags = models.ManyToManyField(Tag, related_name="projects", blank=True, verbose_name=_("tags"))
    # As in SiteSettings.Masking; empty: as the settings say. The stricter of the two holds.
    masking = models.CharField(
        _("masked for"),
        max_length=8,
        blank=True,
        choices=[
            ("visitors", _("Visitors")),
            ("readers", _("All who do not manage the project")),
        ],
        help_text=_(
            "They read [e-mail], [phone], [card …4242] and [key] instead. Empty: as the settings "
            "of the site say."
        ),
    )
    retention_days = models.PositiveIntegerField(
        _("retention (days)"),
        null=True,
        blank=True,
        help_text=_("Threads silent for longer may be pruned. Empty: kept for ever."),
    )
    is_held = models.BooleanField(
        _("legal hold"),
        default=False,
        help_text=_("Nothing in it can be deleted while this is on."),
    )
    allows_visitor_fresh_search = models.BooleanField(
        _("visitors may start a fresh search"),
        default=False,
        help_text=_("It spends this project's API calls."),
    )
    is_sample = models.BooleanField(_("sample"), default=False, editable=False)
    # One more with each save, so that a form can tell whether it shows what is stored.
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ProjectManager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        constraints = [
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "members", "private"]),
                name="project_visibility_is_known",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            self.version += 1
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "version"}
        super().save(*args, **kwargs)
        note_rule(self.pk, self.masking)

    @staticmethod
    def slug_for(name: str, *, tells_nothing: bool = False) -> str:
        """Return a free slug made from `name`; names without Latin letters get a random one.

        :param tells_nothing: always give it a random ending, because a number at its end, or none,
            would tell whether somebody else's project has that name.
        """
        base = slugify(name)[:60] or f"project-{secrets.token_hex(3)}"
        if tells_nothing:
            base = f"{base}-{secrets.token_hex(3)}"
        taken = set(Project.objects.filter(slug__startswith=base).values_list("slug", flat=True))
        slug, number = base, 2
        while slug in taken:
            slug, number = f"{base}-{number}", number + 1
        return slug
