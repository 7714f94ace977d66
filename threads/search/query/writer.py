"""Tree to text: the canonical way to write a query, which parses to the same tree."""

from __future__ import annotations

import re
from decimal import Decimal

from threads.search.query.letters import quote
from threads.search.query.tree import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    NumberRange,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Substring,
    ThreadGroup,
    Token,
    Word,
)

_PLAIN_VALUE = re.compile(r"[\w@/+*.:-]+")
_PLAIN_KEY = re.compile(r"[\w.-]+")


def unparse(query: Query) -> str:
    """Write `query` so that parsing gives an equal one, at the same moment and zone."""
    parts = [write(query.expression)] if query.expression else []
    if query.sort:
        parts.append(f"sort:{query.sort}")
    if query.group:
        parts.append(f"group:{query.group}")
    return " ".join(parts)


def write(node: Node) -> str:  # noqa: PLR0911 - one line for each kind of node
    """Write one part of a tree."""
    match node:
        case And(children):
            return " ".join(write(child) for child in children)
        case Or(children):
            return " OR ".join(
                _enclose("(", child, ")") if isinstance(child, And) else write(child)
                for child in children
            )
        case Not(And() | Or() as child):
            return f"-{_enclose('(', child, ')')}"
        case Not(child):
            return f"-{write(child)}"
        case ThreadGroup(child):
            return f"thread:{_enclose('{', child, '}')}"
        case Word(text) | Token(text):
            return text
        case Phrase(text):
            return quote(text)
        case Prefix(text):
            return f"{text}*"
        case Regex(pattern):
            return f"/{pattern}/"
        case Substring(text):
            return f"text:~{quote(text)}"
        case Filter(field, values, key):
            name = f"{field}.{_value(key, _PLAIN_KEY)}" if key else field
            return f"{name}:{','.join(_value(value, _PLAIN_VALUE) for value in values)}"
        case NumberRange():
            return f"{node.field}:{_numbers(node)}"
        case DateRange(field, text):
            return f"{field}:{text}"
    raise TypeError(node)


def _enclose(opening: str, child: Node, closing: str) -> str:
    """Bracket `child`; a space keeps a last word such as foo(bar from taking the bracket in."""
    body = write(child)
    last = body.rsplit(maxsplit=1)[-1]
    return f"{opening}{body}{' ' if {'(', '{'} & {*last} else ''}{closing}"


def _value(text: str, plain: re.Pattern[str]) -> str:
    return text if plain.fullmatch(text) else quote(text)


def _numbers(node: NumberRange) -> str:
    low = "*" if node.low is None else _number(node.low)
    high = "*" if node.high is None else _number(node.high)
    if node.high is None:
        return f"{'>' if node.low_is_open else '>='}{low}"
    if node.low is None:
        return f"{'<' if node.high_is_open else '<='}{high}"
    return low if node.low == node.high else f"{low}..{high}"


def _number(value: Decimal) -> str:
    return format(value.normalize(), "f")
