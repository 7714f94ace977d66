"""What every source of threads can do, what it hands back, and how it fails.

A source makes network calls and knows no database. Importers yield the same values out of
files, so the archive has one way in.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class Capability(enum.Flag):
    """What a store offers beside reading a thread whose id is known."""

    NONE = 0
    LIST_THREADS = enum.auto()
    FILTER_USER = enum.auto()
    LAST_ACTIVE = enum.auto()
    MESSAGE_TIMES = enum.auto()
    USAGE = enum.auto()
    RESUME_AFTER = enum.auto()
    DELETE = enum.auto()
    PUSH = enum.auto()


MADE_UP = "hash-"  # begins the ids that we make up for items without one


def is_made_up(remote_id: str) -> bool:
    """Tell whether an item had no id of its own: no store can go on after it."""
    return remote_id.startswith(MADE_UP)


class SourceError(Exception):
    """A source could not answer. The text is a sentence that an operator can act on."""


class Gone(SourceError):
    """The store answers that it has no such thread. The archive keeps what it holds."""


class CursorLost(SourceError):
    """The item to go on after is not there any more; only a full read helps."""


class Denied(SourceError):
    """The key is refused (401) or may not read this (403). Asking again is of no use."""


class Throttled(SourceError):
    """Too many calls (429), or the quota is used up.

    :param retry_after_seconds: how long the server asks to wait; None when it did not say.
    :param is_permanent: the quota is used up: waiting does not help, paying does.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        is_permanent: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.is_permanent = is_permanent


class Unavailable(SourceError):
    """Not reachable, too slow, or failing on its side (5xx). Later may go better."""


class Retired(SourceError):
    """The store itself was switched off; its threads can be read from the archive only."""


class BadAnswer(SourceError):
    """It answered, but not with what the API promises: HTML, broken JSON, endless pages."""


class Unsupported(SourceError):
    """This store cannot do what was asked."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. None is unknown, which is not 0. `source`: run, response, turn, session, …"""

    input: int | None
    output: int | None
    total: int | None
    cached: int | None = None
    reasoning: int | None = None
    source: str = ""
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message. kind: text, refusal, reasoning, image, file, audio, json, unknown."""

    kind: str
    text: str = ""
    url: str = ""
    file_id: str = ""
    mime: str = ""
    annotations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteMessage:
    """One item of a thread. `role`, `kind` and `time_source` take the values of `Message`."""

    remote_id: str
    role: str
    text: str  # what search reads and lists show
    kind: str = "message"
    type: str = "message"
    parts: tuple[Part, ...] = ()
    name: str = ""
    model: str = ""
    assistant_id: str = ""
    group_id: str = ""
    status: str = ""
    is_final: bool = True  # False: its content may still change; the cursor stays before it
    is_hidden: bool = False
    branch: int = 0
    created_at: datetime | None = None
    time_source: str = "unknown"
    input_tokens: int | None = None
    output_tokens: int | None = None
    raw: str = ""  # JSON, as received


@dataclass(frozen=True, slots=True)
class RemoteThread:
    """What a store says about a thread itself. upstream_state: active, closed, imported."""

    remote_id: str
    title: str = ""
    end_user: str = ""
    upstream_state: str = "active"
    created_at: datetime | None = None
    last_active_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    assistant_id: str = ""
    assistant_name: str = ""
    usage: Usage | None = None
    # Only files bring these; a store's threads keep what people wrote here.
    store: str = ""
    remark: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, oldest first, and where to go on: None exactly when there is no more."""

    items: tuple[T, ...]
    next: str | None


# Begins the `type` of items that a store keeps beside a thread's list: a list without them says
# nothing about whether they are still there.
BESIDE = "run_step"


@dataclass(frozen=True, slots=True)
class Runs:
    """What the runs behind messages tell: tokens, models, and the tools that were called."""

    messages: tuple[RemoteMessage, ...]  # those asked about, tool calls before what they led to
    usage: Usage | None = None  # of the whole thread
    calls: int = 0
    error: SourceError | None = None
    unread_from: str = ""  # with an error: the first message whose run is not read yet


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach a store. The key never shows in a repr."""

    api_key: str = field(repr=False)
    base_url: str = ""
    azure_endpoint: str = ""
    azure_api_version: str = ""


class Source(Protocol):
    """A store of threads behind one connection. Reads only: nothing is ever changed upstream.

    Every method raises `SourceError` or one of its kinds, never an SDK's or JSON's own error.
    """

    store: ClassVar[str]

    @property
    def capabilities(self) -> Capability:
        """What this store offers here; it may depend on the server."""

    @property
    def calls(self) -> int:
        """How many network calls it has made so far."""

    def check(self) -> None:
        """Make one cheap call that shows whether the key and the address work."""

    def threads(
        self, cursor: str | None = None, *, limit: int = 100, user: str = ""
    ) -> Page[RemoteThread]:
        """Return one page of the store's threads. :raises Unsupported: where it cannot list."""

    def thread(self, remote_id: str) -> RemoteThread:
        """Return what the store says about one thread. :raises Gone: when it has none."""

    def messages(
        self, remote_id: str, after: str | None = None, *, limit: int = 100
    ) -> Page[RemoteMessage]:
        """Return one page of items that follow `after` (from the start if None), oldest first.

        :raises Gone: when the thread is not there.
        :raises CursorLost: when `after` is not there any more.
        """

    def usage(self, remote_id: str) -> Usage | None:
        """Return the thread's tokens; None when the store does not tell."""

    def close(self) -> None:
        """Give the connections back."""


@runtime_checkable
class TellsRuns(Protocol):
    """A source whose messages come from runs of assistants that have names."""

    def runs(self, remote_id: str, messages: Sequence[RemoteMessage]) -> Runs:
        """Read the runs that wrote these messages of one thread, oldest first.

        A call for each hundred runs of the thread, and one for each of theirs that had tools.
        Never raises a `SourceError`: it is in the result, beside what was read before.
        """

    def assistant_name(self, assistant_id: str) -> str:
        """Return what an assistant is called, "" when it has no name. One call.

        :raises Gone: when there is none of that id.
        """
