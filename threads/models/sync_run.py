"""The ledger of syncs: what each batch cost and what it brought."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models import Connection, Project
from threads.models.job import Job


class SyncRun(models.Model):
    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("Schedule")
        MANUAL = "manual", _("By hand")
        FRESH_SEARCH = "fresh_search", _("Fresh search")
        COMMAND = "command", _("Command")
        FILES = "files", _("Images and files")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="sync_runs"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, blank=True, related_name="sync_runs"
    )
    job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="sync_runs"
    )
    trigger = models.CharField(_("trigger"), max_length=14, choices=Trigger.choices)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.RUNNING
    )
    # More than one: the batches of a day, added up when they grew old (threads/sync/ledger.py).
    run_count = models.PositiveIntegerField(_("batches"), default=1)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    # Of all batches together; null while it runs.
    busy_seconds = models.FloatField(_("duration (seconds)"), null=True, blank=True)
    threads_planned = models.PositiveIntegerField(_("threads planned"), default=0)
    threads_read = models.PositiveIntegerField(_("threads read"), default=0)
    threads_changed = models.PositiveIntegerField(_("threads changed"), default=0)
    threads_failed = models.PositiveIntegerField(_("threads failed"), default=0)
    calls_made = models.PositiveIntegerField(_("calls made"), default=0)
    # Against reading every item of every thread that was in reach of this run.
    calls_avoided = models.PositiveIntegerField(_("calls avoided"), default=0)
    messages_new = models.PositiveIntegerField(_("new messages"), default=0)
    messages_changed = models.PositiveIntegerField(_("changed messages"), default=0)
    # [{"thread": short id, "message": sentence}], the first hundred.
    errors = models.JSONField(_("errors"), default=list, blank=True)

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        indexes = [
            # Serves the refresh history, newest first, and the figures by day.
            models.Index(fields=["-started_at"], name="sync_run_newest"),
            # Covers the sums of the dashboard's charts, by day or hour and by project.
            models.Index(
                fields=[
                    *("started_at", "project", "calls_made", "calls_avoided", "messages_new"),
                    "threads_failed",
                ],
                name="sync_run_sums",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def duration_seconds(self) -> float | None:
        """Seconds of all its batches together; None while it runs."""
        if self.busy_seconds is not None or self.finished_at is None:
            return self.busy_seconds
        return (self.finished_at - self.started_at).total_seconds()
