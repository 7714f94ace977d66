"""The one paging rule: our own cursor, nothing twice, nothing skipped, no end without proof.

The SDK's own paging loses data on compatible servers: it stops at `has_more: false` where full
pages say so, and never ends where `has_more` is always true. Here the cursor is the last item's
id; a page ends the list when it is empty or brings nothing new, or is shorter than asked for and
the server says that there is no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threads.sources.base import MADE_UP, BadAnswer, CursorLost, Gone, Unsupported, is_made_up
from threads.sources.client import Client
from threads.sources.failures import Refused
from threads.sources.reading import Entry, Json, read_list, read_object
from threads.sources.recent import Recent

LARGEST_PAGE = 100  # the API's own limit
_MOST_PAGES = 10_000  # of one reading: a million items
_LONGEST_ID = 200  # what the archive's columns hold


@dataclass(frozen=True, slots=True)
class Found:
    """One item, with the id that it has or that we gave it."""

    id: str
    item: Json
    raw: str


@dataclass(slots=True)
class _Pass:
    """How far one reading of one list is."""

    cursor: str | None
    seen: set[str] = field(default_factory=set)
    pages: int = 0


def own_id(item: Json) -> str:
    """Return the item's id, "" when it has none that can be kept."""
    given = item.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    return given if isinstance(given, str) and len(given) <= _LONGEST_ID else ""


def made_up_id(item: Json, *, before: str, known: set[str]) -> str:
    """Return an id for an item without one, the same at every reading.

    It depends on the content and on the item before, so that "ok" twice stays two messages.
    """
    text = json.dumps(item, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()[:32]
    identifier, number = f"{MADE_UP}{digest}", 2
    while identifier in known:
        identifier, number = f"{MADE_UP}{digest}-{number}", number + 1
    return identifier


class Pager:
    """Reads objects and lists of one store. Lists of different paths may be read at once."""

    def __init__(self, client: Client, *, headers: Mapping[str, str] | None = None) -> None:
        self.client = client
        self._headers = headers
        self._passes: Recent[_Pass] = Recent()
        self._takes_optional = True

    def object(self, path: str) -> Json:
        """Return the object at `path`. :raises Gone: when there is none."""
        return self.object_with_list(path, "")[0]

    def object_with_list(
        self, path: str, name: str, params: Mapping[str, Any] | None = None
    ) -> tuple[Json, list[Entry]]:
        """Return the object at `path` without its list `name`, and the elements of that."""
        text = self._ask(path, {}, params or {})
        found = read_object(text, host=self.client.place.host, split=name)
        self.client.has_answered = True
        return found

    def page(
        self,
        path: str,
        after: str | None,
        *,
        limit: int,
        params: Mapping[str, Any] | None = None,
        optional: Mapping[str, Any] | None = None,
        owner: str = "",
    ) -> tuple[list[Found], str | None]:
        """Return the items that follow `after`, oldest first, and where to go on (None: the end).

        `optional` parameters are left out once the server has refused them. `owner` is the path
        of the thread that the list belongs to: when the cursor is refused, it is asked for,
        because only that tells a lost cursor from a lost thread.

        :raises CursorLost: when `after` is not there any more.
        :raises BadAnswer: when the list has no end.
        """
        if after is not None and is_made_up(after):
            raise CursorLost("The last item has no id of its own to go on after.")
        limit = min(max(limit, 1), LARGEST_PAGE)
        asked = {"limit": limit, "order": "asc", "after": after, **(params or {})}
        try:
            text = self._ask(path, asked, optional or {})
        except (Gone, Refused, Unsupported):
            if after is None:
                raise
            if owner:
                self.object(owner)  # raises Gone itself when the thread is what is missing
            raise CursorLost("The item to go on after is not there any more.") from None
        listing = read_list(text, host=self.client.place.host)
        self.client.has_answered = True
        current = self._passes.get(path)
        if current is None or after is None or current.cursor != after:
            current = _Pass(after, {after} if after else set())
        fresh = self._fresh(listing.entries, after, current)
        cursor = self._next(listing.has_more, listing.last_id, listing.entries, fresh, limit)
        if cursor is None:
            self._passes.forget(path)
            return fresh, None
        current.cursor, current.pages = cursor, current.pages + 1
        if current.pages > _MOST_PAGES:
            raise self._endless()
        self._passes.put(path, current)
        # What has no id and stands behind the cursor comes again with the next page.
        last = max((i for i, found in enumerate(fresh) if found.id == cursor), default=None)
        return (fresh if last is None else fresh[: last + 1]), cursor

    def threads(
        self,
        path: str,
        cursor: str | None,
        *,
        limit: int,
        params: Mapping[str, Any] | None = None,
    ) -> tuple[list[Found], str | None]:
        """Return a page of the store's own list. :raises Unsupported: when it keeps none."""
        try:
            return self.page(path, cursor, limit=limit, params=params)
        except Gone:
            place = self.client.place
            raise Unsupported(f"{place.host} does not list its {place.noun}.") from None

    def _ask(self, path: str, asked: Mapping[str, Any], optional: Mapping[str, Any]) -> str:
        """Get a page; a server that does not know all that we want included still has the rest."""
        if optional and self._takes_optional:
            try:
                return self.client.get(path, {**asked, **optional}, headers=self._headers)
            except Refused:
                text = self.client.get(path, asked, headers=self._headers)
                self._takes_optional = False
                return text
        return self.client.get(path, asked, headers=self._headers)

    @staticmethod
    def _fresh(entries: list[Entry], after: str | None, current: _Pass) -> list[Found]:
        """Return what this reading has not seen, also from a server that ignores `after`."""
        ids = [own_id(entry.item) for entry in entries]
        start = ids.index(after) + 1 if after is not None and after in ids else 0
        before = after or ""
        fresh: list[Found] = []
        made_up: set[str] = set()
        for entry, given in zip(entries[start:], ids[start:], strict=True):
            if given:
                if given in current.seen:
                    continue
                current.seen.add(given)
                identifier = before = given
            else:
                identifier = made_up_id(entry.item, before=before, known=made_up)
                made_up.add(identifier)
            fresh.append(Found(identifier, entry.item, entry.raw))
        return fresh

    def _next(
        self,
        has_more: bool | None,
        last_id: str,
        entries: list[Entry],
        fresh: list[Found],
        limit: int,
    ) -> str | None:
        """Return the cursor of the next page; None when this was the last one."""
        if not fresh:
            if entries and has_more:
                raise self._endless()
            return None
        if has_more is False and len(entries) < limit:
            return None
        with_id = [found.id for found in fresh if not is_made_up(found.id)]
        if with_id:
            return with_id[-1]
        if last_id or not has_more:
            return last_id or None
        raise BadAnswer(
            f"{self.client.place.host} sends items without ids and says that there are more:"
            " they cannot be read page by page."
        )

    def _endless(self) -> BadAnswer:
        return BadAnswer(
            f"{self.client.place.host} says that there is always more and sends the same again:"
            " its list has no end."
        )
