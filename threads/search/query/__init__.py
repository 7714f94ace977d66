"""The query language: text to a syntax tree, and back. Pure: no Django, no database."""

from __future__ import annotations

from threads.search.query.fields import FIELDS, Field
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
    "walk",
]
