"""From what went wrong on the wire to our errors, in sentences that an operator can act on."""

from __future__ import annotations

import email.utils
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from threadhub.lib.logs import redact
from threads.sources.base import (
    BadAnswer,
    Denied,
    Gone,
    Retired,
    SourceError,
    Throttled,
    Unavailable,
    Unsupported,
)

_LONGEST_QUOTE = 200  # characters of what the server said
_LONGEST_WAIT_SECONDS = 86_400.0  # a server that asks for more is asked again after a day

# Waiting does not help against these.
_SPENT = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
}
_SPENT_WORDS = re.compile(
    r"(?i)exceeded your current quota|insufficient (balance|credit|quota|fund)"
)
# What servers say when they know no such address, and what may mean that or "no such thread".
_NO_ROUTE = re.compile(
    r"(?i)(page|route|url|path|endpoint|404 page) not found\.?|cannot get /.*|invalid url\b.*"
    r"|unknown (request )?(url|route|path|endpoint)\b.*|no (route|static resource)\b.*"
)
_PERHAPS_NO_ROUTE = re.compile(r"(?i)|(resource )?not found\.?")
_SWITCHED_OFF = re.compile(
    r"(?i)\b(retired|sunset|deprecated|discontinued|decommissioned|shut ?down|switched off"
    r"|no longer (available|supported|offered|exists))\b"
)


class Refused(BadAnswer):
    """The server does not take our request as it is (400, 422): a parameter it does not know."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the sentences need to know about where a call went. `secrets` are never repeated."""

    host: str
    store: str
    noun: str  # what the store calls its threads: "conversations"
    is_openai: bool
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def quote(self, said: str) -> str:
        """Return what the server said, on one line, short, without any secret; "" if nothing."""
        for secret in self.secrets:
            said = said.replace(secret, "[secret]")
        line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        line = redact(line)
        return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


@dataclass(frozen=True, slots=True)
class _Said:
    message: str
    codes: frozenset[str]
    is_json: bool
    is_html: bool


def _said(body: bytes) -> _Said:
    """Read an error body in any of the shapes that servers use."""
    text = body[:20_000].decode("utf-8", "replace").strip()
    is_html = text[:1] == "<"
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return _Said("" if is_html else text, frozenset(), is_json=False, is_html=is_html)
    codes: set[str] = set()
    message: Any = answer
    for _ in range(4):
        if isinstance(message, list):
            message = message[0] if message else ""
        if not isinstance(message, dict):
            break
        codes |= {str(message[key]) for key in ("code", "type") if message.get(key)}
        names = ("error", "errors", "message", "detail", "title", "msg")
        message = next((message[name] for name in names if message.get(name)), "")
    message = message if isinstance(message, str) else ""
    return _Said(message, frozenset(codes), is_json=isinstance(answer, dict), is_html=False)


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return how long the server asks to wait, in seconds; None when it does not say."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        try:
            seconds = float(value) / divisor
        except ValueError:
            try:
                moment = email.utils.parsedate_to_datetime(value)
            except ValueError:
                continue
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - now).total_seconds()
        if seconds == seconds:  # noqa: PLR0124 - "nan" is a float too
            return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)
    return None


def _throttled(
    place: Place, said: _Said, status: int, headers: Mapping[str, str], now: datetime
) -> Throttled:
    quote = place.quote(said.message)
    if status == 402 or said.codes & _SPENT or _SPENT_WORDS.search(said.message):
        return Throttled(
            f"The quota of this key at {place.host} is used up. Waiting does not help: raise its"
            f" limit or pay at the provider. It says: {quote or 'nothing.'}",
            is_permanent=True,
        )
    seconds = retry_after_seconds(headers, now=now)
    wait = "" if seconds is None else f" It asks to wait {seconds:g} s."
    return Throttled(
        f"{place.host} gets too many calls (429).{wait} Fewer calls per minute help."
        + (f" It says: {quote}" if quote else ""),
        retry_after_seconds=seconds,
    )


def _retired(place: Place, said: _Said) -> Retired:
    return Retired(
        f"{place.host} says that this store is switched off: {place.quote(said.message)}"
    )


def _missing(place: Place, said: _Said, status: int, *, is_route_known: bool) -> SourceError:
    """Tell a thread that is gone from an address where nothing ever was."""
    if place.is_openai and place.store == "assistants":
        return Retired(
            "OpenAI switched the Assistants API off on 2026-08-26. The archive keeps what it"
            " holds; new threads live in the conversations store."
        )
    if _SWITCHED_OFF.search(said.message):
        return _retired(place, said)
    is_unsure = not said.is_json or _PERHAPS_NO_ROUTE.fullmatch(said.message)
    if _NO_ROUTE.fullmatch(said.message) or (is_unsure and not is_route_known):
        page = "a web page and " if said.is_html else ""
        return Unsupported(
            f"{place.host} answers with {page}status {status}: it offers no {place.noun} at this"
            " address. Check the base URL, which usually ends in /v1, and the kind of store."
        )
    return Gone(f"{place.host} has no such thread ({status}): {place.quote(said.message)}")


_OTHER = (BadAnswer, "{host} answers with status {status}, which the API does not use.")
_BUSY = (Unavailable, "{host} fails on its side ({status}); later may work.")
_NOT_OFFERED = (Unsupported, "{host} does not offer this for {noun} ({status}).")
_REFUSED = (Refused, "{host} does not accept the request ({status}).")
_REDIRECT = (
    BadAnswer,
    (
        "{host} redirects ({status}) to {target}. Redirects are not followed, because the key would"
        " go along: enter the final address as base URL."
    ),
)
_BY_STATUS: dict[int, tuple[type[SourceError], str]] = {
    400: _REFUSED,
    401: (Denied, "{host} refuses the key (401). Enter one that is valid there."),
    403: (
        Denied,
        (
            "{host} does not let this key read {noun} (403). Give it the permission, or use another"
            " key."
        ),
    ),
    405: _NOT_OFFERED,
    408: _BUSY,
    409: _BUSY,
    422: _REFUSED,
    425: _BUSY,
    501: _NOT_OFFERED,
    **dict.fromkeys([300, 301, 302, 303, 307, 308], _REDIRECT),
}


def from_status(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    place: Place,
    now: datetime,
    is_route_known: bool = False,
) -> SourceError:
    """Return the error for an answer that is no success.

    `is_route_known`: this store has answered properly before, so a bare "Not Found" means the
    thread and not the address.
    """
    said = _said(body)
    if status in {402, 429}:
        return _throttled(place, said, status, headers, now)
    if status in {404, 410}:
        return _missing(place, said, status, is_route_known=is_route_known)
    if status == 400 and _SWITCHED_OFF.search(said.message):
        return _retired(place, said)
    kind, sentence = _BY_STATUS.get(status, _BUSY if status >= 500 else _OTHER)
    target = place.quote(headers.get("location", "")) or "nowhere"
    text = sentence.format(host=place.host, noun=place.noun, status=status, target=target)
    quote = place.quote(said.message)
    return kind(f"{text} It says: {quote}" if quote else text)


# The first that fits anything in the chain of causes decides.
_BY_CAUSE: list[tuple[tuple[type[BaseException], ...], type[SourceError], str]] = [
    (
        (ssl.SSLCertVerificationError,),
        Unavailable,
        (
            "The certificate of {host} is not trusted ({why}). Add its authority to the system's"
            " certificates, or set SSL_CERT_FILE."
        ),
    ),
    (
        (ssl.SSLError,),
        Unavailable,
        (
            "No encrypted connection to {host} could be made. Check whether the base URL should"
            " begin with http:// or https://."
        ),
    ),
    (
        (socket.gaierror,),
        Unavailable,
        "The name of {host} cannot be resolved. Check the base URL and the DNS.",
    ),
    (
        (ConnectionRefusedError,),
        Unavailable,
        "Nothing listens at {host}. Check the address, the port and the server.",
    ),
    (
        (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
        Unavailable,
        "{host} cannot be reached. Check the address and the network.",
    ),
    (
        (httpx2.TimeoutException,),
        Unavailable,
        "{host} did not answer in time; later may work.",
    ),
    (
        (httpx2.DecodingError,),
        BadAnswer,
        "{host} sends an answer whose compression is broken.",
    ),
]


def from_network(error: BaseException, *, place: Place) -> SourceError:
    """Return the error for a call that got no answer, or lost it on the way."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    for causes, kind, sentence in _BY_CAUSE:
        for link in chain:
            if isinstance(link, causes):
                why = getattr(link, "verify_message", "")
                return kind(sentence.format(host=place.host, why=why or "not verified"))
    return Unavailable(f"The connection to {place.host} broke off; later may work.")
