"""A server that is only a function: for answers that no well-behaved one gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import httpx2

from threads.sources import Credentials, open_source

# In no shape that a pattern for keys would know.
ODD_KEY = "Zq7-an.odd~key!that|looks+like=nothing"

Answer = Callable[[httpx2.Request], httpx2.Response]


def ask(
    answer: Answer, *, store: str = "conversations", url: str = "https://server.test/v1"
) -> None:
    """Ask a made-up server for a thread."""
    transport = httpx2.MockTransport(answer)
    with closing(open_source(store, Credentials(ODD_KEY, url), transport=transport)) as source:
        source.thread("conv_1")


def answer_with(status: int, json: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx2.Response(status, json=json, headers=named)
