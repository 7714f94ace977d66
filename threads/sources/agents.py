"""The agent sessions store (beta): listed with the time of their last activity and their usage.

Items have no time of their own; the turn that they belong to has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from threads.sources.addresses import segment
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
from threads.sources.paging import Found, Pager
from threads.sources.reading import Json
from threads.sources.recent import Recent
from threads.sources.times import moment
from threads.sources.tokens import usage_of

_HEADERS = {"OpenAI-Beta": "agents=v1"}
_FEW_TURNS = 2  # asked for one by one; more of them come cheaper as a list

_Turn = tuple[datetime | None, datetime | None]  # begun, ended


@dataclass(slots=True)
class _Turns:
    """The turns of a session that are known, and how far its list of them was read."""

    known: dict[str, _Turn] = field(default_factory=dict)
    listed_to: str | None = None


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
        self._sessions: Recent[Json] = Recent()  # what thread() read serves usage() as well
        self._turns: Recent[_Turns] = Recent()

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
        session = self._pager.object(f"/agents/sessions/{segment(remote_id)}")
        return self._thread(self._sessions.put(remote_id, session), remote_id)

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
        turns = self._times(owner, found, afresh=after is None)
        messages = []
        for each in found:
            began, ended = turns.get(word(each.item.get("turn_id")), (None, None))
            created_at = began if each.item.get("role") == "user" else ended
            messages.append(message_of(each, created_at=created_at))
        return Page(tuple(messages), following)

    def _times(self, owner: str, found: list[Found], *, afresh: bool) -> dict[str, _Turn]:
        """Return the times of the turns that these items belong to, as far as they are told."""
        turns = self._turns.get_or_begin(owner, _Turns, afresh=afresh)
        asked = {turn for each in found if (turn := word(each.item.get("turn_id")))}
        wanted = asked - turns.known.keys()
        try:
            if len(wanted) <= _FEW_TURNS:
                for turn in sorted(wanted):
                    path = f"{owner}/turns/{segment(turn)}"
                    turns.known[turn] = _turn(self._pager.object(path))
            while not asked <= turns.known.keys():
                listed, after = self._pager.page(f"{owner}/turns", turns.listed_to, limit=100)
                turns.known |= {each.id: _turn(each.item) for each in listed}
                if after is None:
                    break
                turns.listed_to = after
        except (CursorLost, Gone, Refused, Unsupported):
            pass  # the items are worth having without their times
        return turns.known

    def usage(self, remote_id: str) -> Usage | None:
        """Return the session's tokens, which may still be corrected upstream; None if unknown."""
        path = f"/agents/sessions/{segment(remote_id)}"
        session = self._sessions.get_or_begin(remote_id, lambda: self._pager.object(path))
        return usage_of(session.get("usage"), source="session", is_exact=False)

    def close(self) -> None:
        self._client.close()
