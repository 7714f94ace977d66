"""One thread: the page that a hit opens, its print view, and a message as it was received."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db.models import Count, Max, Min
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from projects.models import Project
from threadhub.lib.ratelimit import limited
from threads import content
from threads.actions import may_be_asked_for, may_be_had, may_share, note_read
from threads.exports.covering import cover_for
from threads.models import Assistant, Thread
from threads.models.thread import Store
from threads.search.query import parse
from threads.templatetags.pages import number
from threads.views.cards import Reading, stretches
from threads.views.matches import MAX_HITS, hits_in, spans_of
from threads.views.reader import reader
from threads.views.shown import Row, rows_of

PAGE_SIZE = 200  # positions a page: 150 ms to make and a second to lay out at the most
PRINT_SIZE = 2_000  # positions a print view: more is for exports


def _thread(request: HttpRequest, thread_id: str) -> Thread | None:
    """Return the thread under its address here; None when the reader may not see one."""
    thread = (
        Thread.objects.visible_to(reader(request))
        .select_related("project", "assistant")
        .prefetch_related("tags")
        .filter(short_id=thread_id)
        .first()
    )
    if thread is not None:
        note_read(thread, by=reader(request))
        cover_for(reader(request)).thread(thread)
    return thread


def _elsewhere(request: HttpRequest, thread_id: str, view: str) -> HttpResponse:
    """Redirect from the store's id to the thread's own address.

    :raises Http404: when the reader may see no thread with that id.
    """
    found = (
        Thread.objects.visible_to(reader(request))
        .filter(external_id=thread_id)
        .order_by("pk")
        .values_list("short_id", flat=True)
        .first()
    )
    if found is None:
        raise Http404
    response = redirect(view, thread_id=found)
    if request.GET:
        response["Location"] += f"?{request.GET.urlencode()}"
    return response


def number_in(text: str | None) -> int | None:
    """Return a positive number from an address; None when it is none."""
    return (
        int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) < 2**31 else None
    )


def names_in(rows: Iterable[Row]) -> dict[int, str]:
    """Return the names of the assistants that speak in `rows`; one query where there are some."""
    spoke = {row.assistant_id for row in rows if row.assistant_id}
    if not spoke:
        return {}
    return {one.pk: str(one) for one in Assistant.objects.filter(pk__in=spoke)}


@require_GET
@limited("read")
def thread_page(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Show a thread; `q` marks what matches, `at` opens the page that holds that position.

    `branch` shows one branch of an imported tree alone.
    """
    thread = _thread(request, thread_id)
    if thread is None:
        return _elsewhere(request, thread_id, "threads:thread")
    text = request.GET.get("q", "").strip()
    query = parse(text, now=timezone.now(), zone=timezone.get_current_timezone())
    pages = Pages.of(thread, request.GET)
    hits = hits_in(thread, query, near=pages.here.start) if text else ()
    hits_before = bisect_left(hits, pages.here.start)
    is_counted = hits_before < MAX_HITS // 2  # those before are all of them

    def address_of(position: int) -> str:
        if position in pages.here:
            return f"#m-{position}"
        parameters = request.GET.copy()
        parameters.pop("page", None)
        parameters["at"] = str(position)
        return f"?{parameters.urlencode()}#m-{position}"

    branches = _branches(thread)
    branch = _branch(request.GET.get("branch"), branches)
    messages = thread.messages.filter(position__range=(pages.here.start, pages.here.stop - 1))
    rows = rows_of(
        messages if branch is None else messages.filter(branch=branch),
        cover=cover_for(reader(request)),
        project_id=thread.project_id,
    )
    reading = Reading(
        base=thread.get_absolute_url(),
        spans=spans_of(query),
        hits=hits,
        address_of=address_of,
        thread_model=thread.model,
        names=names_in(rows),
        address_of_file=_files_of(thread),
        may_be_had=partial(may_be_had, thread),
    )
    first_hit = next(iter(hits[hits_before:] or hits), None)
    return render(
        request,
        "threads/thread.html",
        {
            "section": "thread",
            "thread": thread,
            "q": text,
            "blocks": stretches(rows, reading),
            "branches": branches,
            "branch": branch,
            "hits": hits,
            "hit_total": number(len(hits)) + ("" if is_counted and len(hits) < MAX_HITS else "+"),
            "is_counted": is_counted,
            "first_hit": address_of(first_hit) if first_hit else "",
            # Who turns the pages is not led away from one without hits.
            "opens_at_hit": first_hit in pages.here or "page" not in request.GET,
            "pages": pages,
            "metadata": metadata_of(thread),
            "is_managed": may_share(thread, by=reader(request)),
            "is_public": thread.project.visibility == Project.Visibility.PUBLIC,
        },
    )


def _files_of(thread: Thread) -> Callable[[str], str]:
    """Return what says where a file of `thread` is had here.

    It is "" for one that is not on this disk and has no source.
    """

    def address_of(file_id: str) -> str:
        if not may_be_asked_for(thread, file_id):
            return ""
        return reverse("threads:file", args=[thread.project.slug, file_id])

    return address_of


@dataclass(frozen=True, slots=True)
class Pages:
    """The part of a long thread that is shown: by position, so that it costs the same anywhere."""

    number: int
    count: int
    last_position: int

    @classmethod
    def of(cls, thread: Thread, asked: QueryDict) -> Pages:
        """Return the part with the position `at`, or the part `page`; one query."""
        last_position = thread.messages.aggregate(last=Max("position"))["last"] or 0
        count = max(1, -(-last_position // PAGE_SIZE))
        at = number_in(asked.get("at"))
        number = (at - 1) // PAGE_SIZE + 1 if at else number_in(asked.get("page")) or 1
        return cls(min(number, count), count, last_position)

    @property
    def here(self) -> range:
        return range((self.number - 1) * PAGE_SIZE + 1, self.number * PAGE_SIZE + 1)

    @property
    def before(self) -> int:
        return self.number - 1

    @property
    def after(self) -> int:
        return self.number + 1


def _branches(thread: Thread) -> list[tuple[int, int, int]]:
    """Return (number, messages, first position) of each branch, where an import brought some."""
    if thread.store != Store.IMPORT:
        return []
    found = thread.messages.values("branch").annotate(count=Count("pk"), first=Min("position"))
    rows = found.order_by("branch").values_list("branch", "count", "first")
    return list(rows) if len(rows) > 1 else []


def _branch(asked: str | None, branches: Sequence[tuple[int, int, int]]) -> int | None:
    """Return the branch that is asked for; None: all of them, also when there is no such one."""
    numbers = {str(number): number for number, _count, _first in branches}
    return numbers.get(asked or "")


@require_GET
@limited("read")
def print_page(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Show a thread for paper: all of it up to PRINT_SIZE positions, unfolded, no controls."""
    thread = _thread(request, thread_id)
    if thread is None:
        return _elsewhere(request, thread_id, "threads:print")
    first = number_in(request.GET.get("from")) or 1
    last_position = thread.messages.aggregate(last=Max("position"))["last"] or 0
    rows = rows_of(
        thread.messages.filter(position__range=(first, first + PRINT_SIZE - 1)),
        cover=cover_for(reader(request)),
        project_id=thread.project_id,
    )
    reading = Reading(
        thread_model=thread.model,
        names=names_in(rows),
        address_of_file=_files_of(thread),
        may_be_had=partial(may_be_had, thread),
        is_unfolded=True,
    )
    next_first = first + PRINT_SIZE if first + PRINT_SIZE <= last_position else None
    context = {
        "section": "print",
        "thread": thread,
        "blocks": stretches(rows, reading),
        "metadata": metadata_of(thread),
        "is_print": True,
        "next_first": next_first,
        "printed_at": timezone.now(),
    }
    return render(request, "threads/print.html", context)


@require_GET
@limited("read")
def message_source(request: HttpRequest, thread_id: str, position: int) -> HttpResponse:
    """Show one message as it was received.

    `?format=raw` is that JSON and nothing else, `?format=text` its text as it was written.
    """
    thread = _thread(request, thread_id)
    if thread is None:
        raise Http404
    message = thread.messages.select_related("source").filter(position=position).first()
    if message is None:
        raise Http404
    kept = getattr(message, "source", None)
    cover = cover_for(reader(request))
    cover.message(message)
    raw = cover.text(thread.project_id, kept.raw if kept else "")
    if request.GET.get("format") == "text":
        return HttpResponse(message.text, content_type="text/plain; charset=utf-8")
    if request.GET.get("format") == "raw":
        return HttpResponse(raw or message.text, content_type="text/plain; charset=utf-8")
    pretty = content.pretty_json(raw)
    context = {
        "section": "thread",
        "thread": thread,
        "message": message,
        "raw": content.preformatted(pretty or raw, "json" if pretty else "") if raw else "",
        "text": content.preformatted(message.text) if message.text else "",
    }
    return render(request, "threads/message_source.html", context)


def metadata_of(thread: Thread) -> list[tuple[str, str]]:
    given = thread.metadata if isinstance(thread.metadata, dict) else {}
    return [
        (content.plain(key, 80), content.plain(str(value), 500)) for key, value in given.items()
    ]
