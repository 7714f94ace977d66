"""Requests of people about their own data: what was looked for, found, handed out and deleted."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models import Project
from threads.models.job import Job
from threads.models.thread import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class SubjectRequestQuerySet(models.QuerySet["SubjectRequest"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep the requests that `user` opened; administrators see all.

        A request shows titles, and its pack all texts, so it is there only for as long as `user`
        manages each of its projects.
        """
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        managed = Project.objects.managed_by(user).values("pk")
        beyond = Project.objects.exclude(pk__in=managed)
        return self.filter(requested_by=user).exclude(projects__in=beyond)


SubjectRequestManager = models.Manager.from_queryset(SubjectRequestQuerySet)


class SubjectRequest(models.Model):
    """One case. What was looked for is forgotten once the receipt is made; its hashes stay."""

    class State(models.TextChoices):
        SEARCHING = "searching", _("Searching")
        REVIEW = "review", _("To be reviewed")
        PACKING = "packing", _("Packing")
        ERASING = "erasing", _("Deleting")
        DONE = "done", _("Deleted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(
        _("reference"),
        max_length=120,
        help_text=_("Your own name for the case. No name of a person: it stays in the receipt."),
    )
    user_ids = models.TextField(_("user ids"), blank=True)
    emails = models.TextField(_("e-mail addresses"), blank=True)
    texts = models.TextField(_("texts"), blank=True)
    projects = models.ManyToManyField(Project, related_name="+", verbose_name=_("projects"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("opened by"),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.SEARCHING
    )
    # The latest one that works on it.
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    opened_at = models.DateTimeField(_("opened"), auto_now_add=True)
    packed_at = models.DateTimeField(_("packed"), null=True, blank=True)
    pack_sha256 = models.CharField(max_length=64, blank=True)
    erased_at = models.DateTimeField(_("deleted"), null=True, blank=True)
    receipt = models.JSONField(default=dict, blank=True)

    objects = SubjectRequestManager()

    class Meta:
        verbose_name = _("data request")
        verbose_name_plural = _("data requests")

    def __str__(self) -> str:
        return self.reference

    @property
    def stage(self) -> str:
        """The state, but to be reviewed where the work on it failed or was cancelled.

        Wants the job fetched with it.
        """
        is_over = self.job is None or not self.job.is_live
        is_open = self.state in _WORKING and is_over
        return self.State.REVIEW.value if is_open else self.state

    @property
    def is_busy(self) -> bool:
        return self.stage in _WORKING

    def terms(self) -> list[tuple[str, str]]:
        """Return what is looked for, each as (user, email or text; the term)."""
        given = (("user", self.user_ids), ("email", self.emails), ("text", self.texts))
        return [
            (kind, term)
            for kind, text in given
            for term in dict.fromkeys(line.strip() for line in text.splitlines())
            if term
        ]

    def term_hashes(self) -> list[dict[str, str]]:
        """Return the terms as SHA-256: whoever knows one can tell that it was looked for."""
        return [
            {"kind": kind, "sha256": hashlib.sha256(term.encode()).hexdigest()}
            for kind, term in self.terms()
        ]


_WORKING = {
    SubjectRequest.State.SEARCHING,
    SubjectRequest.State.PACKING,
    SubjectRequest.State.ERASING,
}


class SubjectFinding(models.Model):
    """A thread that was found for a request, why, and what became of it. Outlives the thread."""

    request = models.ForeignKey(SubjectRequest, on_delete=models.CASCADE, related_name="findings")
    thread = models.ForeignKey(
        Thread, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("thread")
    )
    project_id = models.BigIntegerField()
    project_name = models.CharField(max_length=200)
    external_id = models.CharField(_("thread id"), max_length=200)
    reasons = models.JSONField(_("why"), default=list)  # user, metadata, text, title
    is_included = models.BooleanField(_("belongs to the case"), default=True)
    message_count = models.PositiveIntegerField(_("messages"), default=0)
    sha256 = models.CharField(max_length=64, blank=True)  # of its line of JSON, before it went
    end = models.CharField(max_length=10, blank=True)
    why = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("found thread")
        verbose_name_plural = _("found threads")
        constraints = [
            models.UniqueConstraint(fields=["request", "thread"], name="subject_finding_once")
        ]

    def __str__(self) -> str:
        return self.external_id
