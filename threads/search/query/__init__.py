"""The query language: text to a syntax tree, and back. Pure: no Django, no database."""

from __future__ import annotations

from threads.search.query.fields import FIELDS, Field
from threads.search.query.parser import parse
from threads.search.query.tree import (
    GROUPS,
    SORTS,
    And,
    Condition,
    DateRange,
    Filter,
    Node,
    Not,
    Notice,
    NumberRange,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Substring,
    Term,
    ThreadGroup,
    Token,
    Word,
    walk,
)
from threads.search.query.writer import unparse, write

__all__ = [
    "FIELDS",
    "GROUPS",
    "SORTS",
    "And",
    "Condition",
    "DateRange",
    "Field",
    "Filter",
    "Node",
    "Not",
    "Notice",
    "NumberRange",
    "Or",
    "Phrase",
    "Prefix",
    "Query",
    "Regex",
    "Substring",
    "Term",
    "ThreadGroup",
    "Token",
    "Word",
    "parse",
    "unparse",
    "walk",
    "write",
]
