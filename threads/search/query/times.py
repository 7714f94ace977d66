"""Dates and numbers in filters: what is typed to what is compared."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from threads.search.query.tree import DateRange, NumberRange

# Outside of these a date cannot be moved between zones, or is a typing error.
_FIRST_YEAR, _LAST_YEAR = 1970, 2999

_DATE = re.compile(
    r"(?P<year>\d{4})(?:[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2})"
    r"(?:T(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_AGO = re.compile(r"(?P<count>\d{1,4})(?P<unit>h|d|w|mo|y)", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"(?P<digits>\d{1,15}(?:\.\d{1,6})?)(?P<unit>[km]?)", re.ASCII | re.IGNORECASE)
_COMPARISON = re.compile(r"(>=|<=|>|<)?(.*)", re.DOTALL)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


class Unreadable(ValueError):
    """What was typed is no date or number; args are a notice's code and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


class Clock:
    """Reads dates as a person in `zone` means them at the moment `now`, which is aware."""

    def __init__(self, *, now: datetime, zone: tzinfo) -> None:
        self._now = now.astimezone(zone)
        self._zone = zone

    def period(self, text: str) -> tuple[datetime, datetime]:
        """Return the first moment of what `text` names, and the first one after it.

        A time ago, such as 7d, is a moment: both are the same.

        :raises Unreadable: when it is no date.
        """
        today = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        name = text.lower()
        if name == "today":
            return today, today + timedelta(days=1)
        if name == "yesterday":
            return today - timedelta(days=1), today
        if name == "now":
            return self._now, self._now
        try:
            if match := _AGO.fullmatch(text):
                moment = self._ago(int(match["count"]), match["unit"].lower())
                return moment, moment
            if match := _DATE.fullmatch(text):
                return self._calendar(match)
        except (ValueError, OverflowError):
            pass  # such as the 31st of February
        raise Unreadable("bad_date", text)

    def _ago(self, count: int, unit: str) -> datetime:
        if unit == "h":
            # Across the zone, because an hour is an hour also when clocks are changed.
            elapsed = self._now.astimezone(UTC) - timedelta(hours=count)
            return elapsed.astimezone(self._zone)
        if unit in {"d", "w"}:
            return self._now - timedelta(days=count * (7 if unit == "w" else 1))
        months = self._now.year * 12 + self._now.month - 1 - count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        if year < _FIRST_YEAR:
            year, month = _FIRST_YEAR, 0
        last_day = calendar.monthrange(year, month + 1)[1]
        return self._now.replace(year=year, month=month + 1, day=min(self._now.day, last_day))

    def _calendar(self, match: re.Match[str]) -> tuple[datetime, datetime]:
        year, month, day = (int(match[part] or 0) for part in ("year", "month", "day"))
        if not _FIRST_YEAR <= year <= _LAST_YEAR:
            raise ValueError(year)
        zone = self._zone
        if written := match["zone"]:
            zone = datetime.strptime(written.upper(), "%z").tzinfo or zone
        start = datetime(year, month if match["month"] else 1, day if match["day"] else 1)  # noqa: DTZ001 - the zone follows
        if match["hour"]:
            start = start.replace(
                hour=int(match["hour"]),
                minute=int(match["minute"]),
                second=int(match["second"] or 0),
            )
            end = start + timedelta(seconds=1 if match["second"] else 60)
        elif match["day"]:
            end = start + timedelta(days=1)
        elif match["month"]:
            end = start.replace(year=year + month // 12, month=month % 12 + 1)
        else:
            end = start.replace(year=year + 1)
        return (
            start.replace(tzinfo=zone).astimezone(self._zone),
            end.replace(tzinfo=zone).astimezone(self._zone),
        )


def date_range(field: str, text: str, clock: Clock) -> DateRange:
    """Build the range that `field:text` asks for.

    `after` begins with the period's first moment and `before` ends with it, so that
    after:2026-01 before:2026-03 are two whole months.

    :raises Unreadable: when it is no date, or ends before it begins.
    """
    if field == "after":
        return DateRange(field, text, clock.period(text)[0], None)
    if field == "before":
        return DateRange(field, text, None, clock.period(text)[0])
    low, dots, high = text.partition("..")
    if dots:
        start = None if low == "*" else clock.period(low)[0]
        end = None if high == "*" else clock.period(high)[1]
        if start is None and end is None:
            raise Unreadable("bad_date", text)
        if start is not None and end is not None and start >= end:
            raise Unreadable("empty_range", text)
        return DateRange(field, text, start, end)
    sign, value = _split_comparison(text)
    first, after = clock.period(value)
    match sign:
        case ">":
            return DateRange(field, text, after, None)
        case ">=":
            return DateRange(field, text, first, None)
        case "<":
            return DateRange(field, text, None, first)
        case "<=":
            return DateRange(field, text, None, after)
    # A moment ago is no period: on:7d and created:7d mean the time since then.
    return DateRange(field, text, first, None if first == after else after)


def number_range(field: str, text: str, *, is_whole: bool) -> NumberRange:
    """Build the range that `field:text` asks for.

    :raises Unreadable: when it is no number, or ends before it begins.
    """

    def number(part: str) -> Decimal:
        match = _NUMBER.fullmatch(part)
        value = Decimal(match["digits"]) * _UNITS[match["unit"].lower()] if match else None
        if value is None or (is_whole and value != value.to_integral_value()):
            raise Unreadable("bad_number", text)
        return value

    low, dots, high = text.partition("..")
    if dots:
        least = None if low == "*" else number(low)
        most = None if high == "*" else number(high)
        if least is None and most is None:
            raise Unreadable("bad_number", text)
        if least is not None and most is not None and least > most:
            raise Unreadable("empty_range", text)
        return NumberRange(field, least, most)
    sign, rest = _split_comparison(text)
    value = number(rest)
    match sign:
        case ">" | ">=":
            return NumberRange(field, low=value, low_is_open=sign == ">")
        case "<" | "<=":
            return NumberRange(field, high=value, high_is_open=sign == "<")
    return NumberRange(field, value, value)


def _split_comparison(text: str) -> tuple[str, str]:
    match = _COMPARISON.fullmatch(text)
    return (match[1] or "", match[2]) if match else ("", text)
