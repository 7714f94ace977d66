"""What is kept about the system itself: its figures over time, and who did what."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SystemMetric(models.Model):
    """How the machine and the archive stood at one moment. Null means it could not be read."""

    class Resolution(models.TextChoices):
        MINUTE = "minute", _("Minute")
        HOUR = "hour", _("Hour")
        DAY = "day", _("Day")

    measured_at = models.DateTimeField(_("measured"), default=timezone.now)
    resolution = models.CharField(
        max_length=6, choices=Resolution.choices, default=Resolution.MINUTE
    )
    cpu_percent = models.FloatField(_("CPU %"), null=True, blank=True)
    memory_percent = models.FloatField(_("memory %"), null=True, blank=True)
    memory_used_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    memory_total_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    disk_percent = models.FloatField(_("disk %"), null=True, blank=True)
    disk_free_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    database_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    queue_length = models.PositiveIntegerField(_("queue"), null=True, blank=True)
    running_jobs = models.PositiveIntegerField(_("running jobs"), null=True, blank=True)
    failed_jobs = models.PositiveIntegerField(null=True, blank=True)  # in the last 24 hours
    # Of this minute; of an hour or day: sums, and of times the highest minute's.
    search_count = models.PositiveIntegerField(_("searches"), null=True, blank=True)
    search_p50_ms = models.FloatField(null=True, blank=True)
    search_p95_ms = models.FloatField(null=True, blank=True)
    error_count = models.PositiveIntegerField(_("errors"), null=True, blank=True)  # 5xx answers
    worker_count = models.PositiveIntegerField(_("workers"), null=True, blank=True)
    thread_count = models.PositiveBigIntegerField(_("threads"), null=True, blank=True)
    message_count = models.PositiveBigIntegerField(_("messages"), null=True, blank=True)
    total_tokens = models.PositiveBigIntegerField(_("tokens"), null=True, blank=True)

    class Meta:
        verbose_name = _("system metric")
        verbose_name_plural = _("system metrics")
        constraints = [
            # Also serves the charts; a task that runs twice writes one row.
            models.UniqueConstraint(
                fields=["resolution", "measured_at"], name="metric_once_per_moment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measured_at:%Y-%m-%d %H:%M}: CPU {self.cpu_percent} %"


class AppendOnly(Exception):
    """Somebody tried to change or delete rows of the audit log."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Refuses what would change rows. Deleting an account still empties `actor`, as Django does."""

    def update(self, **kwargs: Any) -> int:
        raise AppendOnly("The audit log is only added to.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly("The audit log is only added to.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise AppendOnly("The audit log is only added to.")


AuditEventManager = models.Manager.from_queryset(AuditEventQuerySet)


class AuditEvent(models.Model):
    """One thing that somebody did. Rows are added by `monitoring.chain`, never changed."""

    class Outcome(models.TextChoices):
        OK = "ok", _("Done")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = models.CharField(_("actor"), max_length=200)  # outlives the account
    ip = models.CharField(_("address"), max_length=45, blank=True)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=60, db_index=True)
    target_type = models.CharField(_("target type"), max_length=60, blank=True)
    target_id = models.CharField(_("target id"), max_length=64, blank=True)
    target_label = models.CharField(_("target"), max_length=300, blank=True)
    # Outlives the project.
    project_id = models.BigIntegerField(_("project id"), null=True, blank=True, db_index=True)
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=Outcome.choices, default=Outcome.OK
    )
    details = models.JSONField(_("details"), default=dict, blank=True)
    # The chain: SHA-256 over this row and the hash of the row before it.
    previous_hash = models.CharField(max_length=64, blank=True, editable=False)
    row_hash = models.CharField(max_length=64, blank=True, editable=False)

    objects = AuditEventManager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit log")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name} {self.action}"

    def save(self, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("The audit log is only added to.")
        super().save(**kwargs)

    def delete(self, **kwargs: Any) -> tuple[int, dict[str, int]]:  # type: ignore[override]
        raise AppendOnly("The audit log is only added to.")


class LoginAttemptManager(models.Manager["LoginAttempt"]):
    def get_queryset(self) -> models.QuerySet[LoginAttempt]:
        return super().get_queryset().filter(action="login")


class LoginAttempt(AuditEvent):
    """A login, also one that was refused: the audit log's rows about them."""

    objects: ClassVar[LoginAttemptManager] = LoginAttemptManager()  # type: ignore[assignment]

    class Meta:
        proxy = True
        verbose_name = _("login")
        verbose_name_plural = _("logins")


class CarriedOver(models.Model):
    """Where a row of the predecessor's database went, so that importing it again finds it there.

    Names may have been changed on either side since.
    """

    table = models.CharField(max_length=40)
    old_id = models.CharField(max_length=100)
    new_id = models.BigIntegerField()

    class Meta:
        verbose_name = _("row of the predecessor")
        verbose_name_plural = _("rows of the predecessor")
        constraints = [
            models.UniqueConstraint(fields=["table", "old_id"], name="carried_over_once")
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.old_id}"
