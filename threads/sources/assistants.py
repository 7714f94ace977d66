"""The Assistants store: switched off at OpenAI, alive at Azure and on compatible servers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from threads.sources.addresses import segment
from threads.sources.base import (
    BadAnswer,
    Capability,
    CursorLost,
    Denied,
    Gone,
    Page,
    Part,
    RemoteMessage,
    RemoteThread,
    Retired,
    Runs,
    SourceError,
    Unsupported,
    Usage,
)
from threads.sources.client import Client
from threads.sources.conversations import thread_of
from threads.sources.items import assembled, role_of, word
from threads.sources.paging import LARGEST_PAGE, Found, Pager
from threads.sources.parts import parts_of
from threads.sources.reading import Json
from threads.sources.steps import INCLUDE, by_message
from threads.sources.times import moment
from threads.sources.tokens import added, usage_of

# Without this header a server may answer in the shape of the API's first version.
_HEADERS = {"OpenAI-Beta": "assistants=v2"}

# A server that answers so tells nothing of runs; asking it again would not help.
_NOT_TOLD = (BadAnswer, CursorLost, Denied, Gone, Retired, Unsupported)


class Assistants:
    """Reads `/threads` with their messages, their runs, and the steps of those."""

    store: ClassVar[str] = "assistants"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pager = Pager(client, headers=_HEADERS)

    @property
    def capabilities(self) -> Capability:
        """OpenAI never listed threads; Foundry and some compatible servers do."""
        listing = Capability.NONE if self._client.place.is_openai else Capability.LIST_THREADS
        known = Capability.MESSAGE_TIMES | Capability.USAGE | Capability.RESUME_AFTER
        return known | listing

    @property
    def calls(self) -> int:
        return self._client.calls

    def check(self) -> None:
        """Ask for one assistant."""
        self._pager.page("/assistants", None, limit=1)

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        if user:
            raise Unsupported("Assistants threads cannot be listed by user.")
        if self._client.place.is_openai:
            raise Unsupported("OpenAI lists no Assistants threads; their ids come from you.")
        found, after = self._pager.threads("/threads", cursor, limit=limit)
        return Page(tuple(thread_of(each.item, each.id) for each in found), after)

    def thread(self, remote_id: str) -> RemoteThread:
        return thread_of(self._pager.object(f"/threads/{segment(remote_id)}"), remote_id)

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        owner = f"/threads/{segment(remote_id)}"
        found, following = self._pager.page(f"{owner}/messages", after, limit=limit, owner=owner)
        return Page(tuple(self._message(each) for each in found), following)

    @staticmethod
    def _message(found: Found) -> RemoteMessage:
        item = found.item
        parts = parts_of(item.get("content"))
        attached = item.get("attachments")
        files = [
            Part("file", file_id=word(each.get("file_id")))
            for each in (attached if isinstance(attached, list) else [])
            if isinstance(each, dict) and each.get("file_id")
        ]
        return assembled(
            found,
            role=role_of(item.get("role")),
            kind="message",
            type_=word(item.get("object")) or "message",
            parts=(*parts, *files),
            model=word(item.get("model"), longest=120),
            assistant_id=word(item.get("assistant_id")),
            group_id=word(item.get("run_id")),
            created_at=moment(item.get("created_at")),
        )

    def usage(self, remote_id: str) -> Usage | None:
        """Add up the thread's runs: one call per hundred. None when no run tells its tokens.

        A run that goes on, or that does not tell, makes the sum inexact.
        """
        reading = _RunReading(self._pager, remote_id)
        reading.list_runs()
        return reading.usage()

    def runs(self, remote_id: str, messages: Sequence[RemoteMessage]) -> Runs:
        reading = _RunReading(self._pager, remote_id, messages)
        try:
            with contextlib.suppress(*_NOT_TOLD):
                reading.list_runs()
            reading.read_steps()
        except SourceError as error:
            return reading.result(error)
        return reading.result()

    def assistant_name(self, assistant_id: str) -> str:
        found = self._pager.object(f"/assistants/{segment(assistant_id)}")
        return word(found.get("name"), longest=300)

    def close(self) -> None:
        self._client.close()


class _RunReading:
    """One pass over the runs behind some messages of a thread."""

    def __init__(
        self, pager: Pager, remote_id: str, messages: Sequence[RemoteMessage] = ()
    ) -> None:
        self._pager = pager
        self._path = f"/threads/{segment(remote_id)}/runs"
        self._rest = list(messages)
        self._done: list[RemoteMessage] = []
        self._runs: dict[str, Json] = {}
        self._asked: set[str] = set()
        self._led_to: dict[str, list[RemoteMessage]] = {}
        self._tokens: Json = {}
        self._calls = 0

    def list_runs(self) -> None:
        self._runs = {each.id: each.item for each in self._all(self._path)}

    def _all(self, path: str, **parameters: Any) -> list[Found]:
        everything: list[Found] = []
        after = None
        while True:
            self._calls += 1
            found, after = self._pager.page(path, after, limit=LARGEST_PAGE, **parameters)
            everything += found
            if after is None:
                return everything

    def read_steps(self) -> None:
        """Take one message after the other, so that what was read stays when a call fails."""
        while self._rest:
            message = self._rest[0]
            run = self._runs.get(message.group_id, {})
            if message.group_id and message.group_id not in self._asked:
                self._read_run(message.group_id, run)
            self._done += self._led_to.pop("", [])
            self._done += self._led_to.pop(message.remote_id, [])
            self._done.append(self._with_run(message, run))
            del self._rest[0]

    def _read_run(self, run_id: str, run: Json) -> None:
        """Read a run's steps, unless it had no tools: then there is nothing but the message."""
        if run.get("tools") != []:
            steps: list[Found] = []
            with contextlib.suppress(*_NOT_TOLD):  # the messages are worth having without
                path = f"{self._path}/{segment(run_id)}/steps"
                steps = self._all(path, optional={"include": INCLUDE})
            self._led_to, tokens = by_message(steps, run)
            self._tokens |= tokens
        self._asked.add(run_id)

    def usage(self) -> Usage | None:
        told = [usage_of(run.get("usage"), source="run") for run in self._runs.values()]
        return added(told, source="run")

    def _with_run(self, message: RemoteMessage, run: Json) -> RemoteMessage:
        usage = usage_of(self._tokens.pop(message.remote_id, None), source="run")
        return replace(
            message,
            model=message.model or word(run.get("model"), longest=120),
            input_tokens=None if usage is None else usage.input,
            output_tokens=None if usage is None else usage.output,
        )

    def result(self, error: SourceError | None = None) -> Runs:
        return Runs(
            messages=(*self._done, *self._rest),
            usage=self.usage(),
            calls=self._calls,
            error=error,
            unread_from=self._rest[0].remote_id if error is not None and self._rest else "",
        )
