"""A query made ready for one archive and one reader: what to ask the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Min, Q, QuerySet

from projects.models import Project
from threads.models import Message, Thread
from threads.search.conditions import Conditions
from threads.search.lookup_postgres import PostgresLookup
from threads.search.lookup_sqlite import SqliteLookup
from threads.search.lookups import Lookup
from threads.search.match import fts5, tsquery
from threads.search.plan import Plan, make_plan
from threads.search.query import Node, Notice, Query
from threads.search.scope import Scope, scope_of


@dataclass(frozen=True, slots=True)
class Prepared:
    """`notices` tells what this archive cannot answer."""

    scope: Scope
    connection: BaseDatabaseWrapper
    plan: Plan
    notices: list[Notice]

    @property
    def is_hopeless(self) -> bool:
        """Whether there is nothing that could be found: no project is left."""
        return not self.scope.visible or (self.plan.projects is not None and not self.plan.projects)

    def lookup(self, plan: Plan | None = None) -> Lookup:
        """Return what asks the database for `plan`, or for the query's own."""
        kind = SqliteLookup if self.connection.vendor == "sqlite" else PostgresLookup
        return kind(self.connection, plan or self.plan)

    def keep_to_new(self, message: int) -> None:
        """Search only among messages with a higher id than `message`; one query."""
        newer = Message.objects.filter(pk__gt=message)
        # Most are of the last minutes, so that the index has little to read.
        lowest = newer.aggregate(lowest=Min("search_key"))["lowest"]
        plan = self.plan
        plan.on_messages.append(Q(pk__gt=message))
        if lowest is not None:
            plan.low = lowest if plan.low is None else max(plan.low, lowest)

    def count(self, cap: int) -> int:
        """Return how many hits there are, at most `cap`: messages, and titles that match."""
        plan = self.plan
        if self.is_hopeless:
            return 0
        if plan.lists_threads:
            return self.listed().order_by().values("pk")[:cap].count()
        lookup = self.lookup()
        count = lookup.count(cap) if plan.reads_messages else 0
        if plan.reads_titles and count < cap:
            count += sum(1 for _title in islice(lookup.titles(newest_first=True), cap - count))
        return count

    def listed(self) -> QuerySet[Thread]:
        """Return the threads that are meant where neither words nor messages are asked for."""
        rows = Thread.objects.filter(trashed_at__isnull=True)
        if self.plan.projects is not None:
            rows = rows.filter(project__in=self.plan.projects)
        for condition in self.plan.on_threads:
            rows = rows.filter(condition)
        return rows


def prepare(query: Query, *, within: QuerySet[Project], now: datetime) -> Prepared:
    """Sort `query` into what the index, key ranges and conditions answer; a query, or a few."""
    scope = scope_of(within)
    connection = scope.connection
    conditions = Conditions(
        now=now,
        projects=scope.named,
        keys_of=_keys_in_sqlite if connection.vendor == "sqlite" else _keys_in_postgres,
    )
    plan = make_plan(query, projects=scope.limits, every_project=scope.every, conditions=conditions)
    return Prepared(scope, connection, plan, conditions.notices)


def _keys_in_sqlite(node: Node, with_aside: bool) -> tuple[str, list[Any]]:
    columns = "body aside" if with_aside else "body"
    return (
        "SELECT rowid FROM search_message WHERE search_message MATCH %s",
        [f"{{{columns}}} : ({fts5(node)})"],
    )


def _keys_in_postgres(node: Node, with_aside: bool) -> tuple[str, list[Any]]:
    aside = "" if with_aside else " AND NOT is_aside"
    return (
        (
            "SELECT search_key FROM search_message"  # noqa: S608 - made of constants
            f" WHERE tsv @@ to_tsquery('public.threadhub', %s){aside}"
        ),
        [tsquery(node)],
    )
