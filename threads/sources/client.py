"""The one door to the network: the openai SDK over an HTTP client that trusts nobody.

This module imports openai, which costs a second and 44 MiB: only `open_source` imports it. The
SDK's general `get` is used and not its methods per store: those parse answers into typed models
that turn unknown items into empty messages, import another second's worth of modules, and warn
about deprecation; and some lists that servers offer have no method.
"""

from __future__ import annotations

import functools
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai

from threads.sources.addresses import checked_base_url, refuse_address
from threads.sources.base import BadAnswer, Credentials, Denied, SourceError, Unavailable
from threads.sources.failures import Place, from_network, from_status

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 30.0  # per read
CONNECT_SECONDS = 5.0
LONGEST_CALL_SECONDS = 120.0  # a server that sends one byte now and then never times out
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024  # a page of 100 items with images, unpacked

_KEY = re.compile(r"[!-~]+\Z")  # what fits into a header

# Everything else that the SDK would send comes from the environment (OPENAI_CUSTOM_HEADERS) or
# describes this machine (X-Stainless-*).
_SENT_HEADERS = ("accept", "accept-encoding", "user-agent", "openai-beta")


@functools.cache
def _tls() -> ssl.SSLContext:
    """Read the system's certificates once: SSL_CERT_FILE and SSL_CERT_DIR count."""
    return httpx2.create_ssl_context()


class _Guard(httpx2.BaseTransport):
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


class Client:
    """Reads JSON over HTTP with one key. Every failure is a `SourceError`; nothing is retried.

    :param noun: what the store calls its threads, for sentences.
    :param transport: replaces the network in tests.
    :param before_call: called before each request; what it raises goes on, and nothing is sent.
    :raises Denied: when there is no key.
    :raises Unavailable: when the address is not one that may be called.
    """

    methods = frozenset({"GET"})  # all that ever leaves this house

    def __init__(
        self,
        credentials: Credentials,
        *,
        store: str,
        noun: str,
        allow_private_hosts: bool = True,
        transport: httpx2.BaseTransport | None = None,
        before_call: Callable[[], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        _refuse_bad_key(credentials)
        azure = credentials.azure_endpoint.strip()
        if azure and not credentials.azure_api_version.strip():
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
        self.place = Place(host, store, noun, is_openai, (key,))
        self._now = now
        self._before_call = before_call
        self.has_answered = False  # the store has given a proper answer at least once
        authorization = {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}
        self._guard = _Guard(
            transport or httpx2.HTTPTransport(verify=_tls()),
            authorization=authorization,
            methods=self.methods,
            allow_private_hosts=allow_private_hosts,
        )
        # Neither proxies nor .netrc from the environment, and no redirect: the key would go along.
        http = httpx2.Client(
            transport=self._guard,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        )
        # Each of these is given so that none is taken from an OPENAI_* variable.
        shared: dict[str, Any] = {
            "api_key": key,
            "admin_api_key": "",
            "organization": "",
            "project": "",
            "webhook_secret": "",
            "max_retries": 0,  # Retry-After becomes a later task, not a worker that sleeps
            "timeout": httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            "default_headers": authorization,
            "http_client": http,
        }
        self._sdk: openai.OpenAI
        if azure:
            version = credentials.azure_api_version.strip()
            self._sdk = openai.AzureOpenAI(azure_endpoint=url, api_version=version, **shared)
        else:
            self._sdk = openai.OpenAI(base_url=url, **shared)

    @property
    def calls(self) -> int:
        """How many requests went out."""
        return self._guard.calls

    def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return the text of the answer to one GET. Lists in `params` are sent as `name[]`.

        :raises SourceError: of the kind that fits, for everything that is no success.
        """
        return self._answer(self._sdk.get, path, params, headers)

    def _answer(
        self,
        send: Callable[..., httpx2.Response],
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> str:
        """Return the text of the answer to one call. `send`: the SDK's method of that name."""
        if self._before_call is not None:
            self._before_call()
        given = {name: value for name, value in (params or {}).items() if value is not None}
        failure: SourceError
        try:
            response = send(
                path,
                cast_to=httpx2.Response,
                options={"params": given, "headers": dict(headers or {})},
            )
            return response.content.decode("utf-8-sig", "replace")
        except openai.APIStatusError as error:
            failure = from_status(
                error.status_code,
                error.response.content,
                error.response.headers,
                place=self.place,
                now=self._now(),
                is_route_known=self.has_answered,
            )
        except SourceError as error:
            failure = type(error)(*error.args)
        except (
            openai.OpenAIError,
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OSError,
            ValueError,
        ) as error:
            failure = from_network(error, place=self.place)
        # Raised out here so that neither the SDK's error nor its frames, which hold the key, hang
        # on ours.
        raise failure

    def close(self) -> None:
        self._sdk.close()


class ErasingClient(Client):
    """May also send DELETE. Nothing but `threads.sources.erasing` makes one."""

    methods = frozenset({"GET", "DELETE"})

    def delete(self, path: str, *, headers: Mapping[str, str] | None = None) -> str:
        """Return the text of the answer to one DELETE.

        :raises SourceError: of the kind that fits, for everything that is no success.
        """
        return self._answer(self._sdk.delete, path, None, headers)
