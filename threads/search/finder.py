"""The search itself: one function for the page, the API, exports and the command line."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db import connections
from django.db.models import F, Min, Q, QuerySet
from django.utils.translation import gettext as _

from projects.models import Project
from threads.models import Message, Thread
from threads.search import rows as page_rows
from threads.search.conditions import Conditions
from threads.search.excerpts import Marker
from threads.search.keys import key_for
from threads.search.lookup_postgres import PostgresLookup
from threads.search.lookup_sqlite import SqliteLookup
from threads.search.lookups import Entry, Lookup, Scored
from threads.search.match import fts5, tsquery
from threads.search.plan import Plan, make_plan
from threads.search.query import And, Node, Notice, Or, Phrase, Prefix, Query, Token, Word, walk
from threads.search.ranking import any_of, either, with_neighbours, with_recency
from threads.search.results import Hit, SearchPage, ThreadHits
from threads.search.sentences import explain, localised

COUNT_CAP = 10_000  # messages are counted so far; more are told as "10,000+"
THREAD_CAP = 1_000  # messages whose threads are counted, at 0.7 µs each
RANK_ALL = 20_000  # hits that are ranked all; 1.8 µs each
RANK_NEWEST = 2_000  # of more than these, the newest so many are
BEST = 200  # messages among which the best threads are found, for the first pages
DEEPEST = 5_000  # messages that are ranked or sorted for later pages
SCAN_ROWS = 20_000  # messages whose text a slow scan looks at
SCAN_SECONDS = 2.0  # and for how long
MAX_LIMIT = 200
HITS_SHOWN = 3  # in a thread
_HIT_CAP = 500  # hits that are counted within one thread
_TITLE_SHARE = 0.3  # of a title's score on top of its thread's best message
_MIN_PREFIX = 3  # letters of the last word that may be read as a beginning
_BATCH = 60  # messages that are verified at once
_FAR = 1 << 62


@dataclass(slots=True)
class _Found:
    """A thread on its way to the page: the keys of its hits, best first."""

    thread: int
    order: tuple[float, int]  # what the page is sorted by, highest first
    keys: list[int] = field(default_factory=list)
    score: float | None = None


class _Tally:
    """Counts: the first thousand hits and titles tell the threads and the hits in each."""

    def __init__(self, lookup: Lookup, plan: Plan, *, newest_first: bool = True) -> None:
        self._lookup = lookup
        self.is_asked = plan.reads_messages
        self._hits = lookup.hits(newest_first=newest_first) if plan.reads_messages else iter(())
        self._titles = lookup.titles(newest_first=newest_first) if plan.reads_titles else iter(())
        self.head = list(islice(self._hits, THREAD_CAP))
        self.titles = list(islice(self._titles, THREAD_CAP))
        self.in_thread = Counter(thread for _key, thread in self.head)

    @property
    def is_complete(self) -> bool:
        """Whether every hit is among those that were read."""
        return len(self.head) < THREAD_CAP and len(self.titles) < THREAD_CAP

    def hits(self) -> Iterator[Entry]:
        return chain(self.head, self._hits)

    def all_titles(self) -> Iterator[Entry]:
        return chain(self.titles, self._titles)

    def messages(self) -> int:
        """Return the number of messages, at most COUNT_CAP + 1; a query when there are many."""
        if len(self.head) < THREAD_CAP:
            return len(self.head)
        return self._lookup.count(COUNT_CAP + 1)

    def threads(self) -> int:
        """Return of how many threads the hits that were read are."""
        return len(self.in_thread.keys() | {thread for _key, thread in self.titles})


@dataclass(slots=True)
class _Answer:
    """What one way of searching brought: the page's rows and whether there are more."""

    found: list[_Found]
    next: dict[str, Any] | None = None
    ranking: str = "exact"
    is_cut: bool = False  # rows were dropped or not looked at, so counts are not exact
    plan: Plan | None = None  # with the text that was searched in the end
    tally: _Tally | None = None


def find(
    query: Query,
    *,
    within: QuerySet[Project],
    sort: str = "",
    group: str = "thread",
    match: str = "all",
    limit: int = 20,
    cursor: str | None = None,
    now: datetime,
    allow_scans: bool = True,
    archived_after: int | None = None,
) -> SearchPage:
    """Return one page of what `query` finds in the projects of `within`, and in nothing else.

    `within` is the permission: give `Project.objects.visible_to(user)`. `sort` counts where the
    query says nothing: "" is relevance with words and newest without. `match` "any": messages
    with some of the words will do; this is also the answer when none has all of them.
    `limit` is the number of threads (messages with group "message"), at most 200. `cursor` comes
    from the page before. Slow scans are refused unless `allow_scans`. The number of queries does
    not depend on `limit`. With `archived_after` only messages with a higher id than that count,
    and no other words will do. :raises ValueError: when the cursor is none of ours.
    """
    started = time.perf_counter()
    search = Search(
        query,
        within=within,
        order=query.sort or sort or query.order,
        group=query.group or group,
        limit=max(1, min(limit, MAX_LIMIT)),
        after=_read_cursor(cursor),
        now=now,
    )
    if archived_after is not None:
        search.keep_to_new(archived_after)
    if query.needs_scan and not allow_scans:
        return search.refused(started)
    answer = search.run(match)
    return search.page(answer, started)


class Search:
    """One query on its way through the index: its plan, and the ways to answer it."""

    def __init__(
        self,
        query: Query,
        *,
        within: QuerySet[Project],
        order: str,
        group: str,
        limit: int,
        after: dict[str, Any],
        now: datetime,
    ) -> None:
        self.query, self.order, self.group, self.limit = query, order, group, limit
        self.after, self.now = after, now
        self.connection = connections[within.db]
        self.lookup: type[Lookup] = (
            SqliteLookup if self.connection.vendor == "sqlite" else PostgresLookup
        )
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT id FROM projects_project")
            every = frozenset(row[0] for row in cursor.fetchall())
        # Asked second: a project made in between is visible, or in neither.
        self.visible = frozenset(within.order_by().values_list("pk", flat=True))
        self.within = within
        self.conditions = Conditions(now=now, projects=self._projects_named, keys_of=self._keys_of)
        self.plan = make_plan(
            query,
            projects=None if every == self.visible else self.visible,
            every_project=every,
            conditions=self.conditions,
        )
        self.marker = Marker(query.terms)
        self.is_exact = False  # whether all that was asked must hold, or nothing is found

    def _projects_named(self, values: tuple[str, ...]) -> set[int]:
        condition = Q()
        for value in values:
            for column in ("slug", "name"):
                if value.endswith("*") and len(value) > 1:
                    condition |= Q(**{f"{column}__istartswith": value[:-1]})
                else:
                    condition |= Q(**{f"{column}__iexact": value})
        return set(self.within.filter(condition).values_list("pk", flat=True))

    def _keys_of(self, node: Node, with_aside: bool) -> tuple[str, list[Any]]:
        if self.connection.vendor == "sqlite":
            columns = "body aside" if with_aside else "body"
            return (
                "SELECT rowid FROM search_message WHERE search_message MATCH %s",
                [f"{{{columns}}} : ({fts5(node)})"],
            )
        aside = "" if with_aside else " AND NOT is_aside"
        return (
            (
                "SELECT search_key FROM search_message"  # noqa: S608 - made of constants
                f" WHERE tsv @@ to_tsquery('public.threadhub', %s){aside}"
            ),
            [tsquery(node)],
        )

    def keep_to_new(self, message: int) -> None:
        """Search only among messages with a higher id than `message`; one query."""
        newer = Message.objects.filter(pk__gt=message)
        # Most are of the last minutes, so that the index has little to read.
        lowest = newer.aggregate(lowest=Min("search_key"))["lowest"]
        plan = self.plan
        plan.on_messages.append(Q(pk__gt=message))
        if lowest is not None:
            plan.low = lowest if plan.low is None else max(plan.low, lowest)
        self.is_exact = True

    def count(self, cap: int) -> int:
        """Return how many hits there are, at most `cap`: messages, and titles that match."""
        plan = self.plan
        if not self.visible or (plan.projects is not None and not plan.projects):
            return 0
        if plan.lists_threads:
            return self.listed().order_by().values("pk")[:cap].count()
        lookup = self.lookup(self.connection, plan)
        count = lookup.count(cap) if plan.reads_messages else 0
        if plan.reads_titles and count < cap:
            count += sum(1 for _title in islice(lookup.titles(newest_first=True), cap - count))
        return count

    # Ways of searching.

    def run(self, match: str) -> _Answer:
        if not self.visible or (self.plan.projects is not None and not self.plan.projects):
            return _Answer([])
        if self.plan.lists_threads:
            return self.threads()
        way = self.after.get("w", "")
        if match == "any" or way == "any":
            return self.any_word()
        if way == "prefix":
            return self.last_word_begun() or _Answer([])
        answer = self.all_words(self.plan)
        if answer.found or self.after or self.plan.text is None or self.is_exact:
            return answer
        return self.last_word_begun() or self._some_words() or answer

    def all_words(self, plan: Plan) -> _Answer:
        if self.order in {"longest", "tokens"}:
            answer = self.sized(plan)
        elif self.order == "relevance" and plan.text is not None:
            answer = self.best(plan)
        else:
            answer = self.in_time(plan)
        answer.plan = plan
        return answer

    def last_word_begun(self) -> _Answer | None:
        """Search with the last word as a beginning: people type on while they look."""
        text = self.plan.text
        children = text.children if isinstance(text, And) else (text,)
        last = children[-1]
        if not isinstance(last, Word) or len(last.text) < _MIN_PREFIX:
            return None
        begun = (*children[:-1], Prefix(last.text))
        plan = self.plan.with_text(begun[0] if len(begun) == 1 else And(begun))
        self.marker = Marker([*self.query.terms, Prefix(last.text)])
        answer = self.all_words(plan)
        if not answer.found:
            self.marker = Marker(self.query.terms)
            return None
        answer.ranking = "prefix"
        if answer.next:
            answer.next["w"] = "prefix"
        return answer

    def _some_words(self) -> _Answer | None:
        """Search for any of the words, where there are several that need not be together."""
        text = self.plan.text
        if not isinstance(text, And) or not all(
            isinstance(child, (Word, Phrase, Prefix, Token)) for child in text.children
        ):
            return None
        answer = self.any_word()
        return answer if answer.found else None

    def any_word(self) -> _Answer:
        """The rarest words first, ranked by all, and what stands beside them."""
        lookup = self.lookup

        def count(term: Node, cap: int) -> int:
            bare = Plan(projects=None, every_project=frozenset(), with_aside=self.plan.with_aside)
            return lookup(self.connection, bare.with_text(term)).count(cap)

        terms = [
            node
            for node in walk(self.plan.text, into_not=False)
            if isinstance(node, (Word, Phrase, Prefix, Token))
        ]
        if not terms:
            return self.all_words(self.plan)
        # When no message has a word of it, a title may.
        rare, others = any_of(terms, count) or (terms, [])
        plan = self.plan.with_text(either(list(rare)))
        if self.order != "relevance":
            answer = self.all_words(plan)
        else:
            answer = self.best(plan, others=others, mix=True)
        answer.plan, answer.ranking = plan, "any_word"
        if answer.next:
            answer.next["w"] = "any"
        return answer

    def in_time(self, plan: Plan) -> _Answer:
        """Newest or oldest first: read the hits in the order of time until the page is full."""
        newest_first = self.order != "oldest"
        sign = 1 if newest_first else -1
        lookup = self.lookup(self.connection, plan)
        streams: list[Generator[tuple[int, int, bool]]] = []
        tally = _Tally(lookup, plan, newest_first=newest_first)
        state = _Answer([], tally=tally)
        if plan.reads_messages:
            hits = tally.hits()
            verify = self._verifier(plan, state)
            streams.append(
                (key, thread, True) for key, thread in (verify(hits) if verify else hits)
            )
        if plan.reads_titles and self.group == "thread":
            streams.append((key, thread, False) for key, thread in tally.all_titles())
        merged: Iterable[tuple[int, int, bool]] = (
            streams[0]
            if len(streams) == 1
            else heapq.merge(*streams, key=lambda row: (-sign * row[0], row[1]))
        )
        bound = (sign * self.after["k"], -self.after["t"]) if "k" in self.after else None
        by_message = self.group == "message"
        found: dict[int, _Found] = {}
        seen: set[int] = set()
        for key, thread, is_message in merged:
            name = key if by_message else thread
            if name in found:
                if is_message:
                    found[name].keys.append(key)
                continue
            if bound is not None and name not in seen and (sign * key, -thread) >= bound:
                seen.add(name)  # on a page before this one
            if name in seen:
                continue
            if len(found) == self.limit:
                last = next(reversed(found.values()))
                state.next = {"k": int(sign * last.order[0]), "t": last.thread}
                break
            found[name] = _Found(thread, (sign * key, thread), [key] if is_message else [])
        for stream in streams:
            stream.close()
        state.found = list(found.values())
        return state

    def best(self, plan: Plan, *, others: Sequence[Node] = (), mix: bool = False) -> _Answer:
        """Best first: all hits by BM25, or the newest of very many.

        `others` are words that count for the rank of what has been found without them.
        """
        ranked_by = plan.text
        if others and plan.text is not None:
            every: list[Node] = [*_alternatives(plan.text), *others]
            ranked_by = And((plan.text, either(every)))
        ranking = self.lookup(self.connection, replace(plan, text=ranked_by))
        lookup = self.lookup(self.connection, plan)
        offset = int(self.after.get("o", 0))
        depth = min(DEEPEST, max(BEST, (offset + self.limit + 1) * 5))
        tally = _Tally(lookup, plan)
        answer = _Answer([], tally=tally)
        rows: list[Scored] = []
        if plan.reads_messages:
            low = None
            if not tally.is_complete and lookup.count(RANK_ALL + 1) > RANK_ALL:
                low = lookup.key_of_nth(RANK_NEWEST)
                answer.ranking = "newest"
            rows = ranking.best(depth, low=low)
            if verify := self._verifier(plan, answer):
                kept = {key for key, _thread in verify((row[0], row[1]) for row in rows)}
                rows = [row for row in rows if row[0] in kept]
            rows = with_neighbours(self.connection, rows) if mix else rows
            rows = with_recency(rows, key_for(self.now))
        found: dict[int, _Found] = {}
        for key, thread, score in rows:
            name = key if self.group == "message" else thread
            entry = found.get(name)
            if entry is None:
                found[name] = _Found(thread, (score, key), [key], score)
            else:
                entry.keys.append(key)
        if plan.reads_titles and self.group == "thread":
            for thread, score in lookup.best_titles(depth):
                entry = found.get(thread)
                if entry is None:
                    found[thread] = _Found(thread, (score, -thread), [], score)
                else:
                    total = (entry.score or 0.0) + _TITLE_SHARE * score
                    entry.score, entry.order = total, (total, entry.order[1])
        ranked = sorted(found.values(), key=lambda entry: entry.order, reverse=True)
        answer.found = ranked[offset : offset + self.limit]
        if len(ranked) > offset + self.limit and offset + self.limit < DEEPEST:
            answer.next = {"o": offset + self.limit}
        return answer

    def sized(self, plan: Plan) -> _Answer:
        """The longest threads first, among those of the newest few thousand hits."""
        lookup = self.lookup(self.connection, plan)
        state = _Answer([], tally=_Tally(lookup, plan))
        keys: dict[int, list[int]] = {}
        if plan.reads_messages:
            hits = lookup.hits(newest_first=True)
            verify = self._verifier(plan, state)
            read = 0
            for key, thread in islice(verify(hits) if verify else hits, DEEPEST + 1):
                read += 1
                keys.setdefault(thread, []).append(key)
            state.is_cut = state.is_cut or read > DEEPEST
        if plan.reads_titles:
            for _key, thread in islice(lookup.titles(newest_first=True), DEEPEST):
                keys.setdefault(thread, [])
        column = "message_count" if self.order == "longest" else "total_tokens"
        sizes = dict(
            Thread.objects.filter(project__in=self.visible).values_list("pk", column)
            if len(keys) > DEEPEST // 2
            else Thread.objects.filter(pk__in=list(keys)).values_list("pk", column)
        )
        ranked = sorted(
            (
                _Found(thread, (sizes.get(thread) or 0, thread), hits)
                for thread, hits in keys.items()
            ),
            key=lambda entry: entry.order,
            reverse=True,
        )
        offset = int(self.after.get("o", 0))
        state.found = ranked[offset : offset + self.limit]
        if len(ranked) > offset + self.limit:
            state.next = {"o": offset + self.limit}
        return state

    def threads(self) -> _Answer:
        """Threads by their own columns, without a word to look for."""
        rows = self.listed()
        column, is_falling = {
            "oldest": ("created_at", False),
            "longest": ("message_count", True),
            "tokens": ("total_tokens", True),
        }.get(self.order, ("last_message_timestamp", True))
        # Those without a value come last, on both databases; the offset goes on with them.
        offset = int(self.after.get("o", 0))
        order = F(column).desc(nulls_last=True) if is_falling else F(column).asc(nulls_last=True)
        pks = list(
            rows.order_by(order, F("pk").desc()).values_list("pk", flat=True)[
                offset : offset + self.limit + 1
            ]
        )
        following = {"o": offset + self.limit} if len(pks) > self.limit else None
        return _Answer(
            [_Found(pk, (0, 0)) for pk in pks[: self.limit]], next=following, plan=self.plan
        )

    def listed(self) -> QuerySet[Thread]:
        """Return the threads that the plan means by their own columns, in no order."""
        rows = Thread.objects.filter(trashed_at__isnull=True)
        if self.plan.projects is not None:
            rows = rows.filter(project__in=self.plan.projects)
        for condition in self.plan.on_threads:
            rows = rows.filter(condition)
        return rows

    # Phrases and scans are looked up in the text itself.

    def _verifier(
        self, plan: Plan, answer: _Answer
    ) -> Callable[[Iterable[tuple[int, int]]], Iterator[tuple[int, int]]] | None:
        """Return what drops hits whose text does not hold what was asked; None: nothing to do.

        The index knows stems, so "late delivery" also brings "late deliveries"; substrings and
        regular expressions it does not know at all.
        """
        phrases = [Marker([node]) for node in _conjunct_phrases(plan.text)]
        if not phrases and not plan.predicates:
            return None

        def holds(text: str) -> bool:
            return all(marker.spans(text) for marker in phrases) and all(
                predicate(text) for predicate in plan.predicates
            )

        def verified(rows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
            deadline = time.monotonic() + SCAN_SECONDS
            rows = iter(rows)
            read, size = 0, _BATCH
            while batch := list(islice(rows, size)):
                texts = self.texts([key for key, _thread in batch])
                for row in batch:
                    if time.monotonic() > deadline:
                        answer.is_cut = True
                        return
                    if holds(texts.get(row[0], "")):
                        yield row
                    else:
                        answer.is_cut = True
                read, size = read + len(batch), min(size * 4, 2_000)
                if read >= SCAN_ROWS:
                    answer.is_cut = True
                    return

        return verified

    def texts(self, keys: list[int]) -> dict[int, str]:
        """Return the texts of messages by search key; one query."""
        numbers = ", ".join(map(str, keys))
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT search_key, text FROM threads_message"  # noqa: S608 - numbers
                f" WHERE search_key IN ({numbers})"
            )
            return dict(cursor.fetchall())

    # The page.

    def page(self, answer: _Answer, started: float) -> SearchPage:
        plan = answer.plan or self.plan
        threads = page_rows.threads(
            self.connection, dict.fromkeys(entry.thread for entry in answer.found)
        )
        shown = 1 if self.group == "message" else HITS_SHOWN
        messages = page_rows.messages(
            self.connection, [key for entry in answer.found for key in entry.keys[:shown]]
        )
        counts = self._hit_counts(plan, answer)
        results = []
        for entry in answer.found:
            thread = threads.get(entry.thread)
            if thread is None or thread.project_id not in self.visible:
                continue
            hits = tuple(self._hit(messages[key]) for key in entry.keys[:shown] if key in messages)
            results.append(
                ThreadHits(
                    thread=thread,
                    hits=hits,
                    hit_count=max(counts.get(entry.thread, 0), len(entry.keys)),
                    score=None if entry.score is None else round(entry.score, 4),
                    title=self.marker.marked(thread.title) if thread.title else "",
                    remark=self.marker.snippet(thread.remark) if thread.remark else "",
                )
            )
        total_messages, total_threads, is_exact = self._totals(plan, answer)
        aside = 0
        is_whole = plan.text is not None and not plan.with_aside and plan.reads_messages
        if is_whole and answer.tally and answer.ranking != "any_word":
            aside = self.lookup(self.connection, plan.aside()).count(THREAD_CAP)
        return SearchPage(
            results=tuple(results),
            total_threads=max(total_threads, len({entry.thread for entry in answer.found})),
            total_messages=total_messages,
            total_is_exact=is_exact,
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            explanation=self._explanation(),
            notices=(
                *map(localised, self.query.notices),
                *self.conditions.notices,
            ),
            ranking=answer.ranking,
            hidden_tool_hits=aside,
            next_cursor=_write_cursor(answer.next),
        )

    def refused(self, started: float) -> SearchPage:
        notice = Notice(
            code="scan_refused",
            message=_("Sign in to search by regular expression or inside words."),
            is_error=True,
        )
        return SearchPage(
            results=(),
            total_threads=0,
            total_messages=0,
            total_is_exact=True,
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            explanation=self._explanation(),
            notices=(*map(localised, self.query.notices), notice),
        )

    def _explanation(self) -> str:
        """Say what was searched, in the order that was used in the end."""
        is_ranked = self.plan.text is not None
        order = "newest" if self.order == "relevance" and not is_ranked else self.order
        return explain(replace(self.query, sort=order, group=self.group))

    def _totals(self, plan: Plan, answer: _Answer) -> tuple[int, int, bool]:
        """Messages, threads, and whether both are exact."""
        tally = answer.tally
        if tally is not None:
            messages = tally.messages()
            is_exact = tally.is_complete and not answer.is_cut
            return min(messages, COUNT_CAP), tally.threads(), is_exact
        if not answer.found and not self.after:
            return 0, 0, True
        threads = self.listed().order_by().values("pk")[: COUNT_CAP + 1].count()
        return 0, min(threads, COUNT_CAP), threads <= COUNT_CAP

    def _hit_counts(self, plan: Plan, answer: _Answer) -> dict[int, int]:
        """Hits in each thread of the page; of very frequent words in the newest ones only."""
        tally = answer.tally
        if tally is None or not tally.is_asked or self.group == "message":
            return {}
        is_by_time = self.order in {"newest", "oldest"}
        if tally.is_complete or is_by_time or answer.ranking == "any_word" or not answer.found:
            return tally.in_thread
        numbers = ", ".join(str(entry.thread) for entry in answer.found)
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT thread_id, min(search_key), max(search_key) FROM threads_message"  # noqa: S608
                f" WHERE thread_id IN ({numbers}) GROUP BY thread_id"
            )
            spans = cursor.fetchall()
        return self.lookup(self.connection, plan).hits_in(spans, _HIT_CAP)

    def _hit(self, row: tuple[Any, ...]) -> Hit:
        _key, pk, remote_id, position, role, kind, created_at, text = row
        return Hit(
            pk=pk,
            message_id=remote_id,
            position=position,
            role=role,
            kind=kind,
            created_at=created_at,
            snippet=self.marker.snippet(text),
        )


def _alternatives(node: Node) -> tuple[Node, ...]:
    return node.children if isinstance(node, Or) else (node,)


def _conjunct_phrases(text: Node | None) -> list[Phrase]:
    """Phrases that every hit must hold; those inside OR are left to the index."""
    nodes = text.children if isinstance(text, And) else (text,)
    return [node for node in nodes if isinstance(node, Phrase)]


def _write_cursor(values: dict[str, Any] | None) -> str | None:
    if values is None:
        return None
    packed = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> dict[str, Any]:
    if not cursor:
        return {}
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = {
            name: str(value) if name == "w" else int(value)
            for name, value in values.items()
            if name in {"k", "t", "o", "w"}
        }
    except (ValueError, TypeError, AttributeError, binascii.Error) as problem:
        raise ValueError(_("This cursor cannot be read.")) from problem
    if any(abs(value) > _FAR for value in read.values() if isinstance(value, int)):
        raise ValueError(_("This cursor cannot be read."))
    if "k" in read and "t" not in read:
        raise ValueError(_("This cursor cannot be read."))
    return read
