"""Background work as rows: who asked, how far it is, and who is at it.

The queue only carries the row's id. A worker *claims* the row by a conditional update that also
counts the attempt, so a task that is delivered twice runs once and one that kills its worker
stops after MAX_ATTEMPTS. The claim is a lease: a worker that dies leaves it to run out, and the
sweeper (`threads.tasks.sweep_jobs`) queues the job again.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from projects.models import Project

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_ATTEMPTS = 3
LEASE = timedelta(seconds=60)  # renewed with every page of work; longer than any single call


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep the jobs that `user` asked for, those of projects they manage, or all of them."""
        if user is None or not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self.all()
        return self.filter(
            Q(requested_by=user) | Q(project__in=Project.objects.managed_by(user))
        ).distinct()

    def live(self) -> Self:
        return self.filter(state__in=Job.LIVE_STATES)

    def claim(self, pk: uuid.UUID | str, *, owner: str, now: datetime) -> bool:
        """Take the job for `owner` and count the attempt. False: another has it, or it ended."""
        free = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now)
        claimed = self.filter(free, pk=pk, attempts__lt=MAX_ATTEMPTS).update(
            state=Job.State.RUNNING,
            attempts=F("attempts") + 1,
            owner=owner,
            lease_until=now + LEASE,
            started_at=now,
            error="",
        )
        return claimed == 1

    def lost(self, now: datetime) -> Self:
        """Those whose worker went away, and those that the queue forgot for a minute."""
        return self.filter(
            Q(state=Job.State.RUNNING, lease_until__lt=now)
            | Q(state=Job.State.QUEUED, queued_at__lt=now - LEASE)
        )


JobManager = models.Manager.from_queryset(JobQuerySet)


class Job(models.Model):
    class Kind(models.TextChoices):
        SYNC_THREAD = "sync_thread", _("Sync of a thread")
        SYNC_PROJECT = "sync_project", _("Sync of a project")
        FRESH_SEARCH = "fresh_search", _("Fresh search")
        EXPORT = "export", _("Export")
        IMPORT = "import", _("Import")
        CHANGE_THREADS = "change_threads", _("Change of threads")
        DELETE_THREADS = "delete_threads", _("Deletion of threads")
        DELETE_PROJECT = "delete_project", _("Deletion of a project")
        FIND_SUBJECT = "find_subject", _("Search for a data request")
        PACK_SUBJECT = "pack_subject", _("Pack for a data request")
        ERASE_SUBJECT = "erase_subject", _("Deletion for a data request")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    LIVE_STATES = [State.QUEUED, State.RUNNING]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=14, choices=Kind.choices)
    # What the job is about ("thread:17"): two live jobs of a kind never share it.
    key = models.CharField(max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="jobs"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    parameters = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    # Progress; total is null while it is not known how much there is to do.
    phase = models.CharField(_("phase"), max_length=100, blank=True)
    done_count = models.PositiveIntegerField(_("done"), default=0)
    total_count = models.PositiveIntegerField(_("of"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = JobManager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(state__in=["queued", "running"]),
                name="job_live_once",
            )
        ]
        indexes = [
            models.Index(fields=["-queued_at"], name="job_newest"),
            # Serves lost(), once a minute.
            models.Index(
                fields=["state", "lease_until"],
                condition=Q(state__in=["queued", "running"]),
                name="job_live",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.parameters.get('name') or self.key}"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE_STATES

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100; None while that is not known."""
        if self.state == self.State.DONE:
            return 100
        if not self.total_count:
            return None
        return min(100, 100 * self.done_count // self.total_count)

    def _mine(self) -> models.QuerySet[Job]:
        return Job.objects.filter(pk=self.pk, owner=self.owner, state=self.State.RUNNING)

    def advance(
        self,
        *,
        now: datetime,
        done: int,
        total: int | None = None,
        phase: str | None = None,
        result: dict[str, object] | None = None,
    ) -> bool:
        """Write progress and renew the lease. False: stop, it was cancelled or taken over.

        :param result: what the next worker has to know if this one dies; None leaves it.
        """
        changes: dict[str, object] = {"done_count": done, "lease_until": now + LEASE}
        if total is not None:
            changes["total_count"] = total
        if phase is not None:
            changes["phase"] = phase[:100]
        if result is not None:
            changes["result"] = result
        if self._mine().filter(cancel_requested_at__isnull=True).update(**changes) == 0:
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    def finish(
        self, *, now: datetime, result: dict[str, object] | None = None, error: str = ""
    ) -> bool:
        """End the job: done, failed when there is an `error`, cancelled when that was asked for.

        False: another worker has taken it over, and it is theirs to end.
        """
        state = self.State.FAILED if error else self.State.DONE
        if self._mine().filter(cancel_requested_at__isnull=False).exists():
            state = self.State.CANCELLED
        changes = {
            "state": state,
            "finished_at": now,
            "lease_until": None,
            "error": error[:500],
            "result": result or {},
        }
        if self._mine().update(**changes) == 0:
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    def release(self, *, now: datetime) -> bool:
        """Give the job back to the queue, to be claimed again at once.

        Its attempts start anew: a worker that gives back has not died of it. That lets a job
        that takes hours go on in slices.
        """
        changes = {"state": self.State.QUEUED, "lease_until": None, "queued_at": now, "attempts": 0}
        return bool(self._mine().update(**changes))
