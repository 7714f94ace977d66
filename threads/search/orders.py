"""The orders of a page of results: by time, by relevance, by size, or as threads are listed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db.models import F

from threads.models import Thread
from threads.search.keys import key_for
from threads.search.lookups import Lookup, Scored
from threads.search.plan import Plan
from threads.search.prepared import Prepared
from threads.search.query import And, Node, Or
from threads.search.ranking import either, with_neighbours, with_recency
from threads.search.statements import rows_of
from threads.search.tally import COUNT_CAP, Counts, Tally, counts_of
from threads.search.texts import Verifier

RANK_ALL = 20_000  # hits that are ranked all; 1.8 µs each
RANK_NEWEST = 1_000  # of more than these, the newest so many are
BEST = 200  # messages among which the best threads are found, for the first pages
DEEPEST = 5_000  # messages that are ranked or sorted for later pages
LISTED_CAP = 10_000  # threads that are counted where neither words nor messages are asked for
_HIT_CAP = 500  # hits that are counted within one thread
_TITLE_SHARE = 0.3  # of a title's score on top of its thread's best message


@dataclass(slots=True)
class Found:
    """A thread on its way to the page: the keys of its hits, best first."""

    thread: int
    order: tuple[float, int]  # what the page is sorted by, highest first
    keys: list[int] = field(default_factory=list)
    score: float | None = None


@dataclass(slots=True)
class Answer:
    """What one way of searching brought: the page's rows and whether there are more."""

    found: list[Found]
    plan: Plan  # with the text that was searched in the end
    counts: Counts
    next: dict[str, Any] | None = None
    ranking: str = "exact"


@dataclass(frozen=True, slots=True)
class Wish:
    """How the results are wanted: `after` is what the cursor of the page before said."""

    order: str
    group: str
    limit: int
    after: dict[str, Any]
    now: datetime

    @property
    def is_by_message(self) -> bool:
        return self.group == "message"

    @property
    def offset(self) -> int:
        return int(self.after.get("o", 0))

    def page_of(self, ranked: Sequence[Found]) -> tuple[list[Found], dict[str, Any] | None]:
        """Cut the page out of what was ranked; and say where the next one begins."""
        end = self.offset + self.limit
        return list(ranked[self.offset : end]), {"o": end} if len(ranked) > end else None


def by_time(prepared: Prepared, plan: Plan, wish: Wish) -> Answer:
    """Newest or oldest first: read the hits in the order of time until the page is full."""
    newest_first = wish.order != "oldest"
    sign = 1 if newest_first else -1
    verifier = Verifier(prepared.connection, plan)
    tally = Tally(prepared.lookup(plan), plan, newest_first=newest_first)
    found, following = _first_of(_merged(tally, plan, verifier, wish, sign), wish, sign)
    counts = tally.counts()
    if verifier.has_dropped:
        counts = replace(counts, is_exact=False)
    return Answer(found, plan, counts, following)


def _merged(
    tally: Tally, plan: Plan, verifier: Verifier, wish: Wish, sign: int
) -> Iterable[tuple[int, int, bool]]:
    """Hits, and threads with a matching title, in the order of time."""
    streams: list[Iterator[tuple[int, int, bool]]] = []
    if plan.reads_messages:
        streams.append((key, thread, True) for key, thread in verifier.kept(tally.hits()))
    if plan.reads_titles and not wish.is_by_message:
        titles = tally.titles()
        # Mostly there is none, and nothing to be merged.
        if first := next(titles, None):
            streams.append((key, thread, False) for key, thread in chain([first], titles))
    if len(streams) <= 1:
        return streams[0] if streams else ()
    return heapq.merge(*streams, key=lambda row: (-sign * row[0], row[1]))


def _first_of(
    merged: Iterable[tuple[int, int, bool]], wish: Wish, sign: int
) -> tuple[list[Found], dict[str, Any] | None]:
    after = wish.after
    bound = (sign * after["k"], -after["t"]) if "k" in after else None
    found: dict[int, Found] = {}
    seen: set[int] = set()
    for key, thread, is_message in merged:
        name = key if wish.is_by_message else thread
        if name in found:
            if is_message:
                found[name].keys.append(key)
            continue
        if bound is not None and name not in seen and (sign * key, -thread) >= bound:
            seen.add(name)  # on a page before this one
        if name in seen:
            continue
        if len(found) == wish.limit:
            last = next(reversed(found.values()))
            return list(found.values()), {"k": int(sign * last.order[0]), "t": last.thread}
        found[name] = Found(thread, (sign * key, thread), [key] if is_message else [])
    return list(found.values()), None


def by_relevance(
    prepared: Prepared, plan: Plan, wish: Wish, *, others: Sequence[Node] = (), mix: bool = False
) -> Answer:
    """Best first: all hits by BM25, or the newest of very many.

    `others` are words that count for the rank of what has been found without them. `mix`: the
    messages beside good ones are good themselves.
    """
    ranked_by = plan.text
    if others and plan.text is not None:
        ranked_by = And((plan.text, either([*_alternatives(plan.text), *others])))
    lookup = prepared.lookup(plan)
    depth = min(DEEPEST, max(BEST, (wish.offset + wish.limit + 1) * 5))
    verifier = Verifier(prepared.connection, plan)
    ranking = "exact"
    messages = 0
    rows: list[Scored] = []
    matched: list[Scored] = []
    if plan.reads_messages:
        messages = lookup.count(COUNT_CAP + 1)
        low = None
        if messages > COUNT_CAP:
            messages = lookup.count(RANK_ALL + 1)
        if messages > RANK_ALL:
            messages, ranking = RANK_ALL, "newest"
            low = lookup.key_of_nth(RANK_NEWEST)
        ranker = prepared.lookup(replace(plan, text=ranked_by)) if others else lookup
        # Where they are few, all are read at once: they are counted, too.
        matched = ranker.best(max(depth, messages if messages <= COUNT_CAP else 0), low=low)
        rows = matched[:depth]
        if verifier.is_needed:
            kept = {key for key, _thread in verifier.kept((row[0], row[1]) for row in rows)}
            rows = [row for row in rows if row[0] in kept]
        if mix:
            rows = with_neighbours(prepared.connection, rows)
        rows = with_recency(rows, key_for(wish.now))
    titles = lookup.best_titles(depth) if plan.reads_titles else []
    found = _by_score(rows, wish)
    if not wish.is_by_message:
        _add_titles(found, titles)
    ranked = sorted(found.values(), key=lambda entry: entry.order, reverse=True)
    page, following = wish.page_of(ranked)
    if following and following["o"] >= DEEPEST:
        following = None
    hits = [(key, thread) for key, thread, _score in matched]
    counts = counts_of(
        hits,
        [(0, thread) for thread, _score in titles],
        messages=messages,
        is_exact=messages == len(hits) and len(titles) < depth and not verifier.has_dropped,
    )
    if len(hits) < messages and not wish.is_by_message:
        counts = replace(counts, in_threads=None if mix else _in_threads(prepared, lookup, page))
    return Answer(page, plan, counts, following, ranking)


def _by_score(rows: Iterable[Scored], wish: Wish) -> dict[int, Found]:
    found: dict[int, Found] = {}
    for key, thread, score in rows:
        name = key if wish.is_by_message else thread
        entry = found.get(name)
        if entry is None:
            found[name] = Found(thread, (score, key), [key], score)
        else:
            entry.keys.append(key)
    return found


def _add_titles(found: dict[int, Found], titles: Iterable[tuple[int, float]]) -> None:
    for thread, score in titles:
        entry = found.get(thread)
        if entry is None:
            found[thread] = Found(thread, (score, -thread), [], score)
        else:
            total = (entry.score or 0.0) + _TITLE_SHARE * score
            entry.score, entry.order = total, (total, entry.order[1])


def _in_threads(prepared: Prepared, lookup: Lookup, page: Sequence[Found]) -> Any:
    """Count the hits in each thread of the page; two queries."""
    numbers = ", ".join(str(entry.thread) for entry in page)
    if not numbers:
        return None
    spans = rows_of(
        prepared.connection,
        "SELECT thread_id, min(search_key), max(search_key) FROM threads_message"  # noqa: S608
        f" WHERE thread_id IN ({numbers}) GROUP BY thread_id",
    )
    return lookup.hits_in(spans, _HIT_CAP)


def by_size(prepared: Prepared, plan: Plan, wish: Wish) -> Answer:
    """The longest threads first, among those of the newest few thousand hits."""
    verifier = Verifier(prepared.connection, plan)
    tally = Tally(prepared.lookup(plan), plan)
    keys: dict[int, list[int]] = {}
    read = 0
    if plan.reads_messages:
        for key, thread in islice(verifier.kept(tally.hits()), DEEPEST + 1):
            read += 1
            keys.setdefault(thread, []).append(key)
    if plan.reads_titles:
        for _key, thread in islice(tally.titles(), DEEPEST):
            keys.setdefault(thread, [])
    column = "message_count" if wish.order == "longest" else "total_tokens"
    rows = (
        Thread.objects.filter(project__in=prepared.scope.visible)
        if len(keys) > DEEPEST // 2
        else Thread.objects.filter(pk__in=list(keys))
    )
    sizes = dict(rows.values_list("pk", column))
    ranked = sorted(
        (Found(thread, (sizes.get(thread) or 0, thread), hits) for thread, hits in keys.items()),
        key=lambda entry: entry.order,
        reverse=True,
    )
    page, following = wish.page_of(ranked)
    counts = tally.counts()
    if verifier.has_dropped or read > DEEPEST:
        counts = replace(counts, is_exact=False)
    return Answer(page, plan, counts, following)


def listed(prepared: Prepared, wish: Wish) -> Answer:
    """Threads by their own columns, without a word to look for."""
    column, is_falling = {
        "oldest": ("created_at", False),
        "longest": ("message_count", True),
        "tokens": ("total_tokens", True),
    }.get(wish.order, ("last_message_timestamp", True))
    # Those without a value come last, on both databases; the offset goes on with them.
    order = F(column).desc(nulls_last=True) if is_falling else F(column).asc(nulls_last=True)
    end = wish.offset + wish.limit
    rows = prepared.listed()
    pks = list(
        rows.order_by(order, F("pk").desc()).values_list("pk", flat=True)[wish.offset : end + 1]
    )
    count = 0
    if pks or wish.offset:
        count = rows.order_by().values("pk")[: LISTED_CAP + 1].count()
    return Answer(
        [Found(pk, (0, 0)) for pk in pks[: wish.limit]],
        prepared.plan,
        Counts(threads=min(count, LISTED_CAP), is_exact=count <= LISTED_CAP),
        {"o": end} if len(pks) > wish.limit else None,
    )


def _alternatives(node: Node) -> tuple[Node, ...]:
    return node.children if isinstance(node, Or) else (node,)
