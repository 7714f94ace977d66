"""The responses store: a thread is a chain of responses, each knowing only the one before.

A chain is named by its newest response that is known. It is walked backwards, because the store
has neither a list nor a way forward, and only as far as something new may stand: a chain that
was read costs one call. Responses are kept for 30 days unless they belong to a conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from threads.sources.addresses import segment
from threads.sources.base import (
    BadAnswer,
    Capability,
    CursorLost,
    Gone,
    Page,
    RemoteMessage,
    RemoteThread,
    Unsupported,
    Usage,
)
from threads.sources.client import Client
from threads.sources.conversations import INCLUDE, first_of, metadata_of
from threads.sources.failures import Refused
from threads.sources.items import is_final, message_of, word
from threads.sources.paging import Found, Pager, made_up_id, own_id
from threads.sources.reading import Entry, Json
from threads.sources.recent import Recent
from threads.sources.times import moment
from threads.sources.tokens import added, usage_of

_NOBODY = "resp_" + "0" * 48
_LONGEST_CHAIN = 1_000  # responses


@dataclass(frozen=True, slots=True)
class _Response:
    item: Json
    output: tuple[Found, ...]


@dataclass(slots=True)
class _Chain:
    """What is known of a chain: its finished responses, and which of them brought an item."""

    known: dict[str, _Response] = field(default_factory=dict)
    brought_by: dict[str, str] = field(default_factory=dict)


class Responses:
    """Reads `/responses` and what was put into them."""

    store: ClassVar[str] = "responses"
    capabilities: ClassVar[Capability] = (
        Capability.MESSAGE_TIMES | Capability.USAGE | Capability.RESUME_AFTER
    )

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client)
        self._chains: Recent[_Chain] = Recent()

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for a response that is nobody's: "no such response" shows that all works."""
        try:
            self._pager.object(f"/responses/{_NOBODY}")
        except (Gone, Refused):
            return

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        raise Unsupported("The responses store has no list; the ids come from you.")

    def _response(self, known: _Chain, response_id: str) -> _Response:
        """Return a response of the chain, from the network only once."""
        found = known.known.get(response_id)
        if found is None:
            path = f"/responses/{segment(response_id)}"
            item, output = self._pager.object_with_list(path, "output", {"include": INCLUDE})
            found = _Response(item, self._named(output, response_id))
            if is_final(word(item.get("status"))):
                known.known[response_id] = found
        known.brought_by |= {each.id: response_id for each in found.output}
        return found

    @staticmethod
    def _named(entries: list[Entry], response_id: str) -> tuple[Found, ...]:
        made_up: set[str] = set()
        named = []
        for entry in entries:
            identifier = own_id(entry.item)
            if not identifier:
                identifier = made_up_id(entry.item, before=response_id, known=made_up)
                made_up.add(identifier)
            named.append(Found(identifier, entry.item, entry.raw))
        return tuple(named)

    def _chain(self, known: _Chain, head: str, after: str | None) -> list[_Response]:
        """Return the responses that follow the one holding `after`, oldest first.

        What the store has forgotten is where the chain begins now.

        :raises CursorLost: when no response of the chain holds `after`.
        :raises Gone: when there is no such response.
        """
        segment(head)  # what no store can have is not there
        chain: list[_Response] = []
        current, passed = head, set[str]()
        while current:
            if current in passed or len(passed) >= _LONGEST_CHAIN:
                raise BadAnswer(
                    f"{self._client.place.host} sends a chain of responses without end."
                )
            passed.add(current)
            try:
                response = self._response(known, current)
            except Gone:
                if current == head:
                    raise
                break
            if after is not None and any(each.id == after for each in response.output):
                return chain[::-1]
            chain.append(response)
            current = word(response.item.get("previous_response_id"))
        if after is not None:
            raise CursorLost("No response of this chain holds the item to go on after.")
        return chain[::-1]

    def thread(self, remote_id: str) -> RemoteThread:
        """Return what the newest response says; older ones are read for the messages only."""
        known = self._chains.get_or_begin(remote_id, _Chain, afresh=True)
        item = self._response(known, remote_id).item
        metadata = metadata_of(item)
        conversation = item.get("conversation")
        if isinstance(conversation, dict) and word(conversation.get("id")):
            metadata = {**metadata, "conversation_id": conversation["id"]}
        given = first_of(item, "safety_identifier", "user", longest=200)
        return RemoteThread(
            remote_id=remote_id,
            title=first_of(metadata, "title", "topic", "name", "subject", longest=300),
            end_user=given or first_of(metadata, "user", "user_id", "end_user", longest=200),
            upstream_state="closed" if is_final(word(item.get("status"))) else "active",
            created_at=moment(item.get("created_at")),
            last_active_at=moment(item.get("completed_at")) or moment(item.get("created_at")),
            metadata=metadata,
            model=word(item.get("model"), longest=120),
        )

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        """Return what one response brought: its input, then its output.

        A page is a response, whatever `limit` says, so that each can be resumed after.
        """
        known = self._chains.get_or_begin(remote_id, _Chain)
        chain = self._chain(known, remote_id, after)
        if not chain:
            return Page((), None)
        messages: list[RemoteMessage] = []
        for position, response in enumerate(chain):
            messages += self._messages(known, response)
            is_last = position == len(chain) - 1
            if response.output and not is_last:  # only an output item can be gone on after
                return Page(tuple(messages), response.output[-1].id)
        return Page(tuple(messages), None)

    def _messages(self, known: _Chain, response: _Response) -> list[RemoteMessage]:
        item = response.item
        began = moment(item.get("created_at"))
        ended = moment(item.get("completed_at")) or began
        response_id = word(item.get("id"))
        # A later response may list what the earlier ones held as its own input.
        given = [
            message_of(found, created_at=began, group_id=response_id)
            for found in self._input(response_id)
            if known.brought_by.setdefault(found.id, response_id) == response_id
        ]
        model = word(item.get("model"), longest=120)
        return given + [
            message_of(found, created_at=ended, group_id=response_id, model=model)
            for found in response.output
        ]

    def _input(self, response_id: str) -> list[Found]:
        path = f"/responses/{segment(response_id)}/input_items"
        items: list[Found] = []
        after = None
        while True:
            found, after = self._pager.page(path, after, limit=100, optional={"include": INCLUDE})
            items += found
            if after is None:
                return items

    def usage(self, remote_id: str) -> Usage | None:
        """Add up the responses of the chain; without calls for those that were just read."""
        known = self._chains.get_or_begin(remote_id, _Chain)
        told = [
            usage_of(each.item.get("usage"), source="response")
            for each in self._chain(known, remote_id, None)
        ]
        return added(told, source="response")

    def close(self) -> None:
        self._client.close()
