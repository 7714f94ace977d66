"""What Smart Refresh has learned about each project: when silent threads speak again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models import Project


class RefreshBucket(models.Model):
    """Silences of one project, in threads of one class, while they were of one age.

    `exposure_seconds` is how long silences were of that age, `events` how often a message ended
    one. Derived: `replan_refresh` counts all of it from the messages again.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    session_class = models.PositiveSmallIntegerField()
    age_bucket = models.PositiveSmallIntegerField()
    events = models.FloatField(default=0.0)
    exposure_seconds = models.FloatField(default=0.0)

    class Meta:
        verbose_name = _("refresh statistics")
        verbose_name_plural = _("refresh statistics")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "session_class", "age_bucket"], name="refresh_bucket_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project_id}: class {self.session_class}, age {self.age_bucket}"


class RefreshReturns(models.Model):
    """How much was said when threads of a project were taken up again. Derived as well."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    sessions = models.FloatField(default=0.0)
    messages = models.FloatField(default=0.0)
    seconds = models.FloatField(default=0.0)

    class Meta:
        verbose_name = _("refresh statistics of returns")
        verbose_name_plural = _("refresh statistics of returns")

    def __str__(self) -> str:
        return f"{self.project_id}: {self.sessions:.0f} returns"
