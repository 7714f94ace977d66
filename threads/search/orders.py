"""The orders of a page of results: by time, by relevance, by size, or as threads are listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db.models import F

from threads.models import Thread
from threads.search.counting import Further
from threads.search.keys import key_for
from threads.search.lookups import Entry, Lookup, Scored
from threads.search.plan import Plan
from threads.search.prepared import Prepared
from threads.search.query import And, Node, Or
from threads.search.questions import either
from threads.search.ranking import with_neighbours, with_recency
from threads.search.statements import rows_of
from threads.search.tally import COUNT_CAP, Counts, Totals
from threads.search.texts import Verifier

RANK_ALL = 20_000  # hits that are ranked all; 1.8 µs each
RANK_NEWEST = 1_000  # of more than these, the newest so many are
RANK_ASKED = 8_000  # of those with some of the words of a question the newest so many are
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
    hits_shown: int  # of each thread
    counted: int  # hits, at most, in the order of time
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
    lookup = prepared.lookup(plan)
    verifier = Verifier(prepared.connection, plan)
    hits: Iterator[Entry] = iter(())
    if plan.reads_messages:
        hits = lookup.hits(newest_first=newest_first)
        if verifier.is_needed:
            hits = verifier.kept(hits)
    titles: Iterator[Entry] = iter(())
    with_titles = plan.reads_titles and not wish.is_by_message
    if with_titles:
        titles = lookup.titles(newest_first=newest_first)
    page = _TimedPage(wish, sign=1 if newest_first else -1)
    page.read(hits, titles)
    found = list(page.found.values())
    if page.is_all and "k" not in wish.after:
        counts = Counts.known(_totals(found, is_exact=verifier.is_complete))
    elif plan.predicates:
        # To count the rest would be to look through all the texts again.
        counts = Counts.known(_totals(found, is_exact=False))
    else:
        further = Further(verifier, plan, lookup, newest_first, with_titles, wish.counted)
        counts = further.counts()
    return Answer(found, plan, counts, page.following)


def _totals(found: Sequence[Found], *, is_exact: bool) -> Totals:
    """Return what follows from threads or messages of which all hits were read."""
    in_threads: dict[int, int] = {}
    for entry in found:
        in_threads[entry.thread] = in_threads.get(entry.thread, 0) + len(entry.keys)
    return Totals(sum(in_threads.values()), len(in_threads), is_exact, in_threads)


class _TimedPage:
    """Fills a page in the order in which hits come. `is_all`: they were read to the end."""

    def __init__(self, wish: Wish, sign: int) -> None:
        self._wish = wish
        self._sign = sign  # 1 where the newest come first, else -1
        self._before: set[int] = set()  # names that are on the pages before this one
        self.found: dict[int, Found] = {}  # by thread, or by key where messages are listed
        self.following: dict[str, Any] | None = None
        self.is_all = False

    def read(self, hits: Iterator[Entry], titles: Iterator[Entry]) -> None:
        """Read hits, and threads with a matching title, until the page is full."""
        if "k" in self._wish.after:
            hits, titles = self._beyond(hits), self._beyond(titles)
        found, before, limit, sign = self.found, self._before, self._wish.limit, self._sign
        by_message = self._wish.is_by_message
        title = next(titles, None)  # mostly there is none
        for key, thread in hits:
            while title and (sign * title[0], sign * title[1]) > (sign * key, sign * thread):
                if not self._add(title):
                    return
                title = next(titles, None)
            name = key if by_message else thread
            if name in found:
                found[name].keys.append(key)
            elif name not in before:
                if len(found) == limit:
                    self._close()
                    return
                found[name] = Found(thread, (sign * key, sign * thread), [key])
        while title:
            if not self._add(title):
                return
            title = next(titles, None)
        self.is_all = True

    def _add(self, title: Entry) -> bool:
        """Add a thread that a title tells of; False where there is no room left."""
        key, thread = title
        if thread in self.found or thread in self._before:
            return True
        if len(self.found) == self._wish.limit:
            self._close()
            return False
        self.found[thread] = Found(thread, (self._sign * key, self._sign * thread))
        return True

    def _close(self) -> None:
        last = next(reversed(self.found.values()))
        self.following = {"k": self._sign * last.order[0], "t": last.thread}

    def _beyond(self, rows: Iterator[Entry]) -> Iterator[Entry]:
        """Return what comes behind the page before, and remember what does not."""
        after, sign = self._wish.after, self._sign
        bound = (sign * after["k"], sign * after["t"])
        for key, thread in rows:
            if (sign * key, sign * thread) < bound:
                return chain([(key, thread)], rows)
            self._before.add(key if self._wish.is_by_message else thread)
        return iter(())


def by_relevance(
    prepared: Prepared, plan: Plan, wish: Wish, *, others: Sequence[Node] = (), mix: bool = False
) -> Answer:
    """Best first: all hits by BM25, or the newest of very many.

    `others` are words that count for the rank of what has been found without them. `mix`: the
    messages beside good ones are good themselves.
    """
    lookup = prepared.lookup(plan)
    # Five messages of a thread on average; each of those mixed in brings four neighbours.
    wanted = wish.offset + wish.limit + 1
    depth = min(DEEPEST, max(BEST, wanted if mix else wanted * 5))
    verifier = Verifier(prepared.connection, plan)
    ranking = "exact"
    messages = 0
    rows: list[Scored] = []
    if plan.reads_messages:
        low = None
        if mix:
            messages, low = lookup.newest(RANK_ASKED)
        else:
            messages = lookup.count(RANK_ALL + 1)
        if messages > RANK_ALL:
            messages, ranking = RANK_ALL, "newest"
            _count, low = lookup.newest(RANK_NEWEST)
        ranker = lookup
        if others and plan.text is not None:
            ranked_by = And((plan.text, either([*_alternatives(plan.text), *others])))
            ranker = prepared.lookup(plan.with_text(ranked_by))
        # Where they are few, all are read at once: they are counted, too.
        rows = ranker.best(max(depth, messages if messages <= COUNT_CAP else 0), low=low)
        if verifier.is_needed:
            kept = {key for key, _thread in verifier.kept((row[0], row[1]) for row in rows)}
            rows = [row for row in rows if row[0] in kept]
    titles = lookup.best_titles(depth) if plan.reads_titles else []
    if mix:
        # What is asked of single messages was not asked of those beside them.
        ranked = with_neighbours(
            prepared.connection, rows[:depth], only_hits=plan.is_about_messages
        )
    else:
        ranked = with_recency(rows[:depth], key_for(wish.now))
    # Each message is a result of its own, or its thread is: of these all hits have to be known.
    found = _by_score(ranked[:wanted] if wish.is_by_message else ranked, wish)
    if not wish.is_by_message:
        _add_titles(found, titles)
    in_order = sorted(found.values(), key=lambda entry: entry.order, reverse=True)
    page, following = wish.page_of(in_order)
    if following and following["o"] >= DEEPEST:
        following = None

    is_all = not mix and (messages == len(rows) or (verifier.is_needed and messages <= COUNT_CAP))

    def look() -> Totals:
        if mix:
            return _mixed_totals(messages, rows, titles)
        in_threads: Mapping[int, int] = Counter([thread for _key, thread, _score in rows])
        threads = len(in_threads.keys() | {thread for thread, _score in titles})
        if not is_all and not verifier.is_needed and not wish.is_by_message:
            in_threads = _in_threads(prepared, lookup, page)
        return Totals(
            messages=len(rows) if verifier.is_needed else messages,
            threads=threads,
            is_exact=is_all and len(titles) < depth and verifier.is_complete,
            in_threads=in_threads,
        )

    counts = Counts(None if verifier.is_needed else messages, look)
    return Answer(page, plan, counts, following, ranking)


def _mixed_totals(
    messages: int, rows: Sequence[Scored], titles: Sequence[tuple[int, float]]
) -> Totals:
    """Count what has one of the words; how many stand beside such messages is not counted."""
    threads = {thread for _key, thread, _score in rows} | {thread for thread, _score in titles}
    return Totals(
        messages=messages,
        threads=len(threads),
        is_exact=messages == len(rows) and messages < RANK_ASKED,
    )


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


def _in_threads(prepared: Prepared, lookup: Lookup, page: Sequence[Found]) -> dict[int, int]:
    """Count the hits in each thread of the page; two queries."""
    numbers = ", ".join(str(entry.thread) for entry in page)
    if not numbers:
        return {}
    spans = rows_of(
        prepared.connection,
        "SELECT thread_id, min(search_key), max(search_key) FROM threads_message"  # noqa: S608
        f" WHERE thread_id IN ({numbers}) GROUP BY thread_id",
    )
    return lookup.hits_in(spans, _HIT_CAP)


def by_size(prepared: Prepared, plan: Plan, wish: Wish) -> Answer:
    """The longest threads first, among those of the newest few thousand hits."""
    verifier = Verifier(prepared.connection, plan)
    lookup = prepared.lookup(plan)
    keys: dict[int, list[int]] = {}
    read = titled = 0
    if plan.reads_messages:
        hits = lookup.hits(newest_first=True)
        for key, thread in islice(verifier.kept(hits), DEEPEST + 1):
            read += 1
            keys.setdefault(thread, []).append(key)
    if plan.reads_titles:
        for _key, thread in islice(lookup.titles(newest_first=True), DEEPEST):
            titled += 1
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
    totals = Totals(
        messages=min(read, DEEPEST),
        threads=len(keys),
        is_exact=read <= DEEPEST and titled < DEEPEST and verifier.is_complete,
        in_threads={thread: len(hits) for thread, hits in keys.items()},
    )
    return Answer(page, plan, Counts.known(totals), following)


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
        Counts.known(Totals(threads=min(count, LISTED_CAP), is_exact=count <= LISTED_CAP)),
        {"o": end} if len(pks) > wish.limit else None,
    )


def _alternatives(node: Node) -> tuple[Node, ...]:
    return node.children if isinstance(node, Or) else (node,)
