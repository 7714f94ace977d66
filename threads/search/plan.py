"""From the tree of a query to what the databases are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from threads.models import Message, Thread
from threads.search.conditions import (
    Conditions,
    feature_bits,
    is_spoken,
    is_thread_level,
    wants_aside,
)
from threads.search.keys import key_for
from threads.search.match import is_indexed
from threads.search.query import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    Query,
    Regex,
    Substring,
    ThreadGroup,
)
from threads.search.scans import finder

Sql = tuple[str, list[Any]]
_FOUND_IN_THREAD = {"title", "remark"}


@dataclass
class Plan:
    """What must hold. `projects` None: every project there is may be read."""

    projects: frozenset[int] | None
    every_project: frozenset[int]
    text: Node | None = None
    excluded: list[Node] = field(default_factory=list)
    places: frozenset[str] = frozenset()  # of in:; empty: everywhere
    with_aside: bool = False
    only_aside: bool = False
    roles: frozenset[str] = frozenset()
    not_roles: frozenset[str] = frozenset()
    features: list[int] = field(default_factory=list)  # each: one of these bits
    low: int | None = None  # keys, the first that counts
    high: int | None = None  # and the first that does not
    on_messages: list[Q] = field(default_factory=list)
    on_threads: list[Q] = field(default_factory=list)
    predicates: list[Callable[[str], bool]] = field(default_factory=list)

    @property
    def is_about_messages(self) -> bool:
        """Whether anything in it is about single messages beside the words."""
        return bool(
            self.roles
            or self.not_roles
            or self.features
            or self.on_messages
            or self.predicates
            or self.low is not None
            or self.high is not None
            or self.places - _FOUND_IN_THREAD
        )

    @property
    def lists_threads(self) -> bool:
        """Whether it is answered by the threads' own rows: neither words nor messages in it."""
        return self.text is None and not self.is_about_messages and not self.excluded

    @property
    def reads_messages(self) -> bool:
        return not self.places or bool(self.places - _FOUND_IN_THREAD)

    @property
    def reads_titles(self) -> bool:
        """Whether a title alone can be a hit: only where nothing is asked of a message."""
        if self.text is None or self.only_aside:
            return False
        if self.places & _FOUND_IN_THREAD:
            return not replace(self, places=frozenset()).is_about_messages
        return not self.is_about_messages

    def with_text(self, text: Node) -> Plan:
        return replace(self, text=text)

    def aside(self) -> Plan:
        """The same in what searches leave out."""
        return replace(self, with_aside=True, only_aside=True)

    def message_conditions(self) -> list[Sql]:
        """Conditions on the row `m`, which has search_key and thread_id."""
        if self.text is not None and not (self.on_messages or self.on_threads):
            return []  # as mostly; to make an empty Q calls four functions
        found = []
        q = Q()
        for condition in self.on_messages:
            q &= condition
        if self.text is None and not self.roles and not self.features:
            if self.not_roles:
                q &= ~Q(role__in=self.not_roles)
            if not self.with_aside:
                q &= is_spoken()
        if q:
            found.append(_exists(Message.objects.filter(q, search_key=RawSQL("m.search_key", []))))
        if self.on_threads or self.text is None:
            found.append(self.thread_condition("m.thread_id"))
        return found

    def thread_condition(self, reference: str) -> Sql:
        """The condition that the thread with the id `reference`, an SQL expression, is meant."""
        threads = Thread.objects.filter(pk=RawSQL(reference, []), trashed_at__isnull=True)  # noqa: S611
        for condition in self.on_threads:
            threads = threads.filter(condition)
        return _exists(threads)


def _exists(rows: QuerySet[Any]) -> Sql:
    try:
        sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return "1 = 0", []
    return f"EXISTS ({sql})", list(parameters)


def make_plan(
    query: Query,
    *,
    projects: frozenset[int] | None,
    every_project: frozenset[int],
    conditions: Conditions,
) -> Plan:
    """Sort the conjuncts of `query` into what the index, key ranges and conditions answer."""
    plan = Plan(projects=projects, every_project=every_project)
    nodes = _conjuncts(query.expression)
    groups = [node for node in nodes if isinstance(node, ThreadGroup)]
    others = [node for node in nodes if not isinstance(node, ThreadGroup)]
    if groups and all(map(is_thread_level, others)):
        # Nothing else says which messages to show: those of the first group.
        others += _conjuncts(groups.pop(0).child)
    plan.with_aside = wants_aside(others)
    texts = []
    for node in others:
        if is_indexed(node):
            texts.append(node)
        else:
            _place(plan, node, conditions)
    plan.on_messages += [conditions.in_group(group) for group in groups]
    if plan.projects == every_project:
        plan.projects = None
    if texts:
        plan.text = texts[0] if len(texts) == 1 else And(tuple(texts))
    elif plan.excluded:
        plan.on_messages += [
            ~conditions.on_message(node, with_aside=True) for node in plan.excluded
        ]
        plan.excluded = []
    return plan


def _conjuncts(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return list(node.children) if isinstance(node, And) else [node]


def _place(plan: Plan, node: Node, conditions: Conditions) -> None:
    """Put one conjunct that is no text where it is answered fastest."""
    match node:
        case Not(child) if is_indexed(child):
            plan.excluded.append(child)
        case Regex() | Substring():
            plan.predicates.append(_finds(node, conditions))
        case Not(Regex() | Substring() as child):
            finds = _finds(child, conditions)
            plan.predicates.append(lambda text: not finds(text))
        case Filter("in", values):
            plan.places = plan.places & frozenset(values) if plan.places else frozenset(values)
            plan.only_aside = plan.places == {"tool"}
        case Filter("project", values):
            named = frozenset(conditions.projects(values))
            plan.projects = named if plan.projects is None else plan.projects & named
        case Not(Filter("project", values)):
            visible = plan.every_project if plan.projects is None else plan.projects
            plan.projects = visible - frozenset(conditions.projects(values))
        case Filter("role", values) if not plan.roles:
            plan.roles = frozenset(values)
        case Not(Filter("role", values)):
            plan.not_roles |= frozenset(values)
        case Filter("has") if feature_bits(node):
            plan.features.append(feature_bits(node))
        case DateRange(name, _text, start, end) if name != "created":
            if start is not None:
                plan.low = max(key_for(start), plan.low if plan.low is not None else -(1 << 62))
            if end is not None:
                plan.high = min(key_for(end), plan.high if plan.high is not None else 1 << 62)
        case _ if is_thread_level(node):
            plan.on_threads.append(conditions.on_thread(node))
        case _:
            plan.on_messages.append(conditions.on_message(node, with_aside=plan.with_aside))


def _finds(node: Regex | Substring, conditions: Conditions) -> Callable[[str], bool]:
    finds = finder(node)
    if finds is not None:
        return finds
    conditions.refuse(
        node,
        "regex_slow",
        _("This regular expression has too many repetitions: it could take for ever."),
    )
    return lambda _text: False
