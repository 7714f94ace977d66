"""The one door to the network: an HTTP client for one key at one address, that trusts nobody."""

from __future__ import annotations

import functools
import re
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from threads.sources.addresses import checked_base_url, refuse_address
from threads.sources.base import BadAnswer, Credentials, Denied, SourceError, Unavailable
from threads.sources.failures import Place

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 30.0  # per read
CONNECT_SECONDS = 5.0
LONGEST_CALL_SECONDS = 120.0  # a server that sends one byte now and then never times out
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024  # a page of 100 items with images, unpacked

STREAMED = "threadhub.streamed"  # in a request's extensions: a good answer comes in pieces

_KEY = re.compile(r"[!-~]+\Z")  # what fits into a header

# Everything else that the SDK would send comes from the environment (OPENAI_CUSTOM_HEADERS) or
# describes this machine (X-Stainless-*).
_SENT_HEADERS = ("accept", "accept-encoding", "user-agent", "openai-beta")


@functools.cache
def _tls() -> ssl.SSLContext:
    """Read the system's certificates once: SSL_CERT_FILE and SSL_CERT_DIR count."""
    return httpx2.create_ssl_context()


class Guard(httpx2.BaseTransport):
    """Lets through what we mean to send, and no more of an answer than can be held."""

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        *,
        authorization: Mapping[str, str],
        methods: frozenset[str],
        allow_private_hosts: bool,
    ) -> None:
        self._inner = inner
        self._authorization = authorization
        self._methods = methods
        self._allow_private_hosts = allow_private_hosts
        self.calls = 0
        self._lock = threading.Lock()

    def _check_peer(self, event: str, details: Mapping[str, Any]) -> None:
        """Look at the address that a name led to, before anything is sent there."""
        if event != "connection.connect_tcp.complete":
            return
        stream = details["return_value"]
        peer = stream.get_extra_info("server_addr")
        try:
            refuse_address(str(peer[0]), allow_private_hosts=self._allow_private_hosts)
        except SourceError:
            stream.close()
            raise

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method not in self._methods:  # nobody asks for it: a mistake of ours ends here
            raise BadAnswer(f"ThreadHub refuses to send {request.method} to {request.url.host}.")
        with self._lock:
            self.calls += 1
        deadline = time.monotonic() + LONGEST_CALL_SECONDS
        headers = {name: request.headers[name] for name in _SENT_HEADERS if name in request.headers}
        guarded = httpx2.Request(
            request.method,
            request.url,
            headers=headers | dict(self._authorization),
            extensions=request.extensions | {"trace": self._check_peer},
        )
        response = self._inner.handle_request(guarded)
        if STREAMED in request.extensions and response.status_code == 200:
            return response  # who asked for it counts the bytes
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER_BYTES:
                    raise BadAnswer(
                        f"{request.url.host} sends an answer of more than"
                        f" {LARGEST_ANSWER_BYTES // 2**20} MiB, which is not read."
                    )
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{request.url.host} sends too slowly: no whole answer within"
                        f" {LONGEST_CALL_SECONDS:g} s."
                    )
        finally:
            response.close()
        kept = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in {"content-encoding", "content-length", "transfer-encoding"}
        ]
        return httpx2.Response(
            response.status_code, headers=kept, content=bytes(body), request=request
        )

    def close(self) -> None:
        self._inner.close()


def _refuse_bad_key(credentials: Credentials) -> None:
    """Refuse a key that cannot be one. :raises Denied: without repeating it."""
    if not credentials.api_key.strip():  # the SDK would take one from the environment
        raise Denied("This connection has no key. Enter one.")
    if not _KEY.match(credentials.api_key.strip()):
        raise Denied("The key holds characters that no key has. Copy it again.")


@dataclass(frozen=True, slots=True)
class Door:
    """What a client needs to ask: where, as whom, and through which connections."""

    place: Place
    http: httpx2.Client
    guard: Guard
    key: str = field(repr=False)
    url: str  # the base URL, or Azure's endpoint
    azure_version: str  # "" everywhere but at Azure's old address
    authorization: Mapping[str, str] = field(repr=False)


def open_door(
    credentials: Credentials,
    *,
    store: str,
    noun: str,
    methods: frozenset[str] = frozenset({"GET"}),
    allow_private_hosts: bool = True,
    transport: httpx2.BaseTransport | None = None,
) -> Door:
    """Check key and address, and build the client. Makes no call.

    :param noun: what the store calls its threads, for sentences.
    :param methods: all that may be sent; nothing else leaves.
    :param transport: replaces the network in tests.
    :raises Denied: when there is no key.
    :raises Unavailable: when the address is not one that may be called.
    """
    _refuse_bad_key(credentials)
    azure = credentials.azure_endpoint.strip()
    version = credentials.azure_api_version.strip()
    if azure and not version:
        raise Unavailable("An Azure endpoint needs an API version. Enter one.")
    url = checked_base_url(
        azure or credentials.base_url.strip() or DEFAULT_BASE_URL,
        allow_private_hosts=allow_private_hosts,
    )
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise Unavailable("The address is not a valid URL.") from None
    key = credentials.api_key.strip()  # nothing is raised from here on: frames can be shown
    host = address.host if address.port is None else f"{address.host}:{address.port}"
    is_openai = address.host == "api.openai.com" or address.host.endswith(".api.openai.com")
    authorization = {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}
    guard = Guard(
        transport or httpx2.HTTPTransport(verify=_tls()),
        authorization=authorization,
        methods=methods,
        allow_private_hosts=allow_private_hosts,
    )
    # Neither proxies nor .netrc from the environment, and no redirect: the key would go along.
    http = httpx2.Client(
        transport=guard, trust_env=False, follow_redirects=False, timeout=timeout()
    )
    place = Place(host, store, noun, is_openai, (key,))
    return Door(place, http, guard, key, url, version if azure else "", authorization)


def timeout() -> httpx2.Timeout:
    return httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
