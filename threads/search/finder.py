"""The search itself: one function for the page, the API, exports and the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from projects.models import Project
from threads.search import rows
from threads.search.cursors import read_cursor, write_cursor
from threads.search.excerpts import Marker
from threads.search.orders import Answer, Found, Wish, by_relevance, by_size, by_time, listed
from threads.search.plan import Plan
from threads.search.prepared import Prepared, prepare
from threads.search.query import And, Node, Notice, Phrase, Prefix, Query, Token, Word, walk
from threads.search.questions import (
    any_of,
    can_be_loosened,
    either,
    is_question,
    loosened,
    telling,
)
from threads.search.results import FoundThread, Hit, SearchPage, ThreadHits
from threads.search.sentences import explain, localised
from threads.search.tally import COUNT_CAP, Counts, Totals

MAX_LIMIT = 200
HITS_SHOWN = 3  # of a thread, where pages and programs show its further hits as well
ASIDE_CAP = 1_000  # hits in what searches leave out are counted so far
_MIN_PREFIX = 3  # letters of the last word that may be read as a beginning
_NO_COUNTS = Counts.known(Totals())
Cover = Callable[[int, str], str]


def find(
    query: Query,
    *,
    within: QuerySet[Project],
    sort: str = "",
    group: str = "thread",
    match: str = "all",
    limit: int = 20,
    hits_shown: int = 1,
    counted: int = COUNT_CAP,
    cursor: str | None = None,
    now: datetime,
    allow_scans: bool = True,
    archived_after: int | None = None,
    cover: Cover | None = None,
) -> SearchPage:
    """Return one page of what `query` finds in the projects of `within`, and in nothing else.

    `within` is the permission: give `Project.objects.visible_to(user)`. `sort` counts where the
    query says nothing: "" is relevance with words and newest without. `match` "any": messages
    with some of the words will do; this is also the answer when none has all of them.
    `limit` is the number of threads (messages with group "message"), at most 200; `hits_shown`
    is how many messages stand for each. In the order of time hits are counted up to `counted`.
    `cursor` comes from the page before. Slow scans are
    refused unless `allow_scans`. The number of queries does not depend on `limit`. With
    `archived_after` only messages with a higher id than that count, and no other words will do.
    `cover` is given a project's id and a text, and returns what the reader sees of it.
    :raises ValueError: when the cursor is none of ours.
    """
    started = time.perf_counter()
    wish = Wish(
        order=query.sort or sort or query.order,
        group=query.group or group,
        limit=max(1, min(limit, MAX_LIMIT)),
        hits_shown=hits_shown,
        counted=counted,
        after=read_cursor(cursor),
        now=now,
    )
    if query.needs_scan and not allow_scans:
        return _refused(query, wish, started)
    prepared = prepare(query, within=within, now=now)
    if archived_after is not None:
        prepared.keep_to_new(archived_after)
    search = _Search(query, prepared, wish, is_exact=archived_after is not None)
    answer = search.run(match)
    return search.page(answer, started, cover)


class _Search:
    """Tries the ways of searching one after the other; `marker` marks what was searched."""

    def __init__(
        self, query: Query, prepared: Prepared, wish: Wish, *, is_exact: bool = False
    ) -> None:
        self._query, self._prepared, self._wish = query, prepared, wish
        self._is_exact = is_exact  # all that was asked must hold, or nothing is found
        self._plan = prepared.plan
        self._marker = Marker(query.terms)

    def run(self, match: str) -> Answer:
        if self._prepared.is_hopeless:
            return Answer([], self._plan, _NO_COUNTS)
        if self._plan.lists_threads:
            return listed(self._prepared, self._wish)
        way = self._wish.after.get("w", "")
        if match == "any" or way in {"any", "question"}:
            return self._any_word(ranking="question" if way == "question" else "any_word")
        if way == "prefix":
            return self._last_word_begun() or Answer([], self._plan, _NO_COUNTS)
        if way == "" and not self._is_exact and self._is_asked():
            # To look for all of the words first would read every place of "the".
            return self._any_word(ranking="question")
        answer = self._all_words(self._plan)
        if answer.found or self._wish.after or self._plan.text is None or self._is_exact:
            return answer
        return self._last_word_begun() or self._some_words() or answer

    def _is_asked(self) -> bool:
        return (
            self._wish.order == "relevance"
            and not self._wish.after
            and self._plan.text is not None
            and is_question(self._query)
        )

    def _all_words(self, plan: Plan) -> Answer:
        if self._wish.order in {"longest", "tokens"}:
            return by_size(self._prepared, plan, self._wish)
        if self._wish.order == "relevance" and plan.text is not None:
            return by_relevance(self._prepared, plan, self._wish)
        return by_time(self._prepared, plan, self._wish)

    def _last_word_begun(self) -> Answer | None:
        """Search with the last word as a beginning: people type on while they look."""
        text = self._plan.text
        children = text.children if isinstance(text, And) else (text,)
        last = children[-1]
        if not isinstance(last, Word) or len(last.text) < _MIN_PREFIX:
            return None
        begun = (*children[:-1], Prefix(last.text))
        answer = self._all_words(self._plan.with_text(begun[0] if len(begun) == 1 else And(begun)))
        if not answer.found:
            return None
        self._marker = Marker([*self._query.terms, Prefix(last.text)])
        answer.ranking = "prefix"
        if answer.next:
            answer.next["w"] = "prefix"
        return answer

    def _some_words(self) -> Answer | None:
        """Search for any of the words, where there are several that need not be together."""
        if not can_be_loosened(self._plan.text):
            return None
        answer = self._any_word()
        return answer if answer.found else None

    def _any_word(self, *, ranking: str = "any_word") -> Answer:
        """The rarest words first, ranked by all, and what stands beside them."""
        terms = loosened(node for node in walk(self._plan.text, into_not=False) if _is_term(node))
        if not terms:
            return self._all_words(self._plan)
        # How rare a word is counts where it is searched, and only what may be read there.
        place = replace(self._plan, excluded=[], on_messages=[], on_threads=[], predicates=[])

        @cache
        def newest(term: Node, cap: int) -> tuple[int, int | None]:
            return self._prepared.lookup(place.with_text(term)).about(cap)

        # When no message has a word of it, a title may.
        rare, others = any_of(terms, newest) or (terms, [])
        others = telling(others, newest, self._prepared.connection)
        self._marker = Marker([*self._query.terms, *terms])
        plan = self._plan.with_text(either(list(rare)))
        if self._wish.order != "relevance":
            answer = self._all_words(plan)
        else:
            answer = by_relevance(self._prepared, plan, self._wish, others=others, mix=True)
        answer.ranking = ranking
        if answer.next:
            answer.next["w"] = "question" if ranking == "question" else "any"
        return answer

    def page(self, answer: Answer, started: float, cover: Cover | None) -> SearchPage:
        # Where messages are listed, each is a result of its own.
        counts = _NO_COUNTS if self._wish.is_by_message else answer.counts
        hits, threads = self._rows(answer.found, cover)
        visible, marker, shown = self._prepared.scope.visible, self._marker, self._wish.hits_shown
        results = []
        for entry in answer.found:
            thread = threads.get(entry.thread)
            if thread is None or thread.project_id not in visible:
                continue
            if cover:
                thread = thread._replace(
                    title=cover(thread.project_id, thread.title),
                    remark=cover(thread.project_id, thread.remark),
                )
            best = tuple([hits[key] for key in entry.keys[:shown] if key in hits])
            results.append(ThreadHits(thread, best, len(entry.keys), counts, marker, entry.score))
        return SearchPage(
            results=tuple(results),
            counts=answer.counts,
            took_ms=_since(started),
            explain=self._explanation,
            count_aside=lambda: self._aside(answer),
            notices=(*map(localised, self._query.notices), *self._prepared.notices),
            ranking=answer.ranking,
            next_cursor=write_cursor(answer.next),
        )

    def _rows(
        self, found: list[Found], cover: Cover | None
    ) -> tuple[dict[int, Hit], dict[int, FoundThread]]:
        """Return the messages to show by key, and the threads by id; a query, or two."""
        connection, shown = self._prepared.connection, self._wish.hits_shown
        listed = rows.messages(connection, [key for entry in found for key in entry.keys[:shown]])
        texts = [row[rows.TEXT] for row in listed]
        if cover:
            texts = [cover(row[rows.PROJECT], row[rows.TEXT]) for row in listed]
        hits = {}
        threads = {}
        for row, snippet in zip(listed, self._marker.snippets(texts), strict=True):
            hits[row[0]] = Hit._make((*row[1 : rows.TEXT], snippet))
            if row[rows.THREAD] not in threads:
                threads[row[rows.THREAD]] = FoundThread._make(row[rows.THREAD :])
        if bare := [entry.thread for entry in found if entry.thread not in threads]:
            threads |= rows.threads(connection, dict.fromkeys(bare))
        return hits, threads

    def _explanation(self) -> str:
        """Say what was searched, in the order that was used in the end."""
        order = self._wish.order
        if order == "relevance" and self._plan.text is None:
            order = "newest"
        return explain(replace(self._query, sort=order, group=self._wish.group))

    def _aside(self, answer: Answer) -> int:
        """Count the hits in what this search left out."""
        plan = answer.plan
        if (
            plan.text is None
            or plan.with_aside
            or not plan.reads_messages
            or answer.ranking in {"any_word", "question"}
            or self._prepared.is_hopeless
        ):
            return 0
        return self._prepared.lookup(plan).count_aside(ASIDE_CAP)


def _is_term(node: Node) -> bool:
    return isinstance(node, (Word, Phrase, Prefix, Token))


def _refused(query: Query, wish: Wish, started: float) -> SearchPage:
    notice = Notice(
        code="scan_refused",
        message=_("Sign in to search by regular expression or inside words."),
        is_error=True,
    )
    return SearchPage(
        results=(),
        counts=_NO_COUNTS,
        took_ms=_since(started),
        explain=lambda: explain(replace(query, sort=wish.order, group=wish.group)),
        count_aside=lambda: 0,
        notices=(*map(localised, query.notices), notice),
    )


def _since(started: float) -> float:
    """Milliseconds on the clock."""
    return round((time.perf_counter() - started) * 1000, 3)
