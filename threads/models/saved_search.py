"""A query that somebody keeps: to run again, to share, to be told of new hits."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from projects.models import Project

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_OF_ONE_OWNER = 200  # each may be run every ten minutes


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep those of `user`, and those that are shared with people like them.

        Whom a search is shared with sees its name and words; what it finds is what they may read.
        """
        visible = Q(
            sharing=SavedSearch.Sharing.PROJECT,
            project__in=Project.objects.visible_to(user).order_by().values("pk"),
        )
        if user is not None and user.is_authenticated and user.is_active:
            visible |= Q(owner_id=user.pk) | Q(sharing=SavedSearch.Sharing.EVERYBODY)
        return self.filter(visible)

    def like(self, text: str) -> Self:
        """Keep those whose name or query has `text` in it, by name; all for no text."""
        wanted = text.strip()
        return self.filter(Q(name__icontains=wanted) | Q(query__icontains=wanted)).order_by(
            "name", "pk"
        )

    def to_tell(self, *, daily_before: datetime, at_once_before: datetime) -> Self:
        """Keep those whose owners are to be told of new hits and were not since then."""
        notify = SavedSearch.Notify
        return self.filter(
            Q(notify=notify.DAILY, checked_at__lte=daily_before)
            | Q(notify=notify.AT_ONCE, checked_at__lte=at_once_before),
            owner__is_active=True,
        ).exclude(owner__email="")


SavedSearchManager = models.Manager.from_queryset(SavedSearchQuerySet)


class SavedSearch(models.Model):
    class Sharing(models.TextChoices):
        NOBODY = "nobody", _("Only me")
        PROJECT = "project", _("Everybody who may read a project")
        EVERYBODY = "everybody", _("Everybody with an account")

    class Notify(models.TextChoices):
        NEVER = "never", _("No e-mail")
        DAILY = "daily", _("Once a day")
        AT_ONCE = "at_once", _("Within minutes")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="saved_searches",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=120)
    # As typed, and read again each time: the language may grow, and "7d" has to roll.
    query = models.CharField(_("query"), max_length=2000)
    sharing = models.CharField(
        _("shared with"), max_length=10, choices=Sharing.choices, default=Sharing.NOBODY
    )
    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="saved_searches",
        verbose_name=_("project"),
    )
    notify = models.CharField(
        _("e-mail for new hits"), max_length=8, choices=Notify.choices, default=Notify.NEVER
    )
    # The newest message that was there when the owner was told last; later ones have higher ids,
    # whatever time they were written at.
    checked_message = models.BigIntegerField(default=0, editable=False)
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True, editable=False)
    # Who has it reads the feed as its owner; null: there is no feed.
    feed_token = models.CharField(max_length=43, unique=True, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = SavedSearchManager()

    class Meta:
        verbose_name = _("saved search")
        verbose_name_plural = _("saved searches")
        constraints = [
            models.CheckConstraint(
                condition=Q(sharing="project", project__isnull=False)
                | (~Q(sharing="project") & Q(project__isnull=True)),
                name="saved_search_shared_with_its_project",
            ),
            models.CheckConstraint(
                condition=Q(notify="never") | Q(checked_at__isnull=False),
                name="saved_search_told_since",
            ),
        ]
        indexes = [
            # Serves to_tell(), every ten minutes.
            models.Index(
                fields=["notify", "checked_at"],
                condition=~Q(notify="never"),
                name="saved_search_to_tell",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_token() -> str:
        """Return 256 random bits as text."""
        return secrets.token_urlsafe(32)
