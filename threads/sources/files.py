"""Files at a store: `/files/{id}/content`, and in the containers of code interpreters.

They need no SDK, so a web process can fetch one without importing it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx2

from threads.sources.addresses import segment
from threads.sources.base import Gone, Retired, SourceError, Unavailable, Unsupported
from threads.sources.door import STREAMED, Door
from threads.sources.failures import Refused, from_network, from_status

_PIECE = 64 * 1024  # bytes handed on at a time
_LONGEST_SECONDS = 60.0  # somebody may be waiting in front of a page


class Files:
    """Reads files with one key. Every failure is a `SourceError`; nothing is retried."""

    def __init__(
        self,
        door: Door,
        *,
        before_call: Callable[[], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._door, self._before_call, self._now = door, before_call, now

    @property
    def calls(self) -> int:
        """How many requests went out."""
        return self._door.guard.calls

    def read(self, file_id: str, *, container_id: str = "") -> Iterator[bytes]:
        """Yield a file's bytes in pieces. One call, made when the first one is asked for.

        How many are too many is the reader's business: a large file is never held whole.

        :param container_id: where a code interpreter made it; "" for all other files.
        :raises Gone: when the store has no such file, or does not hand it out.
        :raises SourceError: of the kind that fits, for everything else.
        """
        if self._before_call is not None:
            self._before_call()
        response: httpx2.Response | None = None
        failure: SourceError
        try:
            response = self._ask(self._address(file_id, container_id))
            if response.status_code == 200:
                yield from self._pieces(response)
                return
            failure = self._failure(response)
        except SourceError as error:
            failure = type(error)(*error.args)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            failure = from_network(error, place=self._door.place)
        finally:
            if response is not None:
                response.close()
        raise failure  # out here, so that no frame that holds the key hangs on it

    def _address(self, file_id: str, container_id: str) -> str:
        azure = "/openai" if self._door.azure_version else ""
        owner = f"/containers/{segment(container_id)}" if container_id else ""
        return f"{self._door.url}{azure}{owner}/files/{segment(file_id)}/content"

    def _ask(self, address: str) -> httpx2.Response:
        version = self._door.azure_version
        request = self._door.http.build_request(
            "GET",
            address,
            params={"api-version": version} if version else None,
            # Images are packed already; what is not packed cannot burst.
            headers={"Accept": "*/*", "Accept-Encoding": "identity"},
            extensions={STREAMED: True},
        )
        return self._door.http.send(request, stream=True)

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        deadline = time.monotonic() + _LONGEST_SECONDS
        for piece in response.iter_bytes(_PIECE):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self._door.place.host} sends too slowly: no whole file within"
                    f" {_LONGEST_SECONDS:g} s."
                )
            yield piece

    def _failure(self, response: httpx2.Response) -> SourceError:
        place = self._door.place
        error = from_status(
            response.status_code,
            response.read(),
            response.headers,
            place=place,
            now=self._now(),
            is_route_known=True,
        )
        if isinstance(error, Gone | Retired | Unsupported):
            return Gone(f"{place.host} has no such file any more.")
        if isinstance(error, Refused):  # what people uploaded for assistants is never given back
            return Gone(f"{place.host} does not hand this file out.")
        return error

    def close(self) -> None:
        self._door.http.close()
