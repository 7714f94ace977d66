"""The questions of a search, asked of PostgreSQL's text search."""

# ruff: noqa: S608 - what enters the statements is made here; values are parameters

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.lookups import Entry, Scored
from threads.search.match import tsquery
from threads.search.plan import Plan
from threads.search.statements import rows_of

_QUERY = "to_tsquery('public.threadhub', %s)"
_CHUNK = 1_000
_KEY_SHIFT = 25  # from a thread's key to a message's of the same second; see sqlite_schema.py
# A word in less than this share of the rows is looked up and its rows sorted; a more frequent
# one is met soon enough when the rows are read in the order of time. Left to itself the
# planner takes rare words for frequent ones and reads the whole table: 102 ms, not 1.5.
_RARE = 0.02
_SAMPLE = 1_000  # newest hits that tell how frequent a frequent word is; of 200, others were rare


class PostgresLookup:
    def __init__(self, connection: BaseDatabaseWrapper, plan: Plan) -> None:
        self._connection = connection
        self._plan = plan
        self._frequent: bool | None = None
        self._all_hits: list[Entry] | None = None  # where they came at once

    def hits(self, *, newest_first: bool) -> Iterator[Entry]:
        order = "DESC" if newest_first else "ASC"
        sign = "<" if newest_first else ">"
        source, parameters = self._from()
        after: list[Any] = []
        chunk = _CHUNK
        while True:
            further = f" AND m.search_key {sign} %s" if after else ""
            rows = self._all(
                f"WITH h AS {self._kept()} (SELECT m.search_key, m.thread_id {source}{further})"
                f" SELECT search_key, thread_id FROM h ORDER BY search_key {order} LIMIT {chunk}",
                [*parameters, *after],
            )
            if len(rows) < chunk and not after:
                self._all_hits = rows
            yield from rows
            if len(rows) < chunk:
                return
            after, chunk = [rows[-1][0]], chunk * 4

    def best(self, count: int, *, low: int | None = None) -> list[Scored]:
        source, parameters = self._from(low=low)
        text = self._plan.text
        return self._all(
            # 1 + 32: long texts count less, and the rank lies between 0 and 1.
            f"SELECT m.search_key, m.thread_id, ts_rank(m.tsv, {_QUERY}, 1) AS score {source}"
            f" ORDER BY score DESC, m.search_key DESC LIMIT {int(count)}",
            [tsquery(text) if text else "", *parameters],
        )

    def count(self, cap: int) -> int:
        if self._all_hits is not None:
            return min(len(self._all_hits), cap)
        source, parameters = self._from()
        return int(
            self._all(f"SELECT count(*) FROM (SELECT 1 {source} LIMIT {int(cap)}) h", parameters)[
                0
            ][0]
        )

    def count_aside(self, cap: int) -> int:
        return PostgresLookup(self._connection, self._plan.aside()).count(cap)

    def newest(self, cap: int) -> tuple[int, int | None]:
        source, parameters = self._from()
        rows = self._all(
            f"WITH h AS {self._kept()} (SELECT m.search_key {source})"
            " SELECT count(*), min(search_key) FROM (SELECT search_key FROM h"
            f" ORDER BY search_key DESC LIMIT {int(cap)}) n",
            parameters,
        )
        count, key = rows[0]
        return count, key if count == cap else None

    def about(self, cap: int) -> tuple[int, int | None]:
        """As newest(), for frequent words from how far back the newest thousand hits reach.

        To read on until the eight thousandth took 8 to 48 ms a word: a word with fewer, but too
        many to be looked up and sorted, is looked for in every text.
        """
        if cap <= _SAMPLE or not self._is_frequent():
            return self.newest(cap)
        count, key = self.newest(_SAMPLE)
        if key is None:
            return count, None
        ((first, last),) = self._all(
            "SELECT (SELECT min(search_key) FROM search_message),"
            " (SELECT max(search_key) FROM search_message)",
            [],
        )
        first = max(first, first if self._plan.low is None else self._plan.low)
        last = min(last, last if self._plan.high is None else self._plan.high)
        a_hit = (last - key) / _SAMPLE  # keys from one hit to the next
        if a_hit * cap > last - first:
            return max(count, round((last - first) / a_hit)), None
        return cap, round(last - a_hit * cap)

    def in_threads(self, cap: int, *, newest_first: bool) -> dict[int, int]:
        if self._all_hits is not None and len(self._all_hits) <= cap:
            return Counter([thread for _key, thread in self._all_hits])
        source, parameters = self._from()
        order = "DESC" if newest_first else "ASC"
        return dict(
            self._all(
                f"WITH h AS {self._kept()} (SELECT m.search_key, m.thread_id {source})"
                " SELECT thread_id, count(*) FROM (SELECT thread_id FROM h"
                f" ORDER BY search_key {order} LIMIT {int(cap)}) n GROUP BY thread_id",
                parameters,
            )
        )

    def hits_in(self, spans: Sequence[tuple[int, int, int]], cap: int) -> dict[int, int]:
        source, parameters = self._from()
        rows = self._all(
            f"SELECT m.thread_id, least(count(*), {int(cap)}) {source}"
            " AND m.thread_id = ANY(%s) GROUP BY m.thread_id",
            [*parameters, [thread for thread, _first, _last in spans]],
        )
        return dict(rows)

    def titles(self, *, newest_first: bool) -> Iterator[Entry]:
        source, parameters = self._from_titles()
        order = "DESC" if newest_first else "ASC"
        yield from self._all(
            f"SELECT (s.thread_key >> {_KEY_SHIFT}) & ~7::bigint, s.thread_id {source}"
            f" ORDER BY s.thread_key {order} LIMIT 5000",
            parameters,
        )

    def best_titles(self, count: int) -> list[tuple[int, float]]:
        text = self._plan.text
        if text is None:
            return []
        source, parameters = self._from_titles()
        return self._all(
            f"SELECT s.thread_id, ts_rank(s.tsv, {_QUERY}, 1) AS score {source}"
            f" ORDER BY score DESC, s.thread_key DESC LIMIT {int(count)}",
            [tsquery(text), *parameters],
        )

    def _kept(self) -> str:
        return "" if self._is_frequent() else "MATERIALIZED"

    def _is_frequent(self) -> bool:
        """Whether the planner expects many rows; asks it once."""
        if self._frequent is None:
            source, parameters = self._from()
            with self._connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT 1 {source}", parameters)
                plan = cursor.fetchone()[0]
                cursor.execute(
                    "SELECT reltuples FROM pg_class WHERE oid = 'search_message'::regclass"
                )
                total = cursor.fetchone()[0]
            rows = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"]
            self._frequent = rows > max(1_000, _RARE * total)
        return self._frequent

    def _from(self, *, low: int | None = None) -> tuple[str, list[Any]]:
        """FROM and WHERE for the messages that match; `m` is the index's row."""
        plan = self._plan
        where = ["TRUE"]
        parameters: list[Any] = []
        if plan.text is not None:
            where.append(f"m.tsv @@ {_QUERY}")
            parameters.append(_without(tsquery(plan.text), plan))
        if plan.only_aside:
            where.append("m.is_aside")
        elif not plan.with_aside and (plan.text is not None or plan.roles or plan.features):
            where.append("NOT m.is_aside")
        for sign, roles in (("=", plan.roles), ("<>", plan.not_roles)):
            if roles:
                where.append(f"m.role {sign} {'ANY' if sign == '=' else 'ALL'}(%s)")
                parameters.append(sorted(roles))
        where += [f"m.features & {bits} <> 0" for bits in plan.features]
        lows = [bound for bound in (plan.low, low) if bound is not None]
        if lows:
            where.append(f"m.search_key >= {max(lows)}")
        if plan.high is not None:
            where.append(f"m.search_key < {plan.high}")
        if plan.projects is not None:
            where.append("m.project_id = ANY(%s)")
            parameters.append(sorted(plan.projects))
        for sql, values in plan.message_conditions():
            where.append(sql)
            parameters += values
        return f"FROM search_message m WHERE {' AND '.join(where)}", parameters

    def _from_titles(self) -> tuple[str, list[Any]]:
        plan = self._plan
        if plan.text is None:
            return "FROM search_thread s WHERE FALSE", []
        weights = ("A" if "title" in plan.places else "") + ("B" if "remark" in plan.places else "")
        where = [f"s.tsv @@ {_QUERY}"]
        parameters: list[Any] = [_without(tsquery(plan.text, weights), plan)]
        if plan.projects is not None:
            where.append("s.project_id = ANY(%s)")
            parameters.append(sorted(plan.projects))
        if plan.on_threads:
            sql, values = plan.thread_condition("s.thread_id")
            where.append(sql)
            parameters += values
        return f"FROM search_thread s WHERE {' AND '.join(where)}", parameters

    def _all(self, sql: str, parameters: list[Any]) -> list[Any]:
        return rows_of(self._connection, sql, parameters)


def _without(expression: str, plan: Plan) -> str:
    return " & ".join([expression, *(f"!{tsquery(node)}" for node in plan.excluded)])
