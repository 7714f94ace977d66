"""Which stores tell what threads they have, known before any is opened: opening costs an import."""

from __future__ import annotations

from urllib.parse import urlsplit

_LIST = frozenset({"agents", "chatkit", "completions"})
_LIST_ELSEWHERE = frozenset({"assistants", "conversations"})  # but not at OpenAI
_TELL_USE = frozenset({"agents"})  # the list says when a thread was last used
_OPENAI = "api.openai.com"


def may_list(store: str, *, base_url: str = "", azure_endpoint: str = "") -> bool:
    """Tell whether the store at this address is worth asking for a list of its threads.

    Says what `Capability.LIST_THREADS` says of an opened source.
    """
    if store in _LIST:
        return True
    host = urlsplit(azure_endpoint or base_url).hostname or _OPENAI
    return store in _LIST_ELSEWHERE and host != _OPENAI and not host.endswith(f".{_OPENAI}")


def tells_use(store: str) -> bool:
    """Tell whether its list says when threads were last used: it is read from its start then.

    Says what `Capability.LAST_ACTIVE` says of an opened source.
    """
    return store in _TELL_USE
