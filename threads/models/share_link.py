"""Links that show one thread to whoever holds them, until they expire or are revoked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from threads.models.thread import Thread

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_LIFE = timedelta(days=366)


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def valid(self, now: datetime) -> Self:
        """Keep those that open something: not revoked, not expired, of an active account."""
        return self.filter(revoked_at=None, expires_at__gt=now, created_by__is_active=True)

    def for_text(self, text: str, *, now: datetime) -> ShareLink | None:
        """Return the valid link whose secret is `text`; None when there is none. Two queries.

        A link gives no more than its maker may give: it opens nothing any more when they no
        longer manage the thread, or when it lies in the trash.
        """
        link = self.valid(now).select_related("created_by").filter(digest=_digest(text)).first()
        if link is None:
            return None
        open_to_maker = Thread.objects.managed_by(link.created_by).filter(trashed_at__isnull=True)
        thread = open_to_maker.select_related("project", "assistant").filter(pk=link.thread_id)
        found = thread.first()
        if found is None:
            return None
        link.thread = found
        return link


ShareLinkManager = models.Manager.from_queryset(ShareLinkQuerySet)


class ShareLink(models.Model):
    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="share_links", verbose_name=_("thread")
    )
    # SHA-256 is enough: what is hashed is 256 random bits, which nobody guesses.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(_("for whom"), max_length=120, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    opened_at = models.DateTimeField(_("last opened"), null=True, blank=True, editable=False)
    opened_count = models.PositiveIntegerField(_("opened"), default=0, editable=False)

    objects = ShareLinkManager()

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")

    def __str__(self) -> str:
        return f"{self.thread_id}: {self.note or self.pk}"

    @classmethod
    def issue(
        cls, thread: Thread, *, by: User, note: str, now: datetime, life: timedelta
    ) -> tuple[ShareLink, str]:
        """Make a link. Returns it with its secret, which nobody can read again.

        :raises ValueError: for a life that is too long.
        """
        if not timedelta() < life <= LONGEST_LIFE:
            raise ValueError("a link lives for a year at most")
        text = secrets.token_urlsafe(32)
        link = cls.objects.create(
            thread=thread,
            digest=_digest(text),
            note=note[:120],
            created_by=by,
            created_at=now,
            expires_at=now + life,
        )
        return link, text

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now

    def note_opening(self, now: datetime) -> None:
        ShareLink.objects.filter(pk=self.pk).update(
            opened_at=now, opened_count=models.F("opened_count") + 1
        )

    def revoke(self, now: datetime) -> bool:
        """Take its power away for good. False: that was done before."""
        return bool(ShareLink.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
