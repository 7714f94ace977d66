"""How the threads that a query finds are spread over projects, tags, roles, months and so on.

Counted are the threads of the newest hits, so that the cost does not grow with the archive.
Within one facet values are alternatives: its counts leave the query's own filter by it aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from projects.models import Project
from threads.models import Message
from threads.models.thread import Store
from threads.search import rows
from threads.search.keys import time_of
from threads.search.prepared import prepare
from threads.search.query import (
    FIELDS,
    And,
    Filter,
    Node,
    Or,
    Phrase,
    Prefix,
    Query,
    Token,
    Word,
)
from threads.search.questions import is_question, loosened

CAP = 1_000  # hits that are counted: 1 to 17 ms, of questions 34
SHOWN = 12  # values of a facet, the most frequent ones
FACETS = ("project", "tag", "source", "role", "assistant", "model", "has")
_WORDS = (Word, Phrase, Prefix, Token)
_FEATURES = {feature.value: feature.name.lower() for feature in Message.Feature}
# Values of filters that ask for messages rather than threads.
_OF_MESSAGES = {
    "role": FIELDS["role"].values,
    "has": tuple(value for value in FIELDS["has"].values if value in _FEATURES.values()),
}


@dataclass(frozen=True, slots=True)
class FacetValue:
    """`value` is what the filter takes, `label` what to show for it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Values by filter, the most frequent first; counts are threads.

    `months` counts hits by month ("2026-03" in the reader's zone), the earliest first. A query
    for threads alone has no hits: nothing is told by month, role and what messages hold. Where
    `is_capped`, only the newest hits were counted; unless `is_counted`, none at all.
    """

    values: dict[str, tuple[FacetValue, ...]]
    months: tuple[tuple[str, int], ...]
    is_capped: bool
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class _Sample:
    """The newest hits: threads, with the keys of their messages; none where a title matched."""

    connection: BaseDatabaseWrapper
    keys: dict[int, list[int]]
    is_capped: bool


def facets(
    query: Query, *, within: QuerySet[Project], now: datetime, zone: tzinfo, cap: int = CAP
) -> Facets:
    """Count what `query` finds in the projects of `within`, which is the permission.

    A query that has to look into texts is not counted: it would be looked through again for
    each facet. Costs at most eight queries, and six for each facet that the query filters by.
    """
    if query.needs_scan:
        return Facets(dict.fromkeys(FACETS, ()), (), is_capped=True, is_counted=False)
    chosen = {
        node.field for node in _parts(query) if isinstance(node, Filter) and node.field in FACETS
    }
    sample = _sample(query, within=within, now=now, cap=cap)
    for other in () if _is_enough(query, sample) else _instead(query):
        sample = _sample(other, within=within, now=now, cap=cap)
        if sample.keys:
            query = other
            break
    values = _count(sample, FACETS)
    is_capped = sample.is_capped
    for name in sorted(chosen):
        any_value = _with_any(query, name)
        wider = _sample(any_value, within=within, now=now, cap=cap)
        values[name] = _more(_count(wider, [name])[name], values[name])
        if name == "has" and any_value != _without(query, name):
            # Threads were looked at that have such messages only: of remarks it tells nothing.
            values["has"] = tuple(value for value in values["has"] if value.value != "remark")
        is_capped = is_capped or wider.is_capped
    return Facets({name: values[name] for name in FACETS}, _months(sample, zone), is_capped)


def _is_enough(query: Query, sample: _Sample) -> bool:
    """Whether the search itself shows these hits; a question is asked by any word."""
    return bool(sample.keys) and not (query.order == "relevance" and is_question(query))


def _instead(query: Query) -> Iterator[Query]:
    """Yield what is searched when nothing has all the words: see finder.py.

    First with the last word as a beginning, then for any of the words; a question only for them.
    """
    words = [node for node in _parts(query) if isinstance(node, _WORDS)]
    others = [node for node in _parts(query) if node not in words]
    if words and isinstance(words[-1], Word) and not is_question(query):
        begun = [*words[:-1], Prefix(words[-1].text)]
        yield _with_parts(query, [*begun, *others])
    some = loosened(words)
    if len(some) > 1:
        yield _with_parts(query, [Or(tuple(some)), *others])


def _parts(query: Query) -> tuple[Node, ...]:
    if query.expression is None:
        return ()
    return query.expression.children if isinstance(query.expression, And) else (query.expression,)


def _with_parts(query: Query, parts: list[Node]) -> Query:
    expression = And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None
    return replace(query, expression=expression)


def _without(query: Query, field: str) -> Query:
    kept = [
        node for node in _parts(query) if not (isinstance(node, Filter) and node.field == field)
    ]
    return _with_parts(query, kept)


def _with_any(query: Query, field: str) -> Query:
    """Return the query without its filter by `field`; where that asks for messages, for messages
    with any value of it: without one, tools are left out, and threads alone may be asked for."""
    chosen = {
        value
        for node in _parts(query)
        if isinstance(node, Filter) and node.field == field
        for value in node.values
    }
    without = _without(query, field)
    anything = _OF_MESSAGES.get(field, ())
    if chosen.isdisjoint(anything):
        return without
    return _with_parts(without, [*_parts(without), Filter(field, anything)])


def _sample(query: Query, *, within: QuerySet[Project], now: datetime, cap: int) -> _Sample:
    prepared = prepare(query, within=within, now=now)
    plan = prepared.plan
    keys: dict[int, list[int]] = defaultdict(list)
    if prepared.is_hopeless:
        return _Sample(prepared.connection, keys, is_capped=False)
    if plan.lists_threads:
        newest = prepared.listed().order_by(
            F("last_message_timestamp").desc(nulls_last=True), "-pk"
        )
        found = list(newest.values_list("pk", flat=True)[: cap + 1])
        listed: dict[int, list[int]] = {pk: [] for pk in found[:cap]}
        return _Sample(prepared.connection, listed, is_capped=len(found) > cap)
    is_capped = False
    lookup = prepared.lookup()
    if plan.reads_messages:
        for number, (key, thread) in enumerate(islice(lookup.hits(newest_first=True), cap + 1)):
            if number == cap:
                is_capped = True
            else:
                keys[thread].append(key)
    if plan.reads_titles:
        for number, (_key, thread) in enumerate(islice(lookup.titles(newest_first=True), cap + 1)):
            if number == cap:
                is_capped = True
            else:
                keys.setdefault(thread, [])
    return _Sample(prepared.connection, dict(keys), is_capped=is_capped)


def _more(wider: Iterable[FacetValue], own: Iterable[FacetValue]) -> tuple[FacetValue, ...]:
    """Return the values of a wider sample with the counts of the query's own where these are
    greater: of the values that were chosen, it reaches further back."""
    values = {value.value: value for value in wider}
    for value in own:
        if value.value not in values or values[value.value].count < value.count:
            values[value.value] = value
    return tuple(sorted(values.values(), key=lambda value: (-value.count, value.value)))


def _count(sample: _Sample, names: Iterable[str]) -> dict[str, tuple[FacetValue, ...]]:
    tally = _Tally(names)
    if {"role", "has"} & tally.counts.keys():
        keys = [key for keys in sample.keys.values() for key in keys]
        tally.add_messages(rows.spoken(sample.connection, keys))
    if tally.counts.keys() - {"role", "tag"}:
        tally.add_threads(rows.sources(sample.connection, sample.keys))
    if "tag" in tally.counts:
        for name in rows.tags(sample.connection, sample.keys):
            tally.add("tag", name)
    return {name: tally.most(name) for name in names}


class _Tally:
    """Counts of values for some filters; what is told of others is not kept."""

    def __init__(self, names: Iterable[str]) -> None:
        self.counts: dict[str, dict[str, int]] = {name: defaultdict(int) for name in names}
        self.labels: dict[tuple[str, str], str] = {}

    def add(self, name: str, value: str | None) -> None:
        if value and name in self.counts:
            self.counts[name][value] += 1

    def add_messages(self, spoken: Iterable[tuple[int, str, int]]) -> None:
        """Count threads by who wrote their hits and what is in them."""
        roles: set[tuple[int, str]] = set()
        features: dict[int, int] = defaultdict(int)
        for thread, role, bits in spoken:
            roles.add((thread, role))
            features[thread] |= bits
        for _thread, role in roles:
            self.add("role", role)
        for bits in filter(None, features.values()):
            for bit, value in _FEATURES.items():
                if bits & bit:
                    self.add("has", value)

    def add_threads(self, sources: Iterable[tuple[Any, ...]]) -> None:
        for slug, project, store, model, assistant, has_remark in sources:
            self.add("project", slug)
            self.labels["project", slug] = project
            self.add("source", store)
            self.add("model", model)
            self.add("assistant", assistant)
            self.add("has", "remark" if has_remark else "")

    def most(self, name: str) -> tuple[FacetValue, ...]:
        known = [
            (value, count)
            for value, count in self.counts[name].items()
            # Such as the role "unknown": no filter takes it.
            if not FIELDS[name].values or value in FIELDS[name].values
        ]
        known.sort(key=lambda item: (-item[1], item[0]))
        return tuple(
            FacetValue(value, self._label(name, value), count) for value, count in known[:SHOWN]
        )

    def _label(self, name: str, value: str) -> str:
        match name:
            case "role":
                return str(Message.Role(value).label)
            case "source":
                return str(Store(value).label)
            case "has" if value == "remark":
                return _("remark")
            case "has":
                return str(Message.Feature[value.upper()].label)
        return self.labels.get((name, value), value)


def _months(sample: _Sample, zone: tzinfo) -> tuple[tuple[str, int], ...]:
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for keys in sample.keys.values():
        for key in keys:
            moment = time_of(key).astimezone(zone)
            counts[moment.year, moment.month] += 1
    return tuple(
        (f"{year:04}-{month:02}", count) for (year, month), count in sorted(counts.items())
    )
