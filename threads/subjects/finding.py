"""Finds the threads that hold somebody's data, by their user id, e-mail address or words.

More than a search: the trash, every branch and tool output count, and what the search index
takes apart is looked for as it is written, too. It reads every text of the projects, some seconds
for a million messages, which is why it is a job.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from projects.models import Project
from threads.exports.selection import found_threads
from threads.models import Message, Thread

Found = dict[int, set[str]]


def find(
    terms: Iterable[tuple[str, str]],
    *,
    within: QuerySet[Project],
    now: datetime,
    progress: Callable[[int], bool] = lambda _done: True,
) -> Found:
    """Return the threads by primary key, each with why: user, metadata, title, text.

    :param terms: (user, email or text; the term), as `SubjectRequest.terms` gives them.
    :param progress: called with the number of terms done; False stops with what was found.
    """
    found: defaultdict[int, set[str]] = defaultdict(set)
    for done, (kind, term) in enumerate(terms, start=1):
        for reason, pks in _places(kind, term, within=within, now=now):
            for pk in pks:
                found[pk].add(reason)
        if not progress(done):
            break
    return dict(found)


def _places(
    kind: str, term: str, *, within: QuerySet[Project], now: datetime
) -> Iterable[tuple[str, Iterable[int]]]:
    threads = Thread.objects.filter(project__in=within).order_by()
    if kind in {"user", "email"}:
        yield "user", threads.filter(end_user__iexact=term).values_list("pk", flat=True)
        with_text = threads.annotate(metadata_text=Cast("metadata", TextField()))
        inside = with_text.filter(metadata_text__icontains=term)
        yield "metadata", inside.values_list("pk", flat=True)
        speakers = Message.objects.filter(project__in=within, name__iexact=term)
        yield "user", speakers.order_by().values_list("thread", flat=True).distinct()
    if kind in {"email", "text"}:
        named = threads.filter(Q(title__icontains=term) | Q(remark__icontains=term))
        yield "title", named.values_list("pk", flat=True)
        texts = Message.objects.filter(project__in=within, text__icontains=term)
        yield "text", texts.order_by().values_list("thread", flat=True).distinct()
        # The index folds letters of every script, which a database's LIKE may not.
        phrase = term.replace('"', " ").strip()
        if phrase:
            yield (
                "text",
                found_threads(
                    f'"{phrase}"',
                    within=within,
                    now=now,
                    zone=timezone.get_default_timezone(),
                    allow_scans=True,
                ),
            )
