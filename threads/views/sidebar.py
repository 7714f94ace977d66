"""The side bar: each of its lines is a link that edits the query. Lists, dates and a histogram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from projects.models.project import ProjectQuerySet
from threads.models import Message
from threads.models.thread import Store
from threads.search.facets import Facets
from threads.search.query import FIELDS, Query
from threads.search.query.editing import (
    dates_of,
    values_of,
    with_dates,
    with_filter,
    without_filter,
)

MAX_PROJECTS = 50  # in the side bar; the others are found by typing project:
SHOWN = 6  # values of a list; the others are behind "more"
_MAX_MONTHS = 36  # bars of a histogram; a longer time is told by years
_BAR, _GAP, _HEIGHT = 10, 2, 60  # units of the drawing


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a list: the query that it leads to, and whether it is chosen now."""

    label: str
    value: str
    query: str
    is_chosen: bool
    count: int | None = None  # None: not counted


@dataclass(frozen=True, slots=True)
class Facet:
    """A list of the side bar; `more` are the values that are folded away."""

    title: str
    choices: list[Choice]
    more: list[Choice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bar:
    """One month or year, and where its bar stands in the drawing."""

    label: str
    count: int
    query: str
    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Hits by month, or by year where that would be too many bars."""

    bars: list[Bar]
    summary: str
    last_label: str
    width: int
    bar_width: int = _BAR
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class SideBar:
    """All of it; nothing is counted before the page asks for that."""

    periods: list[Choice]
    facets: list[Facet]
    undated: str  # the query without its dates, which the form adds to
    since: str = ""  # what the form for dates is filled with, as 2026-01-31
    until: str = ""
    histogram: Histogram | None = None
    is_capped: bool = False
    is_countable: bool = True  # False: a search inside texts, which would take too long


def side_bar(query: Query, *, projects: ProjectQuerySet, counted: Facets | None = None) -> SideBar:
    """Build the side bar, with counts when they are given; one query for the projects' names.

    Lists that are always there stay where they are when their counts come.
    """
    dates = dates_of(query)
    if counted is not None and not counted.is_counted:
        counted = None
    return SideBar(
        periods=_periods(query, dates),
        facets=_facets(query, projects, counted),
        undated=with_dates(query),
        since=_day(dates.get("after")),
        until=_day(dates.get("before"), back=1),
        histogram=_histogram(query, counted.months) if counted is not None else None,
        is_capped=counted is not None and counted.is_capped,
        is_countable=not query.needs_scan,
    )


def dated(query: Query, *, since: str, until: str) -> str:
    """Return the query from one day to another, both included; days that are none are left out."""
    dates = {}
    if day := _read_day(since):
        dates["after"] = day.isoformat()
    if day := _read_day(until):
        dates["before"] = (day + timedelta(days=1)).isoformat()
    return with_dates(query, **dates)


def _read_day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if 1 < day.year < 9999 else None


def _day(text: str | None, *, back: int = 0) -> str:
    day = _read_day(text)
    return (day - timedelta(days=back)).isoformat() if day else ""


def _periods(query: Query, dates: Mapping[str, str]) -> list[Choice]:
    """Offer periods up to now; they roll, as the text in the query stays "7d"."""
    periods = [
        ("24h", _("Last 24 hours")),
        ("7d", _("Last 7 days")),
        ("30d", _("Last 30 days")),
        ("1y", _("Last year")),
    ]
    return [
        Choice(
            label,
            value,
            with_dates(query) if dates == {"after": value} else with_dates(query, after=value),
            is_chosen=dates == {"after": value},
        )
        for value, label in periods
    ]


def _facets(query: Query, projects: ProjectQuerySet, counted: Facets | None) -> list[Facet]:
    named = list(projects.order_by("name", "pk").values_list("slug", "name")[:MAX_PROJECTS])
    stores = [
        (value, str(label)) for value, label in Store.choices if value in FIELDS["source"].values
    ]
    roles = [(value, str(label)) for value, label in Message.Role.choices if value != "unknown"]
    features = [
        ("code", _("Code")),
        ("tool", _("Tool calls")),
        ("image", _("Images")),
        ("file", _("Files")),
        ("link", _("Links")),
        ("error", _("Errors")),
        ("remark", _("Remarks")),
    ]
    lists: list[tuple[str, str, list[tuple[str, str]]]] = [
        ("project", _("Project"), named if len(named) > 1 else []),
        ("role", _("Role"), roles),
        ("has", _("Contains"), features),
        ("source", _("Source"), stores),
        ("tag", _("Tag"), []),
        ("assistant", _("Assistant"), []),
        ("model", _("Model"), []),
    ]
    shown = []
    for name, title, fixed in lists:
        labels = dict(fixed)
        found = counted.values.get(name, ()) if counted is not None else ()
        if not fixed and name != "project":
            labels |= {value.value: value.label for value in found}
        counts = None
        # A query for threads alone tells nothing of what messages are: no count is no zero.
        if counted is not None and (name not in {"role", "has"} or counted.months):
            counts = {value.value: value.count for value in found}
        choices = _choices(query, name, labels, counts)
        if choices:
            # Chosen ones are never folded away: their line takes them back.
            ends = max([SHOWN, *(i + 1 for i, one in enumerate(choices) if one.is_chosen)])
            ends = len(choices) if len(choices) - ends < 2 else ends
            shown.append(Facet(title, choices[:ends], choices[ends:]))
    return shown


def _choices(
    query: Query, name: str, labels: Mapping[str, str], counts: Mapping[str, int] | None
) -> list[Choice]:
    """Offer values: choosing one adds it, choosing it again takes it away.

    Within one list the values are alternatives; a thread needs one of them.
    """
    chosen = {value.casefold(): value for value in values_of(query, name)}
    known = {value.casefold() for value in labels} | {label.casefold() for label in labels.values()}
    offered = dict(labels)
    if labels or counts is not None:  # what was typed and is no value of the list
        offered |= {value: value for folded, value in chosen.items() if folded not in known}
    choices = []
    for value, label in offered.items():
        typed = chosen.get(value.casefold())
        if typed is None and name == "project":  # its name does as well as its short name
            typed = chosen.get(label.casefold())
        changed = with_filter(query, name, value)
        if typed is not None:
            changed = without_filter(query, name, typed)
        count = None if counts is None else counts.get(value, 0)
        if name == "has" and value == "remark" and counts is not None:
            count = counts.get(value)  # where only hits in messages were looked at, it is not known
        choices.append(Choice(label, value, changed, typed is not None, count))
    return choices


def _histogram(query: Query, months: Iterable[tuple[str, int]]) -> Histogram | None:
    """Draw the hits of a time; None where there are fewer than two months or years."""
    counts = dict(months)
    if len(counts) < 2:
        return None
    periods = _every_month(min(counts), max(counts))
    if len(periods) > _MAX_MONTHS:
        by_year: dict[str, int] = {}
        for month, count in counts.items():
            by_year[month[:4]] = by_year.get(month[:4], 0) + count
        counts = by_year
        periods = [str(year) for year in range(int(min(counts)), int(max(counts)) + 1)]
        periods = periods[-_MAX_MONTHS:]
    highest = max(counts.get(period, 0) for period in periods) or 1
    bars = []
    for number, period in enumerate(periods):
        count = counts.get(period, 0)
        height = max(2, round(_HEIGHT * count / highest)) if count else 0
        bars.append(
            Bar(
                label=_name_of(period),
                count=count,
                query=with_dates(query, on=period),
                x=number * (_BAR + _GAP),
                y=_HEIGHT - height,
                height=height,
            )
        )
    most = max(bars, key=lambda bar: bar.count)
    summary = ngettext(
        "%(count)s hit from %(first)s to %(last)s; most in %(most)s",
        "%(count)s hits from %(first)s to %(last)s; most in %(most)s",
        sum(bar.count for bar in bars),
    ) % {
        "count": f"{sum(bar.count for bar in bars):,}",
        "first": bars[0].label,
        "last": bars[-1].label,
        "most": most.label,
    }
    return Histogram(bars, summary, bars[-1].label, len(bars) * (_BAR + _GAP) - _GAP)


def _every_month(first: str, last: str) -> list[str]:
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(start, end + 1)]


def _name_of(period: str) -> str:
    if len(period) == 4:
        return period
    year, month = map(int, period.split("-"))
    return formats.date_format(date(year, month, 1), "YEAR_MONTH_FORMAT")
