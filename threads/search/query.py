"""The query language: text to a syntax tree, and back. Pure: no Django, no database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should know about what they typed.

    `code` is for programs, `message` a sentence; position and length point into the text.
    An error means that a clause was left out because it cannot be understood.
    """

    code: str
    message: str
    position: int | None = None
    length: int = 0
    suggestion: str = ""
    is_error: bool = False
