"""Counts what `threadhub.lib.offences` reports, and bans an address that does not stop."""

from __future__ import annotations

import logging
from datetime import datetime
from ipaddress import ip_address

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from monitoring.actions import Refused, ban_automatically
from monitoring.models import Offence
from projects.models import SiteSettings
from threadhub.lib import networks
from threadhub.lib.http import client_ip
from threadhub.lib.networks import Network
from threadhub.lib.offences import Kind

logger = logging.getLogger(__name__)
_EACH = 100  # so many are written down one by one; after that every hundredth, for a hundred
_TEN_MINUTES = 600


def take_note(*, request: HttpRequest, kind: Kind, what: str, **_kwargs: object) -> None:
    """Count an offence, and ban its address when the settings say that this was one too many.

    What comes from this machine itself is nobody's offence.
    """
    network = networks.line_of(client_ip(request))
    if networks.holds_this_machine(network):
        return
    now = timezone.now()
    _write_down(network, kind, what, now=now)
    if not _may_be_spared(request):
        _ban_if_repeated(network, kind, now=now)


def _write_down(network: Network, kind: Kind, what: str, *, now: datetime) -> None:
    """Keep the database out of a flood: it hears of each of the first, then of hundreds."""
    count = _count(f"offence-rows:{network}:{kind}:{what}", seconds=_TEN_MINUTES)
    if count <= _EACH:
        Offence.add(network, kind, what=what, now=now, by=1)
    elif count % _EACH == 0:
        Offence.add(network, kind, what=what, now=now, by=_EACH)


def _may_be_spared(request: HttpRequest) -> bool:
    """Tell whether the address must not pay for it.

    Somebody signed in shares an address with their office, and can be switched off instead. A
    private address that hands on somebody else's is a proxy that nobody told us to trust: a ban
    would keep everybody out.
    """
    user = getattr(request, "user", None)
    if hasattr(request, "api_token_id") or (user is not None and user.is_authenticated):
        return True
    is_proxy = "X-Forwarded-For" in request.headers and not settings.THREADHUB_TRUSTED_PROXIES
    return is_proxy and ip_address(client_ip(request)).is_private


def _ban_if_repeated(network: Network, kind: Kind, *, now: datetime) -> None:
    current = SiteSettings.current()
    threshold = {
        Kind.LIMIT: current.ban_after_limits,
        Kind.CAPTCHA: current.ban_after_answers,
        Kind.LOGIN: current.ban_after_logins,
    }[kind]
    if not current.bans_automatically or not threshold:
        return
    name = f"offences:{network}:{kind}"
    count = _count(name, seconds=60 * current.ban_window_minutes)
    if count != threshold:  # counted exactly over all processes: one of them bans
        return
    reason = _("{kind}: {count} in {minutes} minutes").format(
        kind=Offence.Kind(kind.value).label, count=count, minutes=current.ban_window_minutes
    )
    try:
        ban_automatically(network, now=now, reason=reason)
    except Refused as refusal:
        logger.warning("%s is not banned (%s): %s", network, reason, refusal)
    cache.delete(name)  # after the ban it begins anew


def _count(name: str, *, seconds: int) -> int:
    """Count one more within `seconds` of the first."""
    if cache.add(name, 1, timeout=seconds):
        return 1
    try:
        return cache.incr(name)
    except ValueError:  # it expired in between
        cache.set(name, 1, timeout=seconds)
        return 1
