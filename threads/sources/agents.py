"""The agent sessions store (beta): listed with the time of their last activity and their usage.

Items have no time of their own; the turn that they belong to has.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from threads.sources.base import (
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
from threads.sources.conversations import first_of, metadata_of
from threads.sources.failures import Refused
from threads.sources.items import message_of, word
from threads.sources.paging import Found, Pager, segment
from threads.sources.reading import Json
from threads.sources.times import moment
from threads.sources.tokens import usage_of

_HEADERS = {"OpenAI-Beta": "agents=v1"}
_FEW_TURNS = 2  # asked for one by one; more of them come cheaper as a list

_Turn = tuple[datetime | None, datetime | None]  # begun, ended


def _turn(item: Json) -> _Turn:
    began = moment(item.get("created_at"))
    return began, moment(item.get("completed_at")) or moment(item.get("started_at")) or began


class Agents:
    """Reads `/agents/sessions`: what the root agent said and did."""

    store: ClassVar[str] = "agents"
    capabilities: ClassVar[Capability] = (
        Capability.LIST_THREADS
        | Capability.LAST_ACTIVE
        | Capability.MESSAGE_TIMES
        | Capability.USAGE
        | Capability.RESUME_AFTER
    )

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client, headers=_HEADERS)
        self._latest: Json = {}  # what thread() read serves usage() as well
        self._reading = ""  # the session being read, its turns, and how far they were listed
        self._known: dict[str, _Turn] = {}
        self._listed_to: str | None = None

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for one session."""
        self._pager.page("/agents/sessions", None, limit=1)

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        """List in order of creation; `user` is looked for in the metadata."""
        params = {"metadata": {"user": user}} if user else None
        found, after = self._pager.threads("/agents/sessions", cursor, limit=limit, params=params)
        return Page(tuple(self._thread(each.item, each.id) for each in found), after)

    def thread(self, remote_id: str) -> RemoteThread:
        self._latest = self._pager.object(f"/agents/sessions/{segment(remote_id)}")
        return self._thread(self._latest, remote_id)

    @staticmethod
    def _thread(item: Json, remote_id: str) -> RemoteThread:
        metadata = metadata_of(item)
        agent = item.get("agent")
        speaker = agent if isinstance(agent, dict) else {}
        return RemoteThread(
            remote_id=remote_id,
            title=first_of(metadata, "title", "topic", "name", "subject", longest=300),
            end_user=first_of(metadata, "user", "user_id", "end_user", longest=200),
            created_at=moment(item.get("created_at")),
            last_active_at=moment(item.get("last_active_at")),
            metadata=metadata,
            model=word(speaker.get("model"), longest=120),
            assistant_id=word(speaker.get("id")),
            assistant_name=word(speaker.get("name"), longest=300),
            usage=usage_of(item.get("usage"), source="session", is_exact=False),
        )

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        """Return a page of items: one call, and one or two more for the times of new turns."""
        owner = f"/agents/sessions/{segment(remote_id)}"
        found, following = self._pager.page(f"{owner}/items", after, limit=limit, owner=owner)
        turns = self._turns(owner, found, afresh=after is None)
        messages = []
        for each in found:
            began, ended = turns.get(word(each.item.get("turn_id")), (None, None))
            created_at = began if each.item.get("role") == "user" else ended
            messages.append(message_of(each, created_at=created_at))
        return Page(tuple(messages), following)

    def _turns(self, owner: str, found: list[Found], *, afresh: bool) -> dict[str, _Turn]:
        """Return the times of the turns that these items belong to, as far as they are told."""
        if afresh or self._reading != owner:
            self._reading, self._known, self._listed_to = owner, {}, None
        turns = {turn for each in found if (turn := word(each.item.get("turn_id")))}
        wanted = turns - self._known.keys()
        try:
            if len(wanted) <= _FEW_TURNS:
                for turn in sorted(wanted):
                    self._known[turn] = _turn(self._pager.object(f"{owner}/turns/{segment(turn)}"))
            while not turns <= self._known.keys():
                listed, after = self._pager.page(f"{owner}/turns", self._listed_to, limit=100)
                self._known |= {each.id: _turn(each.item) for each in listed}
                if after is None:
                    break
                self._listed_to = after
        except (CursorLost, Gone, Refused, Unsupported):
            pass  # the items are worth having without their times
        return self._known

    def usage(self, remote_id: str) -> Usage | None:
        """Return the session's tokens, which may still be corrected upstream; None if unknown."""
        if self._latest.get("id") != remote_id:
            self.thread(remote_id)
        return usage_of(self._latest.get("usage"), source="session", is_exact=False)

    def close(self) -> None:
        self._client.close()
