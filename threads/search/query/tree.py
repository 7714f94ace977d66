"""The syntax tree of a query: what the SQL, the highlighting and the sentences are made from.

Every text in it is as typed; folding (case, accents, stems, CJK) is the index's business.

Canonical shape, which the parser keeps and `unparse` relies on: `And` and `Or` have two or more
children and none of their own kind; `Not` holds no `Not`; a `ThreadGroup` is never inside
another one.

How to read it: words and message-level conditions must hold in one message, thread-level ones
for its thread (`Field.level` in `fields.py` says which is which). The title and remark of a
thread count together as one more message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should know about what they typed.

    `code` is for programs, `message` a sentence; position and length point into the text.
    An error means that a clause was left out because it cannot be understood. `parameters`
    are what the sentence is made with, so that it can be said in another language.
    """

    code: str
    message: str
    position: int | None = None
    length: int = 0
    suggestion: str = ""
    is_error: bool = False
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of the tree; `span` is where it stands in the text (start, end), if it came so."""

    span: tuple[int, int] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class And(Node):
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    child: Node


@dataclass(frozen=True, slots=True)
class Word(Node):
    """Letters and digits only (of any script): stemmed; CJK is found inside longer runs."""

    text: str


@dataclass(frozen=True, slots=True)
class Phrase(Node):
    """Exactly these words in this order, unstemmed; may hold punctuation, which counts as space."""

    text: str


@dataclass(frozen=True, slots=True)
class Prefix(Node):
    """Words that begin with `text`, which is letters and digits only."""

    text: str


@dataclass(frozen=True, slots=True)
class Token(Node):
    """Something with punctuation inside (`error-401`): its parts as a phrase, the last a prefix.

    Begins and ends with a letter or digit; holds no space.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Regex(Node):
    """A slow scan by a regular expression that compiles; letter case is ignored."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Substring(Node):
    """A slow scan for `text` anywhere, also inside words; letter case is ignored."""

    text: str


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """`field` is any of `values`. Values from a fixed list are lower case and known.

    The others are as typed, compared without case; a last `*` asks for what begins so.
    `key` is the name after `meta.` and empty for every other field.
    """

    field: str
    values: tuple[str, ...]
    key: str = ""


@dataclass(frozen=True, slots=True)
class NumberRange(Node):
    """`field` lies between `low` and `high` (None: no end); the ends belong to it unless open."""

    field: str
    low: Decimal | None = None
    high: Decimal | None = None
    low_is_open: bool = False
    high_is_open: bool = False


@dataclass(frozen=True, slots=True)
class DateRange(Node):
    """`start` <= time < `end` (None: no end), of the message; for `created`, of the thread.

    `text` is what was typed, so that "7d" stays "7d" when the query is written again.
    """

    field: str
    text: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class ThreadGroup(Node):
    """The thread has a message for which `child` holds; each group may find another one."""

    child: Node


Term = Word | Phrase | Prefix | Token | Regex | Substring
Condition = Filter | NumberRange | DateRange

SORTS = ("relevance", "newest", "oldest", "longest", "tokens")
GROUPS = ("thread", "message")


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked. `expression` None matches everything; None in sort or group: not said."""

    expression: Node | None = None
    sort: str | None = None
    group: str | None = None
    text: str = field(default="", compare=False)
    notices: tuple[Notice, ...] = field(default=(), compare=False)

    @property
    def errors(self) -> tuple[Notice, ...]:
        return tuple(notice for notice in self.notices if notice.is_error)

    @property
    def order(self) -> str:
        """The sort to use: what was said, else relevance when there are words, else newest."""
        return self.sort or ("relevance" if self.terms else "newest")

    @property
    def grouping(self) -> str:
        return self.group or "thread"

    @property
    def terms(self) -> tuple[Term, ...]:
        """What is looked for in texts, without what is excluded; for ranking and highlighting."""
        return tuple(
            node
            for node in walk(self.expression, into_not=False)
            if isinstance(node, (Word, Phrase, Prefix, Token, Regex, Substring))
        )

    @property
    def needs_scan(self) -> bool:
        """Whether a part of it no index can answer."""
        return any(isinstance(node, (Regex, Substring)) for node in walk(self.expression))


def walk(node: Node | None, *, into_not: bool = True) -> Iterator[Node]:
    """Yield `node` and everything below it, in the order typed."""
    if node is None or (isinstance(node, Not) and not into_not):
        return
    yield node
    match node:
        case And(children) | Or(children):
            for child in children:
                yield from walk(child, into_not=into_not)
        case Not(child) | ThreadGroup(child):
            yield from walk(child, into_not=into_not)
        case _:
            pass
