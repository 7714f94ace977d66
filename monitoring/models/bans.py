"""Who misused ThreadHub, and who is kept out for it. Both by address."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from threadhub.lib import networks, offences

LONGEST_NETWORK = 43  # characters: an IPv6 address, a slash, three digits
OFFENCE_MINUTES = 10  # offences are counted together for so long


@dataclass(slots=True)
class Offender:
    """What came from one address within a day."""

    address: str
    hour_count: int = 0
    day_count: int = 0
    last_at: datetime | None = None
    deeds: list[tuple[str, str, int]] = field(default_factory=list)  # kind, limit, how often


class OffenceQuerySet(models.QuerySet["Offence"]):
    def offenders(self, now: datetime, *, most: int) -> list[Offender]:
        """Return the addresses with offences in the last day, those of the last hour first.

        Counted to ten minutes. One query.
        """
        hour = Q(at__gt=now - timedelta(minutes=60 + OFFENCE_MINUTES))
        rows = (
            self.filter(at__gt=now - timedelta(days=1, minutes=OFFENCE_MINUTES))
            .values("address", "kind", "what")
            .annotate(
                day=Sum("count"), hour=Sum("count", filter=hour, default=0), last=Max("last_at")
            )
            .order_by("-day")
        )
        found: dict[str, Offender] = {}
        for row in rows:
            one = found.setdefault(row["address"], Offender(row["address"]))
            one.hour_count += row["hour"]
            one.day_count += row["day"]
            one.last_at = max(one.last_at or row["last"], row["last"])
            one.deeds.append((str(Offence.Kind(row["kind"]).label), row["what"], row["day"]))
        worst = sorted(found.values(), key=lambda one: (-one.hour_count, -one.day_count))
        return worst[:most]


OffenceManager = models.Manager.from_queryset(OffenceQuerySet)


class Offence(models.Model):
    """How often an address did one thing in ten minutes. An IPv6 network of 64 bits is one."""

    class Kind(models.TextChoices):
        LIMIT = offences.Kind.LIMIT.value, _("Too many requests")
        CAPTCHA = offences.Kind.CAPTCHA.value, _("Wrong answers to questions")
        LOGIN = offences.Kind.LOGIN.value, _("Wrong passwords or tokens")

    address = models.CharField(_("address"), max_length=LONGEST_NETWORK)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    what = models.CharField(max_length=40, blank=True)  # which limit
    at = models.DateTimeField(_("at"))  # the beginning of the ten minutes
    last_at = models.DateTimeField(_("last"))
    count = models.PositiveIntegerField(default=0)

    objects = OffenceManager()

    class Meta:
        verbose_name = _("offender")
        verbose_name_plural = _("offenders")
        constraints = [
            # Begins with the time, for the page of offenders and for pruning.
            models.UniqueConstraint(
                fields=["at", "address", "kind", "what"], name="offence_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.kind} {self.count}"

    @classmethod
    def add(
        cls, network: networks.Network, kind: str, *, what: str, now: datetime, by: int
    ) -> None:
        """Count `by` more offences. One query, three for the first in ten minutes."""
        at = now.replace(minute=now.minute - now.minute % OFFENCE_MINUTES, second=0, microsecond=0)
        key = {"at": at, "address": networks.written(network), "kind": kind, "what": what[:40]}
        counted = cls.objects.filter(**key)
        if counted.update(count=F("count") + by, last_at=now):
            return
        _row, is_new = cls.objects.get_or_create(**key, defaults={"last_at": now, "count": by})
        if not is_new:  # another process was first
            counted.update(count=F("count") + by, last_at=now)


class RequestBanQuerySet(models.QuerySet["RequestBan"]):
    def standing(self, now: datetime) -> Self:
        """Keep those that hold at `now`."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), lifted_at=None)


RequestBanManager = models.Manager.from_queryset(RequestBanQuerySet)


class RequestBan(models.Model):
    """Requests from a network are refused until a moment. Kept after that: what was, is known."""

    network = models.CharField(_("address"), max_length=LONGEST_NETWORK, db_index=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    is_automatic = models.BooleanField(_("automatic"), default=False, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("banned by"),
    )
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("until"), null=True, blank=True)  # null: for ever
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True, editable=False)

    objects = RequestBanManager()

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        constraints = [
            models.UniqueConstraint(
                # The one before is closed when another one is made: see `actions.ban`.
                fields=["network"],
                condition=Q(lifted_at=None),
                name="ban_once_per_network",
            )
        ]

    def __str__(self) -> str:
        return self.network

    def is_standing(self, now: datetime) -> bool:
        """Tell whether it holds at `now`."""
        return self.lifted_at is None and (self.expires_at is None or self.expires_at > now)
