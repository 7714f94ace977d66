"""The questions of a search, asked of FTS5."""

# ruff: noqa: S608 - what enters the statements is made here; values are parameters

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from threads.search.lookups import Entry, Scored
from threads.search.match import fts5
from threads.search.plan import Plan
from threads.search.sqlite_schema import ASIDE_WORD, THREAD_BITS, THREAD_MASK
from threads.search.statements import rows_of, stream_of

# More projects than this in one expression cost more than a look into the message's row.
_MAX_PROJECT_WORDS = 16
# Rows taken from a running query at once; the last again and again. Most pages need 20 to 60.
_CHUNKS = (24, 12, 24, 48, 96, 1_000)
_TITLE_CHUNKS = (4, 20, 80, 1_000)
_TITLES_RANKED = 300  # of a frequent word the newest so many titles: 1 ms, where all took 17
_KEY_SHIFT = THREAD_BITS - 3  # from a thread's key to a message's of the same second


class SqliteLookup:
    def __init__(self, connection: BaseDatabaseWrapper, plan: Plan) -> None:
        self._connection = connection
        self._plan = plan
        self._by_index = plan.text is not None or bool(plan.roles or plan.features)
        self._key = "f.rowid" if self._by_index else "m.search_key"
        self._conditions: list[tuple[str, list[Any]]] | None = None

    def hits(self, *, newest_first: bool) -> Iterator[Entry]:
        source, parameters = self._from(join=True)
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {self._key}, m.thread_id {source} ORDER BY {self._key} {order}"
        return self._stream(sql, parameters, _CHUNKS)

    def best(self, count: int, *, low: int | None = None) -> list[Scored]:
        # Words of project filters would be weighed too, by reading all of their rows.
        source, parameters = self._from(
            join=self._has_conditions(project_words=False), low=low, project_words=False
        )
        # The plus keeps FTS5 from sorting by itself: it sorts all hits with their places, and
        # weighs those that it returns a second time. Only what was kept is joined.
        return self._all(
            f"SELECT h.key, m.thread_id, -h.score FROM (SELECT f.rowid AS key, f.rank AS score"
            f" {source} ORDER BY +f.rank, f.rowid DESC LIMIT {int(count)}) h CROSS JOIN"
            " threads_message m INDEXED BY message_grouping ON m.search_key = h.key"
            " ORDER BY h.score, h.key DESC",
            parameters,
        )

    def count(self, cap: int) -> int:
        source, parameters = self._from(join=self._has_conditions())
        sql = f"SELECT count(*) FROM (SELECT 1 {source} LIMIT {int(cap)})"
        return int(self._all(sql, parameters)[0][0])

    def count_aside(self, cap: int) -> int:
        return SqliteLookup(self._connection, self._plan.aside()).count(cap)

    def newest(self, cap: int) -> tuple[int, int | None]:
        source, parameters = self._from(join=self._has_conditions())
        rows = self._all(
            f"SELECT count(*), min(key) FROM (SELECT {self._key} AS key {source}"
            f" ORDER BY {self._key} DESC LIMIT {int(cap)})",
            parameters,
        )
        count, key = rows[0]
        return count, key if count == cap else None

    about = newest  # 0.1 µs a hit

    def in_threads(self, cap: int, *, newest_first: bool) -> dict[int, int]:
        source, parameters = self._from(join=True)
        order = "DESC" if newest_first else "ASC"
        return dict(
            self._all(
                f"SELECT thread_id, count(*) FROM (SELECT m.thread_id {source}"
                f" ORDER BY {self._key} {order} LIMIT {int(cap)}) GROUP BY thread_id",
                parameters,
            )
        )

    def hits_in(self, spans: Sequence[tuple[int, int, int]], cap: int) -> dict[int, int]:
        source, parameters = self._from(join=True)
        rows = self._all(
            "SELECT json_extract(b.value, '$[0]'), (SELECT count(*) FROM (SELECT 1"
            f" {source} AND {self._key} BETWEEN json_extract(b.value, '$[1]')"
            " AND json_extract(b.value, '$[2]')"
            f" AND m.thread_id = json_extract(b.value, '$[0]') LIMIT {int(cap)}))"
            " FROM json_each(%s) b",
            [*parameters, str([list(span) for span in spans])],
        )
        return dict(rows)

    def titles(self, *, newest_first: bool) -> Iterator[Entry]:
        source, parameters = self._from_titles()
        order = "DESC" if newest_first else "ASC"
        sql = (
            f"SELECT (s.rowid >> {_KEY_SHIFT}) & ~7, s.rowid & {THREAD_MASK} {source}"
            f" ORDER BY s.rowid {order}"
        )
        return self._stream(sql, parameters, _TITLE_CHUNKS)

    def best_titles(self, count: int) -> list[tuple[int, float]]:
        source, parameters = self._from_titles()
        return self._all(
            f"SELECT id, score FROM (SELECT s.rowid & {THREAD_MASK} AS id, -s.rank AS score"
            f" {source} ORDER BY s.rowid DESC LIMIT {_TITLES_RANKED})"
            f" ORDER BY score DESC LIMIT {int(count)}",
            parameters,
        )

    def _has_conditions(self, *, project_words: bool = True) -> bool:
        """Whether rows of messages have to be looked at, beside the index."""
        return not self._by_index or bool(
            self._message_conditions()
            or (self._plan.projects is not None and not (project_words and self._project_words()))
        )

    def _message_conditions(self) -> list[tuple[str, list[Any]]]:
        if self._conditions is None:
            self._conditions = self._plan.message_conditions()
        return self._conditions

    def _from(
        self, *, join: bool, low: int | None = None, project_words: bool = True
    ) -> tuple[str, list[Any]]:
        """FROM and WHERE for the messages that match: `f` is the index, `m` the message."""
        plan = self._plan
        where: list[str] = []
        parameters: list[Any] = []
        words = self._project_words() if project_words and self._by_index else ""
        if self._by_index:
            source = "FROM search_message f"
            if join:
                source += (
                    " CROSS JOIN threads_message m INDEXED BY message_grouping"
                    " ON m.search_key = f.rowid"
                )
            where.append("f.search_message MATCH %s")
            parameters.append(self._match(words))
        else:
            source = "FROM threads_message m INDEXED BY message_grouping"
            where.append("m.search_key > -9e18")
        lows = [bound for bound in (plan.low, low) if bound is not None]
        if lows:
            where.append(f"{self._key} >= {max(lows)}")
        if plan.high is not None:
            where.append(f"{self._key} < {plan.high}")
        if plan.projects is not None and not words:
            where.append(f"m.project_id IN ({_numbers(plan.projects)})")
        for sql, values in self._message_conditions():
            where.append(sql)
            parameters += values
        return f"{source} WHERE {' AND '.join(where)}", parameters

    def _project_words(self) -> str:
        """The part of the expression that keeps to the projects; empty where SQL does it."""
        plan = self._plan
        if plan.projects is None or not plan.projects:
            return ""
        others = plan.every_project - plan.projects
        if len(others) < len(plan.projects) and len(others) <= _MAX_PROJECT_WORDS:
            return f" NOT {{tags}} : ({' OR '.join(_words('p', others))})"
        if len(plan.projects) <= _MAX_PROJECT_WORDS:
            return f" AND {{tags}} : ({' OR '.join(_words('p', plan.projects))})"
        return ""

    def _match(self, project_words: str) -> str:
        plan = self._plan
        columns = "aside" if plan.only_aside else "body aside" if plan.with_aside else "body"
        wanted = []
        if plan.text is not None:
            wanted.append(f"{{{columns}}} : {_bracketed(fts5(plan.text))}")
        if plan.only_aside:
            # Without it a frequent word would be looked through to its end where nothing is aside.
            wanted.append(f"{{tags}} : {ASIDE_WORD}")
        if plan.roles:
            wanted.append(f"{{tags}} : ({' OR '.join(_role_words(plan.roles))})")
        wanted += [f"{{tags}} : ({' OR '.join(_feature_words(bits))})" for bits in plan.features]
        expression = " AND ".join(wanted)
        unwanted = [f"{{{columns}}} : {_bracketed(fts5(node))}" for node in plan.excluded]
        if plan.not_roles:
            unwanted.append(f"{{tags}} : ({' OR '.join(_role_words(plan.not_roles))})")
        if unwanted:
            expression = f"({expression}) NOT ({' OR '.join(unwanted)})"
        return f"({expression}){project_words}" if project_words else expression

    def _from_titles(self) -> tuple[str, list[Any]]:
        plan = self._plan
        if plan.text is None:
            return "FROM search_thread s WHERE 0", []
        named = sorted(plan.places & {"title", "remark"})
        columns = " ".join(named) if named else "title remark other"
        expression = f"{{{columns}}} : {_bracketed(fts5(plan.text))}"
        if plan.excluded:
            unwanted = " OR ".join(fts5(node) for node in plan.excluded)
            expression = f"({expression}) NOT ({{{columns}}} : ({unwanted}))"
        words = self._project_words()
        where = ["s.search_thread MATCH %s"]
        parameters: list[Any] = [f"({expression}){words}" if words else expression]
        if plan.projects is not None and not words:
            where.append(
                f"EXISTS (SELECT 1 FROM threads_thread t WHERE t.id = s.rowid & {THREAD_MASK}"
                f" AND t.project_id IN ({_numbers(plan.projects)}))"
            )
        if plan.on_threads:
            sql, values = plan.thread_condition(f"(s.rowid & {THREAD_MASK})")
            where.append(sql)
            parameters += values
        return f"FROM search_thread s WHERE {' AND '.join(where)}", parameters

    def _all(self, sql: str, parameters: list[Any]) -> list[Any]:
        return rows_of(self._connection, sql, parameters)

    def _stream(self, sql: str, parameters: list[Any], chunks: Sequence[int]) -> Iterator[Any]:
        """Yield rows as SQLite finds them: who stops early has paid for no more."""
        sizes = chain(chunks, repeat(chunks[-1]))
        return stream_of(self._connection, sql, parameters, sizes)


def _bracketed(expression: str) -> str:
    return expression if expression.startswith("(") else f"({expression})"


def _numbers(pks: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(pks)))


def _words(letter: str, pks: frozenset[int]) -> list[str]:
    return [f'"{letter}{pk}"' for pk in sorted(pks)]


def _role_words(roles: frozenset[str]) -> list[str]:
    return [f'"r{role[:2]}"' for role in sorted(roles)]


def _feature_words(bits: int) -> list[str]:
    return [f'"f{1 << power}"' for power in range(7) if bits & (1 << power)]
