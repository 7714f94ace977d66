"""Where threads come from. Import the public names from here: it costs nothing.

`open_source` is what imports the SDK, so only a process that builds a source pays for it;
`open_files` imports an HTTP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threads.sources.addresses import checked_base_url
from threads.sources.base import (
    BESIDE,
    BadAnswer,
    Capability,
    Credentials,
    CursorLost,
    Denied,
    Gone,
    Page,
    Part,
    RemoteMessage,
    RemoteThread,
    Retired,
    Runs,
    Source,
    SourceError,
    TellsRuns,
    Throttled,
    Unavailable,
    Unsupported,
    Usage,
    is_made_up,
)
from threads.sources.embedded import embedded_file, is_embedded
from threads.sources.erasing import Erased, Eraser, calls_for, can_erase, open_eraser
from threads.sources.listable import may_list, tells_use
from threads.sources.nouns import NOUNS
from threads.sources.parts import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from threads.sources.files import Files

__all__ = [
    "BESIDE",
    "BadAnswer",
    "Capability",
    "Credentials",
    "CursorLost",
    "Denied",
    "Erased",
    "Eraser",
    "Gone",
    "Page",
    "Part",
    "RemoteMessage",
    "RemoteThread",
    "Retired",
    "Runs",
    "Source",
    "SourceError",
    "TellsRuns",
    "Throttled",
    "Unavailable",
    "Unsupported",
    "Usage",
    "calls_for",
    "can_erase",
    "checked_base_url",
    "embedded_file",
    "is_embedded",
    "is_made_up",
    "may_list",
    "open_eraser",
    "open_files",
    "open_source",
    "place_of",
    "tells_use",
]


def open_source(
    store: str,
    credentials: Credentials,
    *,
    allow_private_hosts: bool = True,
    transport: httpx2.BaseTransport | None = None,
    before_call: Callable[[], None] | None = None,
) -> Source:
    """Return the source for a store. Makes no call. The caller closes it.

    The first one in a process imports the SDK: about a second and 44 MiB. One source may be used
    by several threads as long as each reads other conversations.

    :param allow_private_hosts: False refuses every server that is not on the public internet.
    :param transport: replaces the network in tests.
    :param before_call: called before each request; what it raises goes on, and nothing is sent.
    :raises Denied: when the credentials hold no key.
    :raises Unavailable: when their address is not one that may be called.
    :raises Unsupported: when there is no such store.
    """
    if store not in NOUNS:
        raise Unsupported(f"ThreadHub cannot read a store named {store!r}.")
    from threads.sources.agents import Agents
    from threads.sources.assistants import Assistants
    from threads.sources.chatkit import ChatKit
    from threads.sources.client import Client
    from threads.sources.completions import Completions
    from threads.sources.conversations import Conversations
    from threads.sources.responses import Responses

    kinds: dict[str, Callable[[Client], Source]] = {
        "conversations": Conversations,
        "assistants": Assistants,
        "chatkit": ChatKit,
        "completions": Completions,
        "responses": Responses,
        "agents": Agents,
    }
    client = Client(
        credentials,
        store=store,
        noun=NOUNS[store],
        allow_private_hosts=allow_private_hosts,
        transport=transport,
        before_call=before_call,
    )
    return kinds[store](client)


def open_files(
    credentials: Credentials,
    *,
    allow_private_hosts: bool = True,
    transport: httpx2.BaseTransport | None = None,
    before_call: Callable[[], None] | None = None,
) -> Files:
    """Return the files that these credentials can read, whatever the store. Makes no call.

    The parameters and errors are those of `open_source`. The caller closes it.
    """
    from threads.sources.door import open_door
    from threads.sources.files import Files

    door = open_door(
        credentials,
        store="files",
        noun="files",
        allow_private_hosts=allow_private_hosts,
        transport=transport,
    )
    return Files(door, before_call=before_call)
