"""Filters as conditions of the ORM, on messages and on threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import GreaterThan
from django.utils.translation import gettext as _

from projects.models import Project
from threads.models import Message, Thread
from threads.search.keys import key_for
from threads.search.match import is_indexed
from threads.search.query import (
    FIELDS,
    And,
    DateRange,
    Filter,
    Node,
    Not,
    Notice,
    NumberRange,
    Or,
    Regex,
    Substring,
    ThreadGroup,
    walk,
)
from threads.search.query.fields import THREAD_LEVEL_HAS

QUIET_AFTER = timedelta(days=30)  # status:quiet is a thread in which nobody wrote since
_FEATURES = {feature.name.lower(): feature.value for feature in Message.Feature}
_LAST = "\U0010ffff"  # sorts behind every other character
_TOOL_KINDS = [Message.Kind.TOOL_CALL, Message.Kind.TOOL_OUTPUT]
_ASIDE_ROLES = [Message.Role.TOOL, Message.Role.SYSTEM, Message.Role.DEVELOPER]


def is_thread_level(node: Node) -> bool:
    """Whether `node` says something about threads alone."""
    leaves = [leaf for leaf in walk(node) if not isinstance(leaf, (And, Or, Not))]
    return all(_is_thread_leaf(leaf) for leaf in leaves)


def _is_thread_leaf(node: Node) -> bool:
    match node:
        case Filter("has", values):
            return set(values) <= THREAD_LEVEL_HAS
        case Filter(name) | NumberRange(name) | DateRange(name):
            return FIELDS[name].level == "thread"
        case _:
            return False


def feature_bits(node: Node) -> int:
    """Return the bits of a has: filter that asks for features of messages only; else 0."""
    if not isinstance(node, Filter) or node.field != "has":
        return 0
    if not set(node.values) <= set(_FEATURES):
        return 0
    return sum(_FEATURES[value] for value in node.values)


def is_spoken() -> Q:
    """Messages that searches read unless asked for more: no tools, system prompts, reasoning."""
    return Q(kind=Message.Kind.MESSAGE, is_hidden=False) & ~Q(role__in=_ASIDE_ROLES)


def wants_aside(nodes: Iterable[Node]) -> bool:
    """Whether the query names something that is otherwise left out."""
    for node in nodes:
        for leaf in walk(node, into_not=False):
            if isinstance(leaf, Filter) and (
                leaf.field == "tool"
                or (leaf.field == "in" and "tool" in leaf.values)
                or (leaf.field == "has" and "tool" in leaf.values)
                or (leaf.field == "role" and set(leaf.values) & {str(r) for r in _ASIDE_ROLES})
            ):
                return True
    return False


@dataclass
class Conditions:
    """Turns nodes into Q objects. `notices` collects what this archive cannot answer yet."""

    now: datetime
    # Visible projects by their filter value; asked only when a project filter is there.
    projects: Callable[[tuple[str, ...]], set[int]]
    # SQL that selects the search keys of the messages in which an indexed node holds.
    keys_of: Callable[[Node, bool], tuple[str, list[Any]]]
    notices: list[Notice] = field(default_factory=list)

    def on_message(self, node: Node, *, with_aside: bool) -> Q:  # noqa: PLR0911 - a table
        """Return the condition on Message for which `node` holds."""
        if is_indexed(node):
            sql, parameters = self.keys_of(node, with_aside)
            return Q(search_key__in=RawSQL(sql, parameters))  # noqa: S611 - the SQL is ours
        match node:
            case And(children):
                return reduce(and_, [self.on_message(c, with_aside=with_aside) for c in children])
            case Or(children):
                return reduce(or_, [self.on_message(c, with_aside=with_aside) for c in children])
            case Not(child):
                return ~self.on_message(child, with_aside=with_aside)
            case ThreadGroup():
                return self.in_group(node)
            case Substring(text):
                return Q(text__icontains=text)
            case Regex():
                return self._unanswered(node, "regex_inside", "a regular expression inside OR")
            case Filter("role", values):
                return Q(role__in=values)
            case Filter("tool", values):
                return Q(kind__in=_TOOL_KINDS) & _any_of("name", values)
            case Filter("has", values) if not _is_thread_leaf(node):
                return reduce(or_, [self._has(node, value, "thread__") for value in values])
            case Filter("in"):
                return Q()  # says where the words of the whole query stand
            case DateRange(name, _text, start, end) if name != "created":
                low = Q(search_key__gte=key_for(start)) if start else Q()
                return low & (Q(search_key__lt=key_for(end)) if end else Q())
        return self.on_thread(node, "thread__")

    def in_group(self, node: ThreadGroup) -> Q:
        """Messages of threads that have one for which the group's condition holds."""
        inner = self.on_message(node.child, with_aside=wants_aside([node.child]))
        return Q(thread_id__in=Message.objects.filter(inner).values("thread_id"))

    def on_thread(self, node: Node, prefix: str = "") -> Q:
        """Return the condition on Thread; `prefix` is the way there from another model."""
        match node:
            case And(children):
                return reduce(and_, [self.on_thread(child, prefix) for child in children])
            case Or(children):
                return reduce(or_, [self.on_thread(child, prefix) for child in children])
            case Not(child):
                return ~self.on_thread(child, prefix)
            case DateRange(_field, _text, start, end):
                low = Q(**{f"{prefix}created_at__gte": start}) if start else Q()
                return low & (Q(**{f"{prefix}created_at__lt": end}) if end else Q())
            case NumberRange():
                return self._number(node, prefix)
            case Filter(name, values, key):
                return self._filter(node, name, values, key, prefix)
        raise TypeError(node)

    def _filter(  # noqa: PLR0911 - a table
        self, node: Filter, name: str, values: tuple[str, ...], key: str, prefix: str
    ) -> Q:
        match name:
            case "project":
                return Q(**{f"{prefix}project_id__in": self.projects(values)})
            case "tag":
                tagged = Thread.tags.through.objects.filter(_any_of("tag__name", values))
                return Q(**{f"{prefix}pk__in": tagged.values("thread_id")})
            case "source":
                return Q(**{f"{prefix}store__in": values})
            case "status":
                return reduce(or_, [self._status(value, prefix) for value in values])
            case "id":
                return reduce(or_, [_has_id(value, prefix) for value in values])
            case "assistant":
                return _any_of(f"{prefix}assistant__name", values) | _any_of(
                    f"{prefix}assistant__external_id", values
                )
            case "model":
                return _any_of(f"{prefix}model", values)
            case "user":
                return _any_of(f"{prefix}end_user", values)
            case "meta":
                return _any_of(f"{prefix}metadata__{key}", values)
            case "has":
                return reduce(or_, [self._has(node, value, prefix) for value in values])
            case "is":
                return reduce(or_, [self._is(node, value, prefix) for value in values])
        raise TypeError(name)

    def _status(self, value: str, prefix: str) -> Q:
        states = Thread.UpstreamState
        is_gone = Q(**{f"{prefix}upstream_state__in": [states.GONE, states.RETIRED]})
        is_failing = ~Q(**{f"{prefix}last_error": ""})
        is_quiet = Q(**{f"{prefix}last_message_timestamp__lt": self.now - QUIET_AFTER})
        match value:
            case "gone":
                return is_gone
            case "error":
                return is_failing
            case "quiet":
                return is_quiet & ~is_gone
            case _:
                recent = Q(**{f"{prefix}last_message_timestamp__gte": self.now - QUIET_AFTER})
                return recent & ~is_gone

    def _has(self, node: Filter, value: str, prefix: str) -> Q:
        if value == "remark":
            return ~Q(**{f"{prefix}remark": ""})
        if value in _FEATURES:
            return Q(GreaterThan(F("features").bitand(_FEATURES[value]), 0))
        return self._unanswered(node, "not_kept", f"has:{value}")

    def _is(self, node: Filter, value: str, prefix: str) -> Q:
        match value:
            case "public":
                return Q(**{f"{prefix}project__visibility": Project.Visibility.PUBLIC})
            case "held":
                return Q(**{f"{prefix}is_held": True}) | Q(**{f"{prefix}project__is_held": True})
            case "gone":
                return self._status("gone", prefix)
            case "stale":
                return Q(
                    **{f"{prefix}is_refreshable": True, f"{prefix}next_refresh_at__lte": self.now}
                )
        return self._unanswered(node, "not_kept", f"is:{value}")

    def _number(self, node: NumberRange, prefix: str) -> Q:
        column = {"messages": "message_count", "tokens": "total_tokens"}.get(node.field)
        if column is None:
            return self._unanswered(node, "not_kept", f"{node.field}:")
        condition = Q()
        if node.low is not None:
            sign = "gt" if node.low_is_open else "gte"
            condition &= Q(**{f"{prefix}{column}__{sign}": int(node.low)})
        if node.high is not None:
            sign = "lt" if node.high_is_open else "lte"
            condition &= Q(**{f"{prefix}{column}__{sign}": int(node.high)})
        return condition

    def refuse(self, node: Node, code: str, message: str) -> None:
        """Note that `node` was left out, as an error at its place."""
        start, end = node.span or (0, 0)
        self.notices.append(
            Notice(code=code, message=message, position=start, length=end - start, is_error=True)
        )

    def _unanswered(self, node: Node, code: str, text: str) -> Q:
        self.refuse(
            node, code, _("“{text}” cannot be searched here and was left out.").format(text=text)
        )
        return Q()


def _any_of(name: str, values: Iterable[str]) -> Q:
    """One of `values`, compared without case; a last * asks for what begins so."""
    return reduce(
        or_,
        [
            Q(**{f"{name}__istartswith": value[:-1]})
            if value.endswith("*") and len(value) > 1
            else Q(**{f"{name}__iexact": value})
            for value in values
        ],
    )


def _has_id(value: str, prefix: str) -> Q:
    """Ids begin with `value`; as ranges, which their indexes answer."""
    beginning = value.rstrip("*")

    def begins(column: str) -> Q:
        return Q(**{f"{column}__gte": beginning, f"{column}__lt": beginning + _LAST})

    spoken = Message.objects.filter(begins("remote_id")).values("thread_id")
    return (
        begins(f"{prefix}external_id")
        | begins(f"{prefix}short_id")
        | Q(**{f"{prefix}pk__in": spoken})
    )
