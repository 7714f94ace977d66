"""One thread: the page that a hit opens, its print view, and a message as it was received."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from threadhub.lib.ratelimit import limited
from threads import content
from threads.actions import note_read
from threads.models import Message, Thread
from threads.search.query import parse
from threads.views.matches import hits_in, spans_of
from threads.views.reader import reader
from threads.views.shown import shown, stretches

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


def _number(text: str | None) -> int | None:
    """Return a positive number from an address; None when it is none."""
    return (
        int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) < 2**31 else None
    )


def _messages(thread: Thread, first: int, last: int) -> Iterable[Message]:
    return (
        thread.messages.filter(position__range=(first, last))
        .select_related("source", "assistant")
        .defer("source__raw")
        .order_by("position")
    )


@require_GET
@limited("read")
def thread_page(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Show a thread; `q` marks what matches, `at` opens the page that holds that position."""
    thread = _thread(request, thread_id)
    if thread is None:
        return _elsewhere(request, thread_id, "threads:thread")
    text = request.GET.get("q", "").strip()
    query = parse(text, now=timezone.now(), zone=timezone.get_current_timezone())
    last_position = thread.messages.aggregate(last=Max("position"))["last"] or 0
    page_count = max(1, -(-last_position // PAGE_SIZE))
    at = _number(request.GET.get("at"))
    page = (at - 1) // PAGE_SIZE + 1 if at else _number(request.GET.get("page")) or 1
    page = min(page, page_count)
    here = range((page - 1) * PAGE_SIZE + 1, page * PAGE_SIZE + 1)
    hits = hits_in(thread, query) if text else ()

    def address_of(position: int) -> str:
        if position in here:
            return f"#m-{position}"
        parameters = request.GET.copy()
        parameters.pop("page", None)
        parameters["at"] = str(position)
        return f"?{parameters.urlencode()}#m-{position}"

    blocks = stretches(
        shown(
            _messages(thread, here.start, here.stop - 1),
            spans=spans_of(query),
            hits=hits,
            address_of=address_of,
        )
    )
    first_hit = next((hit for hit in hits if hit in here), hits[0] if hits else None)
    return render(
        request,
        "threads/thread.html",
        {
            "section": "thread",
            "thread": thread,
            "q": text,
            "blocks": blocks,
            "hits": hits,
            "first_hit": address_of(first_hit) if first_hit else "",
            "page": page,
            "page_before": page - 1,
            "page_after": page + 1,
            "page_count": page_count,
            "is_long": page_count > 1,
            "metadata": _metadata(thread),
            "base": thread.get_absolute_url(),
            "labels": {
                "previous": _("Previous hit"),
                "next": _("Next hit"),
                "source": _("As it was received"),
                "link": _("Link to this message"),
            },
        },
    )


@require_GET
@limited("read")
def print_page(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Show a thread for paper: all of it up to PRINT_SIZE positions, unfolded, no controls."""
    thread = _thread(request, thread_id)
    if thread is None:
        return _elsewhere(request, thread_id, "threads:print")
    first = _number(request.GET.get("from")) or 1
    last_position = thread.messages.aggregate(last=Max("position"))["last"] or 0
    messages = _messages(thread, first, first + PRINT_SIZE - 1)
    next_first = first + PRINT_SIZE if first + PRINT_SIZE <= last_position else None
    context = {
        "section": "print",
        "thread": thread,
        "blocks": stretches(shown(messages)),
        "metadata": _metadata(thread),
        "is_print": True,
        "next_first": next_first,
        "printed_at": timezone.now(),
    }
    return render(request, "threads/print.html", context)


@require_GET
@limited("read")
def message_source(request: HttpRequest, thread_id: str, position: int) -> HttpResponse:
    """Show one message as it was received; `?format=raw` is that JSON and nothing else."""
    thread = _thread(request, thread_id)
    if thread is None:
        raise Http404
    message = thread.messages.select_related("source").filter(position=position).first()
    if message is None:
        raise Http404
    kept = getattr(message, "source", None)
    raw = kept.raw if kept else ""
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


def _metadata(thread: Thread) -> list[tuple[str, str]]:
    given = thread.metadata if isinstance(thread.metadata, dict) else {}
    return [
        (content.plain(key, 80), content.plain(str(value), 500)) for key, value in given.items()
    ]
