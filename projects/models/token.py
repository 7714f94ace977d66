"""API tokens: a program's key to what its owner may do. Stored hashed, shown once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import User

START = "th_"  # what every token begins with, so that leaked ones are found
LONGEST_LIFE = timedelta(days=366)
_SHOWN = 11  # characters of a token that stay readable: 8 after the start
_NOTED_EVERY = timedelta(minutes=1)  # use is noted once in that time, to spare the database


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime) -> Self:
        """Keep those that open something: not revoked, not expired, of an active account."""
        return self.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)

    def for_text(self, text: str, *, now: datetime) -> ApiToken | None:
        """Return the valid token that `text` is, with its user; None when it is none. One query."""
        if not text.startswith(START):
            return None
        return self.valid(now).select_related("user").filter(digest=digest_of(text)).first()


ApiTokenManager = models.Manager.from_queryset(ApiTokenQuerySet)


class ApiToken(models.Model):
    class Scope(models.TextChoices):
        READ = "read", _("Read: search and read what you see")
        WRITE = "write", _("Write: add threads, start fresh searches")
        EXPORT = "export", _("Export: make files of threads")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    # SHA-256 is enough: what is hashed is 256 random bits, which nobody guesses.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("may"), default=list, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(
        cls, user: User, *, name: str, scopes: Collection[str], now: datetime, life: timedelta
    ) -> tuple[ApiToken, str]:
        """Make a token. Returns it with its text, which nobody can read again.

        :raises ValueError: for a scope that is none, or a life that is too long.
        """
        if not scopes or set(scopes) - set(cls.Scope.values):
            raise ValueError("unknown scope")
        if not timedelta() < life <= LONGEST_LIFE:
            raise ValueError("a token lives for a year at most")
        text = START + secrets.token_urlsafe(32)
        token = cls.objects.create(
            user=user,
            name=name[:80],
            prefix=text[:_SHOWN],
            digest=digest_of(text),
            scopes=sorted(set(scopes)),
            expires_at=now + life,
        )
        return token, text

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now

    def note_use(self, now: datetime) -> None:
        """Remember when it was used last, to the minute."""
        if self.last_used_at is None or now - self.last_used_at > _NOTED_EVERY:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)

    def revoke(self, now: datetime) -> bool:
        """Take its power away for good. False: that was done before."""
        return bool(ApiToken.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
