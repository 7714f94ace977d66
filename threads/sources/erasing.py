"""Deleting threads at their store: the one thing that ThreadHub ever changes there.

Apart from `Source`, which only reads: whoever holds a source can delete nothing. What a store
needs for it differs (OpenAI's API reference, "Delete a conversation": its items stay, so they
go first, one by one; a chain of responses has no name of its own, so each response goes).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threads.sources.base import BadAnswer, Credentials, Gone, Retired, SourceError, Unsupported
from threads.sources.nouns import NOUNS

if TYPE_CHECKING:
    import httpx2

    from threads.sources.client import ErasingClient

_PAGE = 100  # items that are listed at a time, to be deleted
_MOST_PAGES = 10_000


class Erased(enum.StrEnum):
    """How deleting a thread ended well."""

    DELETED = "deleted"
    WAS_GONE = "was_gone"  # the store has no such thread: nothing was left to delete


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a store takes a deletion."""

    path: str  # {id}: the thread's
    items_path: str = ""  # set where a thread's items have to go before it
    beta: str = ""  # the OpenAI-Beta header
    is_chain: bool = False  # a thread is what its parts are: there is no other to delete


_WAYS = {
    "conversations": _Way("/conversations/{id}", items_path="/conversations/{id}/items"),
    "assistants": _Way("/threads/{id}", beta="assistants=v2"),
    "chatkit": _Way("/chatkit/threads/{id}", beta="chatkit_beta=v1"),
    "completions": _Way("/chat/completions/{id}"),
    "responses": _Way("/responses/{id}", is_chain=True),
    "agents": _Way("/agents/sessions/{id}", beta="agents=v1"),
}


def can_erase(store: str) -> bool:
    """True when the API of this store offers to delete threads."""
    return store in _WAYS


def calls_for(store: str, *, items: int) -> int:
    """Return about how many calls deleting a thread takes.

    :param items: how many of its items, or responses of its chain, are known here.
    """
    way = _WAYS[store]
    if way.is_chain:
        return max(1, items)
    return 2 + items + items // _PAGE if way.items_path else 1


class Eraser:
    """Deletes threads of one store with one key. May be asked twice for the same thread."""

    def __init__(self, client: ErasingClient, store: str) -> None:
        self._client = client
        self._way = _WAYS[store]

    @property
    def calls(self) -> int:
        """How many network calls it has made so far."""
        return self._client.calls

    def erase(self, remote_id: str, *, response_ids: Sequence[str] = ()) -> Erased:
        """Delete a thread with all of it that the store keeps.

        :param response_ids: of a chain of responses, as far as they are known, oldest first.
        :raises SourceError: when it did not go, or not all of it; asking again goes on.
        """
        if self._way.is_chain:
            ids = list(dict.fromkeys([*reversed(response_ids), remote_id]))
            ended = {self._remove(self._way.path, id=each) for each in ids}
            return Erased.DELETED if Erased.DELETED in ended else Erased.WAS_GONE
        if self._way.items_path:
            self._remove_items(remote_id)
        return self._remove(self._way.path, id=remote_id)

    def _remove_items(self, remote_id: str) -> None:
        """Delete what is listed until nothing is: the store says best what is left of a thread."""
        from threads.sources.addresses import segment
        from threads.sources.paging import own_id
        from threads.sources.reading import read_list

        try:
            place = self._way.items_path.format(id=segment(remote_id))
            for _page in range(_MOST_PAGES):
                text = self._client.get(place, {"limit": _PAGE, "order": "asc"})
                listed = read_list(text, host=self._client.place.host).entries
                ids = [found for entry in listed if (found := own_id(entry.item))]
                if not ids:
                    return
                for item in ids:
                    self._remove(f"{place}/{{item}}", is_part=True, item=item)
        except Gone:
            return
        except Unsupported:
            # Elsewhere the items of a conversation may go with it, and not one by one.
            if self._client.place.is_openai:
                raise

    def _remove(self, path: str, *, is_part: bool = False, **ids: str) -> Erased:
        from threads.sources.addresses import segment

        try:
            place = path.format(**{name: segment(value) for name, value in ids.items()})
        except Gone:  # an id that no store can have
            return Erased.WAS_GONE
        headers = {"OpenAI-Beta": self._way.beta} if self._way.beta else {}
        try:
            text = self._client.delete(place, headers=headers)
        except (Gone, Retired):
            if not is_part:
                self._refuse_if_readable(place, headers)
            return Erased.WAS_GONE
        except Unsupported as error:
            # "Not found" alone may mean the thread or the address: reading it tells.
            if not is_part and self._is_missing(place, headers):
                return Erased.WAS_GONE
            raise Unsupported(f"{self._client.place.host} deletes nothing: {error}") from None
        self._check(text)
        self._client.has_answered = True
        return Erased.DELETED

    def _refuse_if_readable(self, place: str, headers: dict[str, str]) -> None:
        """Believe no "not found" about what can still be read."""
        try:
            self._client.get(place, headers=headers)
        except SourceError:
            return
        raise Unsupported(
            f"{self._client.place.host} says that there is nothing to delete, and still shows it."
        )

    def _is_missing(self, place: str, headers: dict[str, str]) -> bool:
        self._client.has_answered = True
        try:
            self._client.get(place, headers=headers)
        except (Gone, Retired):
            return True
        except SourceError:
            return False
        return False

    def _check(self, text: str) -> None:
        """:raises BadAnswer: when a success says otherwise, or is none of the API's."""
        if not text.strip():
            return  # 204
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise BadAnswer(f"{self._client.place.host} answers, but not in the shape of the API.")
        if answer.get("deleted") is False:
            raise BadAnswer(f"{self._client.place.host} says that it was not deleted.")

    def close(self) -> None:
        self._client.close()


def open_eraser(
    store: str,
    credentials: Credentials,
    *,
    allow_private_hosts: bool = True,
    transport: httpx2.BaseTransport | None = None,
    before_call: Callable[[], None] | None = None,
) -> Eraser:
    """Return what deletes at a store. Makes no call. The caller closes it.

    Takes and raises what `open_source` does.
    """
    if store not in _WAYS:
        raise Unsupported(f"ThreadHub cannot delete at a store named {store!r}.")
    from threads.sources.client import ErasingClient

    client = ErasingClient(
        credentials,
        store=store,
        noun=NOUNS[store],
        allow_private_hosts=allow_private_hosts,
        transport=transport,
        before_call=before_call,
    )
    return Eraser(client, store)
