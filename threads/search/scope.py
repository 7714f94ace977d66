"""Which projects a search may read, asked once at the price of one small query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet
from django.db.models.expressions import Col
from django.db.models.lookups import Exact
from django.db.models.sql import Query as SqlQuery
from django.db.models.sql.where import WhereNode

from projects.models import Project
from threads.search.statements import rows_of

Sql = tuple[str, tuple[object, ...]]
_KNOWN: dict[tuple[str, str], Sql] = {}  # by kind of database and visibility
_VISIBILITY = Project._meta.get_field("visibility")


@dataclass(frozen=True, slots=True)
class Scope:
    """The permission of a search: `visible` is what it may read of `every` project there is."""

    within: QuerySet[Project]
    every: frozenset[int]
    visible: frozenset[int]
    connection: BaseDatabaseWrapper

    @property
    def limits(self) -> frozenset[int] | None:
        """The projects to keep to; None when all of them may be read."""
        return None if self.every == self.visible else self.visible

    def named(self, values: tuple[str, ...]) -> set[int]:
        """Return the visible projects with one of these short names or names; a query."""
        condition = Q()
        for value in values:
            for column in ("slug", "name"):
                if value.endswith("*") and len(value) > 1:
                    condition |= Q(**{f"{column}__istartswith": value[:-1]})
                else:
                    condition |= Q(**{f"{column}__iexact": value})
        return set(self.within.filter(condition).values_list("pk", flat=True))


def scope_of(within: QuerySet[Project]) -> Scope:
    """Return what a search in the projects of `within` may read; one query."""
    connection = connections[within.db]
    query = within.query
    is_plain = (
        not (query.is_sliced or query.combinator or query.distinct or query.extra)
        and query.group_by is None
        and len(query.alias_map) <= 1
        and not query.annotations
    )
    if not is_plain:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM projects_project")
            every = frozenset(row[0] for row in cursor.fetchall())
        # Asked second: a project made in between is visible, or in neither.
        visible = frozenset(within.order_by().values_list("pk", flat=True))
        return Scope(within, every, visible, connection)
    condition, parameters = _condition(query, connection)
    rows = rows_of(
        connection,
        f"SELECT id, {condition} FROM projects_project",  # noqa: S608
        parameters,
    )
    every = frozenset([pk for pk, _may in rows])
    return Scope(within, every, frozenset([pk for pk, may in rows if may]), connection)


def _condition(query: SqlQuery, connection: BaseDatabaseWrapper) -> Sql:
    """Return what `query` asks of a project; the whole takes longer to compile than to run."""
    # What visitors and administrators may see is the same, time after time.
    simple = _simple(query.where)
    if simple is None:
        return _compiled(query, connection)
    known = _KNOWN.get((connection.vendor, simple))
    if known is None:
        known = _KNOWN[connection.vendor, simple] = _compiled(query, connection)
    return known


def _simple(where: WhereNode) -> str | None:
    """Return the visibility that is asked for, "" for any; None where it asks for more."""
    children: list[Any] = list(where.children)
    if not children:
        return ""
    if where.negated or len(children) > 1 or type(children[0]) is not Exact:
        return None
    column, value = children[0].lhs, children[0].rhs
    is_visibility = isinstance(column, Col) and column.target is _VISIBILITY
    return str(value) if is_visibility and isinstance(value, str) else None


def _compiled(query: SqlQuery, connection: BaseDatabaseWrapper) -> Sql:
    try:
        sql, parameters = query.get_compiler(connection=connection).compile(query.where)
    except EmptyResultSet:
        return "1 = 0", ()
    except FullResultSet:
        return "1 = 1", ()
    return sql or "1 = 1", tuple(parameters)
