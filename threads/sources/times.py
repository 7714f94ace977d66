"""Moments as servers write them, and the one that OpenAI's ids hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_EARLIEST = datetime(2015, 12, 11, tzinfo=UTC)  # the day OpenAI was announced
_MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138
_MICROSECONDS_FROM = 1e14
# The conversations API opened in August 2025; an older moment in an id is no moment.
_FIRST_CONVERSATION = datetime(2025, 3, 1, tzinfo=UTC)
_TOLERANCE = timedelta(seconds=60)

# Two layouts of OpenAI's ids: 48 hex digits begin with the second of creation, 50 have it at 18.
_ID = re.compile(r"[a-z]+_([0-9a-f]{48}|[0-9a-f]{50})\Z")


def _from_text(text: str) -> float | None:
    """Return Unix seconds out of digits or ISO 8601 (UTC unless it says otherwise)."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def moment(value: Any) -> datetime | None:
    """Return the time meant by Unix seconds, milli- or microseconds, or ISO 8601; else None."""
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
        if seconds >= _MICROSECONDS_FROM:
            seconds /= 1_000_000
        elif seconds >= _MILLISECONDS_FROM:
            seconds /= 1_000
        return _sane(datetime.fromtimestamp(seconds, tz=UTC))
    except (OverflowError, OSError, ValueError):  # too far away, infinite, or not a number
        return None


def _sane(when: datetime) -> datetime | None:
    return when if when >= _EARLIEST and when.year < 2100 else None


def moment_in_id(identifier: str) -> datetime | None:
    """Return what stands where OpenAI's ids hold their second of creation; None in other ids."""
    match = _ID.match(identifier)
    if match is None:
        return None
    digits = match.group(1)
    return moment(int(digits[:8] if len(digits) == 48 else digits[18:26], 16))


def moments_in_ids(
    identifiers: list[str], *, conversation_id: str, now: datetime
) -> list[datetime | None]:
    """Return the times in the ids of a conversation's items, in their order.

    This layout is nowhere promised, so all are None unless the conversation's own id holds a
    possible time as well and no item's id contradicts: ids of other servers are random digits,
    of which one in thirty looks like a time, but hardly ever two that fit together.
    """
    began = moment_in_id(conversation_id)
    found = [moment_in_id(identifier) for identifier in identifiers]
    if began is None or not _FIRST_CONVERSATION <= began <= now + _TOLERANCE:
        return [None] * len(found)
    first, last = began - _TOLERANCE, now + _TOLERANCE
    shaped = [
        when
        for when, identifier in zip(found, identifiers, strict=True)
        if _ID.match(identifier) is not None
    ]
    if any(when is None or not first <= when <= last for when in shaped):
        return [None] * len(found)
    return found
