"""The filters: what the parser knows, and what the help page tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from threads.search.query.tree import GROUPS, SORTS

Takes = Literal["choice", "text", "number", "amount", "date", "day", "scan", "group"]


def gettext_noop(text: str) -> str:
    """Mark `text` for translation; who shows it translates it. Django's own is not pure."""
    return text


@dataclass(frozen=True, slots=True)
class Field:
    """One filter. `level` says whether it must hold in one message or for its thread.

    `takes`: choice = one of `values`; text; number = a whole one; amount = with decimals;
    date = a date or period, with comparisons; day = a date or period alone.
    """

    name: str
    takes: Takes
    level: Literal["message", "thread", "query"]
    description: str
    example: str
    values: tuple[str, ...] = ()


_FIELDS = (
    Field("project", "text", "thread", gettext_noop("in one of these projects"), "project:support"),
    Field("tag", "text", "thread", gettext_noop("with one of these tags"), 'tag:"to check",vip'),
    Field(
        "source",
        "choice",
        "thread",
        gettext_noop("kept at this kind of store"),
        "source:assistants",
        (
            "assistants",
            "conversations",
            "chatkit",
            "completions",
            "responses",
            "agents",
            "import",
        ),
    ),
    Field(
        "status",
        "choice",
        "thread",
        gettext_noop("how the thread stands"),
        "status:gone",
        ("active", "quiet", "gone", "error"),
    ),
    Field(
        "id",
        "text",
        "thread",
        gettext_noop("a thread or message by its id or the id's beginning"),
        "id:thread_abc",
    ),
    Field(
        "role",
        "choice",
        "message",
        gettext_noop("who wrote the message"),
        "role:user",
        ("user", "assistant", "tool", "system", "developer"),
    ),
    Field(
        "assistant",
        "text",
        "thread",
        gettext_noop("led by this assistant, by name or id"),
        'assistant:"Order desk"',
    ),
    Field("model", "text", "thread", gettext_noop("answered by this model"), "model:gpt-4o"),
    Field("tool", "text", "message", gettext_noop("calls this tool"), "tool:lookup_order"),
    Field("user", "text", "thread", gettext_noop("of this end user"), "user:customer-17"),
    Field(
        "in",
        "choice",
        "message",
        gettext_noop("where the words must stand"),
        "in:title refund",
        ("title", "remark", "message", "tool"),
    ),
    Field(
        "has",
        "choice",
        "message",
        gettext_noop("contains such a thing; remark and bookmark belong to the thread"),
        "has:code",
        ("image", "file", "code", "tool", "link", "error", "remark", "bookmark"),
    ),
    Field(
        "is",
        "choice",
        "thread",
        gettext_noop("a property of the thread"),
        "is:starred",
        ("starred", "public", "held", "gone", "stale", "unread"),
    ),
    Field("messages", "number", "thread", gettext_noop("number of messages"), "messages:>50"),
    Field("tokens", "number", "thread", gettext_noop("number of tokens"), "tokens:1000..5000"),
    Field("cost", "amount", "thread", gettext_noop("cost in US dollars"), "cost:>0.10"),
    Field("after", "day", "message", gettext_noop("sent since then"), "after:2026-01-31"),
    Field("before", "day", "message", gettext_noop("sent before then"), "before:7d"),
    Field("on", "date", "message", gettext_noop("sent in that period"), "on:yesterday"),
    Field(
        "created",
        "date",
        "thread",
        gettext_noop("when the thread began"),
        "created:2026-01..2026-03",
    ),
    Field(
        "meta",
        "text",
        "thread",
        gettext_noop("whose metadata has this value under the key"),
        "meta.order:A-17",
    ),
    Field(
        "text",
        "scan",
        "message",
        gettext_noop("contains exactly these characters, also inside words (slow)"),
        'text:~"0x80"',
    ),
    Field(
        "thread",
        "group",
        "thread",
        gettext_noop("has a message for which all of this holds"),
        "thread:{role:user refund} thread:{role:tool error}",
    ),
    Field("sort", "choice", "query", gettext_noop("what comes first"), "sort:newest", SORTS),
    Field("group", "choice", "query", gettext_noop("what one result is"), "group:message", GROUPS),
)
FIELDS: dict[str, Field] = {entry.name: entry for entry in _FIELDS}

# What people type who come from other search boxes: only ever suggested, never guessed.
SYNONYMS = {
    "from": "role",
    "author": "role",
    "by": "role",
    "label": "tag",
    "tags": "tag",
    "store": "source",
    "since": "after",
    "newer": "after",
    "newer_than": "after",
    "until": "before",
    "older": "before",
    "older_than": "before",
    "date": "on",
    "filter": "has",
    "state": "status",
    "order": "sort",
    "metadata": "meta",
    "customer": "user",
}
THREAD_LEVEL_HAS = frozenset({"remark", "bookmark"})
