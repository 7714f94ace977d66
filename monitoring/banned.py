"""Refuses the requests of banned addresses, before anything else is done for them."""

from __future__ import annotations

import logging
import math
import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from monitoring.models import RequestBan
from threadhub.lib import networks
from threadhub.lib.http import GetResponse, client_ip, json_error
from threadhub.lib.networks import Address

logger = logging.getLogger(__name__)
_VERSION = "bans:version"  # in the cache that all processes share


def changed() -> None:
    """Let every process read the bans again before its next request."""
    cache.set(_VERSION, secrets.token_hex(8), timeout=None)


@dataclass(frozen=True, slots=True)
class BanList:
    """The bans that stood when they were read, for finding an address among thousands of them."""

    version: str
    # By version and bits of the network, then by its number.
    _found: dict[tuple[int, int], dict[int, list[RequestBan]]] = field(default_factory=dict)

    @classmethod
    def of(cls, version: str, bans: Iterable[RequestBan]) -> BanList:
        found: dict[tuple[int, int], dict[int, list[RequestBan]]] = defaultdict(dict)
        for ban in bans:
            network = networks.network_of(ban.network)
            same = found[network.version, network.prefixlen]
            same.setdefault(int(network.network_address), []).append(ban)
        return cls(version, dict(found))

    def covering(self, address: Address, *, now: datetime) -> RequestBan | None:
        """Return the ban that holds for `address` at `now`, the longest if there are several."""
        standing: list[RequestBan] = []
        for (version, bits), same in self._found.items():
            if version == address.version:
                host_bits = address.max_prefixlen - bits
                bans = same.get(int(address) >> host_bits << host_bits, ())
                standing += [ban for ban in bans if ban.is_standing(now)]
        far = datetime.max.replace(tzinfo=now.tzinfo)
        return max(standing, key=lambda ban: ban.expires_at or far, default=None)


_known = BanList("")  # of this process


def remember(bans: Iterable[RequestBan]) -> None:
    """Take `bans` for all that stand, and let the other processes read them."""
    global _known  # noqa: PLW0603 - one list for all threads, exchanged as a whole
    changed()
    _known = BanList.of(str(cache.get(_VERSION)), bans)


def _current(now: datetime) -> BanList:
    """Return the bans, read again when they have changed; the last ones known if that fails."""
    global _known  # noqa: PLW0603
    try:
        version = cache.get(_VERSION)
        if version is None:  # a new or an emptied cache: the first process names a version
            cache.add(_VERSION, secrets.token_hex(8), timeout=None)
            version = cache.get(_VERSION)
        if version != _known.version:
            _known = BanList.of(str(version), RequestBan.objects.standing(now))
    except Exception:  # the health pages, too, have to answer without a database
        logger.exception("The bans cannot be read; the last ones known hold.")
    return _known


class BanMiddleware:
    """Answers 403 to banned addresses: a page, or the API's error.

    Costs one call to the cache; a query only after a ban was made or lifted.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        ban = _current(now).covering(networks.address_of(client_ip(request)), now=now)
        return self.get_response(request) if ban is None else _refuse(request, ban, now=now)


def _refuse(request: HttpRequest, ban: RequestBan, *, now: datetime) -> HttpResponse:
    # The middleware that knows the reader's language comes later.
    with translation.override(translation.get_language_from_request(request)):
        until = timezone.localtime(ban.expires_at) if ban.expires_at else None
        if request.path.startswith("/api/"):
            return json_error(status=403, code="banned", message=_sentence(request, until))
        context = {
            "until": until,
            "minutes": math.ceil((until - now).total_seconds() / 60) if until else None,
            "is_automatic": ban.is_automatic,
            "request_id": request.META.get("THREADHUB_REQUEST_ID", ""),
        }
        response = HttpResponse(render_to_string("403_banned.html", context), status=403)
        response["Cache-Control"] = "no-store"
        return response


def _sentence(request: HttpRequest, until: datetime | None) -> str:
    if until is None:
        text = _("Requests from your address are refused.")
    else:
        text = _("Requests from your address are refused until {moment}.").format(
            moment=f"{until:%Y-%m-%d %H:%M %Z}"
        )
    named = _("If you report this, name the request:")
    return f"{text} {named} {request.META.get('THREADHUB_REQUEST_ID', '')}"
