"""HTML out of pieces: what is not HTML already is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django.utils.safestring import SafeString, mark_safe


def _safe(value: object) -> object:
    kind = type(value)
    if kind is SafeString or kind is int:
        return value
    return escape(str(value))


def fill(template: str, *values: object, **named: object) -> SafeString:
    """Return `template`, which is ours, with the values in its places.

    What Django's format_html does, in a third of its time: a page of 200 messages calls it
    1,600 times.
    """
    made = template.format(
        *map(_safe, values), **{name: _safe(value) for name, value in named.items()}
    )
    return mark_safe(made)  # noqa: S308 - the template is a constant, the values are escaped


def joined(pieces: Iterable[SafeString]) -> SafeString:
    """Return pieces of HTML one after the other."""
    return mark_safe("".join(str(_safe(piece)) for piece in pieces))  # noqa: S308 - as above
