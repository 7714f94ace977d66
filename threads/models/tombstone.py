"""What is left of threads that were deleted here: enough not to fetch them again by themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.models import Project


def id_hash(external_id: str) -> str:
    """Return the SHA-256 of a store's id, 64 hex digits: the id itself is not kept."""
    return hashlib.sha256(external_id.encode()).hexdigest()


class TombstoneQuerySet(models.QuerySet["Tombstone"]):
    def among(self, project_id: int, external_ids: Iterable[str]) -> set[str]:
        """Return those of `external_ids` that were deleted from the project; one query."""
        by_hash = {id_hash(external_id): external_id for external_id in external_ids}
        found = self.filter(project=project_id, id_hash__in=by_hash)
        return {by_hash[each] for each in found.values_list("id_hash", flat=True)}


TombstoneManager = models.Manager.from_queryset(TombstoneQuerySet)


class Tombstone(models.Model):
    """One deleted thread that its store may list again. People can still add it by its id."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    id_hash = models.CharField(max_length=64)
    deleted_at = models.DateTimeField(_("deleted"), default=timezone.now)

    objects = TombstoneManager()

    class Meta:
        verbose_name = _("deleted thread")
        verbose_name_plural = _("deleted threads")
        constraints = [
            # Also serves the listing of a store, a page of ids at a time.
            models.UniqueConstraint(fields=["project", "id_hash"], name="tombstone_once")
        ]

    def __str__(self) -> str:
        return f"{self.project_id}: {self.id_hash[:12]}"
