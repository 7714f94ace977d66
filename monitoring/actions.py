"""Asks: keep an address out, let it in again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from monitoring import banned
from monitoring.models import RequestBan
from projects.models import SiteSettings
from threadhub.lib import audit, networks

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from threadhub.lib.networks import Network

# The widest network that one ban may cover. Whoever means more has mistyped, or wants a firewall.
_WIDEST = {4: 8, 6: 16}  # bits, by version
_GROWTH = 4  # each automatic ban of an address is so many times as long as the one before
_REMEMBERED = timedelta(days=30)  # after that an address begins anew
_LONGEST = timedelta(days=30)


class Refused(Exception):
    """What was asked for cannot be done. The text is a sentence for the person who asked."""


def check_ban(network: Network, *, own_address: str = "") -> None:
    """Make sure that a ban hits others only.

    :param own_address: where whoever asks is; "" when that is this machine.
    :raises Refused: when it would hit the asker, this machine, or an address on the list of those
        that are never banned.
    """
    if network.prefixlen < _WIDEST[network.version]:
        raise Refused(
            _("This network is too large. Ban at most a /{bits}.").format(
                bits=_WIDEST[network.version]
            )
        )
    if networks.holds_this_machine(network):
        raise Refused(_("This is the server's own address. Banning it would lock everybody out."))
    if own_address and networks.address_of(own_address) in network:
        raise Refused(_("You are there yourself: your address is {own}.").format(own=own_address))
    for spared in networks.networks_in(SiteSettings.current().never_banned):
        if networks.overlaps(network, spared):
            raise Refused(
                _("The settings say that {network} is never banned.").format(
                    network=networks.written(spared)
                )
            )


def ban(
    network: Network,
    *,
    by: User | None,
    now: datetime,
    until: datetime | None,
    reason: str = "",
    is_automatic: bool = False,
    own_address: str = "",
) -> RequestBan:
    """Refuse all requests from `network`, at once and in all processes. Replaces an earlier ban.

    :param until: None is for ever.
    :raises Refused: as `check_ban` does.
    """
    check_ban(network, own_address=own_address)
    name = networks.written(network)
    try:
        with transaction.atomic():
            before = RequestBan.objects.filter(network=name, lifted_at=None)
            before.filter(expires_at__lte=now).update(lifted_at=F("expires_at"))
            before.update(lifted_at=now)
            made = RequestBan.objects.create(
                network=name,
                reason=reason[:300],
                is_automatic=is_automatic,
                created_by=by,
                created_at=now,
                expires_at=until,
            )
            audit.record(
                action="ban.add",
                actor=by,
                target=made,
                until=until.isoformat() if until else None,
                reason=made.reason,
            )
            transaction.on_commit(banned.changed)
    except IntegrityError:  # somebody else banned it in this very moment
        return RequestBan.objects.get(network=name, lifted_at=None)
    return made


def ban_automatically(network: Network, *, now: datetime, reason: str) -> RequestBan:
    """Ban an address for what it did: longer each time, from the settings' minutes on.

    :raises Refused: as `check_ban` does.
    """
    earlier = RequestBan.objects.filter(
        network=networks.written(network), is_automatic=True, created_at__gt=now - _REMEMBERED
    ).count()
    first = timedelta(minutes=SiteSettings.current().ban_minutes)
    length = min(_LONGEST, first * _GROWTH ** min(earlier, 10))
    return ban(network, by=None, now=now, until=now + length, reason=reason, is_automatic=True)


def lift_ban(standing: RequestBan, *, by: User | None, now: datetime) -> bool:
    """Let requests from there in again, at once. False: the ban had ended."""
    with transaction.atomic():
        rows = RequestBan.objects.standing(now).filter(pk=standing.pk)
        if not rows.update(lifted_at=now):
            return False
        audit.record(action="ban.lift", actor=by, target=standing)
        transaction.on_commit(banned.changed)
    return True


def unban(network: Network, *, by: User | None, now: datetime) -> list[RequestBan]:
    """Lift every ban that keeps a part of `network` out; return those lifted."""
    return [
        standing
        for standing in RequestBan.objects.standing(now).order_by("pk")
        if networks.overlaps(networks.network_of(standing.network), network)
        and lift_ban(standing, by=by, now=now)
    ]
