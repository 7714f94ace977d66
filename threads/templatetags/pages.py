"""Times, numbers and cleaned text in templates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext

from threadhub import __version__
from threads import content
from threads.search.query import Filter, write

register = template.Library()

_RELATIVE_FOR = timedelta(days=7)  # older times are dates: "43 weeks ago" tells nobody when


@register.simple_tag
def version() -> str:
    """The version in the footer."""
    return __version__


@lru_cache(maxsize=1024)
def _date_words(day: date, language: str) -> str:
    return formats.date_format(day, pgettext("date format", "j M Y"))


@lru_cache(maxsize=4096)
def _ago(minutes: int, language: str) -> str:
    """How long ago, or how long until, in words; they change with the minute at the most."""
    return str(naturaltime(timezone.now() - timedelta(minutes=minutes)))


class Clock:
    """Shows times to one reader; asks for the time, the zone and the language once."""

    def __init__(self) -> None:
        self._now, self._zone = timezone.now(), timezone.get_current_timezone()
        self._language = get_language() or ""

    def moment(self, value: datetime, *, with_time: bool = False) -> SafeString:
        """Show how long ago for a week, then the date; exact time and zone in the title."""
        local, ago = value.astimezone(self._zone), self._now - value
        if abs(ago) >= _RELATIVE_FOR:
            words = _date_words(local.date(), self._language)
            shown = f"{words}, {local:%H:%M}" if with_time else words
        elif abs(ago) < timedelta(minutes=1):
            shown = str(naturaltime(value))
        else:
            shown = _ago(int(ago / timedelta(minutes=1)), self._language)
        return content.fill(
            '<time datetime="{}" title="{} {}">{}</time>',
            value.astimezone(UTC).isoformat(timespec="seconds"),
            local.replace(tzinfo=None).isoformat(" ", "seconds"),
            local.tzname() or "",
            shown,
        )

    def exact(self, value: datetime) -> SafeString:
        """Show date, time and zone."""
        local = value.astimezone(self._zone)
        return content.fill(
            '<time datetime="{}">{} {}</time>',
            value.astimezone(UTC).isoformat(timespec="seconds"),
            f"{local:%Y-%m-%d %H:%M}",
            local.tzname() or "",
        )


@register.simple_tag
def moment(value: datetime | None, *, with_time: bool = False) -> SafeString | str:
    """Show a time: how long ago for a week, then the date; exact time and zone in the title."""
    return "—" if value is None else Clock().moment(value, with_time=with_time)


@register.simple_tag
def exact_moment(value: datetime | None) -> SafeString | str:
    """Show a time as date, time and zone, in the reader's zone."""
    return "—" if value is None else Clock().exact(value)


@register.filter
def number(value: int | None) -> str:
    """Show a whole number with its thousands apart; unknown is a dash, never 0."""
    return "—" if value is None else f"{value:,}"


@register.filter
def milliseconds(value: float) -> str:
    """Show a duration in milliseconds: "0.8", "38", "1,240"."""
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


@register.filter
def marked(snippet: str) -> SafeString:
    """Show a search's snippet with its <mark>s and no other tag."""
    return content.marked(snippet)


@register.filter
def plain(value: object, limit: int = content.MAX_PLAIN) -> str:
    """Show a short field without tags and hidden characters, in one line."""
    return content.plain(str(value), limit)


@register.filter
def tag_query(name: str) -> str:
    """Write the search for everything with a tag."""
    return write(Filter("tag", (name,)))
