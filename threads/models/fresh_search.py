"""Fresh searches: who asked the sources for what. The work is a job, perhaps a shared one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from threads.models.job import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LONGEST_QUERY = 2_000


class FreshSearchQuerySet(models.QuerySet["FreshSearch"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep those of `user`, and those of visitors, whose address is their only key.

        Visitors search public projects alone. Administrators see all.
        """
        of_visitors = Q(requested_by__isnull=True)
        if user is None or not user.is_authenticated or not user.is_active:
            return self.filter(of_visitors)
        if user.is_superuser:
            return self.all()
        return self.filter(of_visitors | Q(requested_by=user))


FreshSearchManager = models.Manager.from_queryset(FreshSearchQuerySet)


class FreshSearch(models.Model):
    """One person's wish. Those who ask for the same at the same time wait for one job."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="fresh_searches")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    query = models.CharField(_("query"), max_length=LONGEST_QUERY)
    asked_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    # They do not want it any more, while others still wait for the job.
    left_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = FreshSearchManager()

    class Meta:
        verbose_name = _("fresh search")
        verbose_name_plural = _("fresh searches")
        indexes = [
            # Serves the list of one's own, and how many one has had today.
            models.Index(fields=["requested_by", "-asked_at"], name="fresh_search_newest")
        ]

    def __str__(self) -> str:
        return self.query[:80]

    @property
    def is_live(self) -> bool:
        return self.left_at is None and self.job.is_live

    @property
    def state(self) -> str:
        """The job's state, but cancelled for who has left it. Wants the job fetched with it."""
        return Job.State.CANCELLED.value if self.left_at else self.job.state

    @property
    def state_label(self) -> str:
        """The state in the reader's language."""
        return str(Job.State(self.state).label)
