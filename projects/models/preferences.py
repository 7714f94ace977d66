"""What somebody prefers, wherever they log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Preferences(models.Model):
    """Language and time zone of an account. Empty: as the browser says."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="preferences",
    )
    language = models.CharField(_("language"), max_length=10, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"{self.user_id}: {self.language or '—'}, {self.time_zone or '—'}"

    @classmethod
    def of(cls, user: User) -> Preferences:
        """Return what `user` prefers, which may be nothing; one query."""
        return cls.objects.filter(user=user).first() or cls(user=user)
