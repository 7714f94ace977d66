"""The openai SDK behind our door: reads JSON, retries nothing.

This module imports openai, which costs a second and 44 MiB: only `open_source` imports it. The
SDK's general `get` is used and not its methods per store: those parse answers into typed models
that turn unknown items into empty messages, import another second's worth of modules, and warn
about deprecation; and some lists that servers offer have no method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai

from threads.sources.base import Credentials, SourceError
from threads.sources.door import open_door, timeout
from threads.sources.failures import from_network, from_status


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
        door = open_door(
            credentials,
            store=store,
            noun=noun,
            methods=self.methods,
            allow_private_hosts=allow_private_hosts,
            transport=transport,
        )
        self.place, self._guard = door.place, door.guard
        self._now = now
        self._before_call = before_call
        self.has_answered = False  # the store has given a proper answer at least once
        # Each of these is given so that none is taken from an OPENAI_* variable.
        shared: dict[str, Any] = {
            "api_key": door.key,
            "admin_api_key": "",
            "organization": "",
            "project": "",
            "webhook_secret": "",
            "max_retries": 0,  # Retry-After becomes a later task, not a worker that sleeps
            "timeout": timeout(),
            "default_headers": dict(door.authorization),
            "http_client": door.http,
        }
        self._sdk: openai.OpenAI
        if door.azure_version:
            self._sdk = openai.AzureOpenAI(
                azure_endpoint=door.url, api_version=door.azure_version, **shared
            )
        else:
            self._sdk = openai.OpenAI(base_url=door.url, **shared)

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
