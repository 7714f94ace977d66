"""The messages of a thread as its page in the console shows them, a hundred at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from projects.admin.display import badge, moment
from threads import content
from threads.models import Message, Thread

PAGE = 100
ROLE_KIND = {Message.Role.USER: "info", Message.Role.ASSISTANT: "ok", Message.Role.TOOL: "warn"}


@dataclass(frozen=True, slots=True)
class ReadMessage:
    position: int
    role: str
    kind: str  # "" for messages proper
    when: str
    html: SafeString
    is_aside: bool  # folded: tool calls, their output, reasoning


@dataclass(frozen=True, slots=True)
class ReadingPage:
    """Some messages of a thread, and the numbers of the pages around them (0: there is none)."""

    messages: Sequence[ReadMessage]
    number: int
    count: int

    @property
    def before(self) -> int:
        return self.number - 1

    @property
    def after(self) -> int:
        return self.number + 1 if self.number < self.count else 0


def role_badge(message: Message) -> str:
    role = Message.Role(message.role)
    return badge(ROLE_KIND.get(role, "quiet"), str(role.label))


def page_of(thread: Thread, number: str) -> ReadingPage:
    """Return a page of the thread's messages; one query. `number` is as it came in an address."""
    count = max(1, -(-thread.item_count // PAGE))
    at = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1
    at = min(max(1, at), count)
    rows = Message.objects.filter(thread=thread).order_by("position")[(at - 1) * PAGE : at * PAGE]
    return ReadingPage([_read(row) for row in rows], at, count)


def _read(message: Message) -> ReadMessage:
    is_prose = message.kind == Message.Kind.MESSAGE
    shown = content.markdown(message.text) if is_prose else content.preformatted(message.text)
    return ReadMessage(
        position=message.position,
        role=role_badge(message),
        kind="" if is_prose else str(Message.Kind(message.kind).label),
        when=moment(message.created_at),
        html=shown,
        is_aside=not is_prose,
    )
