"""The search page: one field, the whole archive that the reader may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count, Max, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from projects.models import Project, SiteSettings
from projects.models.project import ProjectQuerySet
from projects.models.site import PAGE_SIZES
from threadhub.lib.ratelimit import limited
from threads import actions, search
from threads.actions import note_search
from threads.exports.covering import cover_for
from threads.models import Thread
from threads.search.facets import Facets, facets
from threads.search.offers import offers
from threads.search.query import Notice, Query, editing, parse
from threads.views.badges import thread_badges, with_badges
from threads.views.matches import further_hits_of
from threads.views.reader import reader
from threads.views.sidebar import dated, side_bar

_PAGE_SIZE_COOKIE = "threadhub_page_size"
_YEAR_SECONDS = 365 * 24 * 60 * 60
FURTHER_HITS = 50  # of one thread, unfolded in its result; the others are read there
_ARCHIVE_SECONDS = 60  # how long the counts on the start page may be old


@dataclass(frozen=True, slots=True)
class Archive:
    """What the reader may see of the archive, counted."""

    thread_count: int
    message_count: int
    project_count: int
    synced_at: datetime | None  # None: nothing was ever synced
    can_ask: bool = False  # whether the reader may start a fresh search

    @classmethod
    def seen_by(cls, request: HttpRequest) -> Archive:
        """Count the archive for the reader; three queries, once a minute for each account."""
        key = f"archive-counts:{request.user.pk or 'visitor'}"
        archive = cache.get(key)
        if isinstance(archive, cls):
            return archive
        totals = Thread.objects.visible_to(reader(request)).aggregate(
            threads=Count("pk"), messages=Sum("message_count"), synced_at=Max("last_synced_at")
        )
        archive = cls(
            thread_count=totals["threads"],
            message_count=totals["messages"] or 0,
            project_count=Project.objects.visible_to(reader(request)).count(),
            synced_at=totals["synced_at"],
            can_ask=actions.askable_projects(reader(request)).exists(),
        )
        if archive.thread_count:  # an empty archive is about to be filled; look again
            cache.set(key, archive, _ARCHIVE_SECONDS)
        return archive


@dataclass(frozen=True, slots=True)
class Told:
    """A notice, with the text cut around what it is about; `better` is what may be meant."""

    notice: Notice
    before: str = ""
    fault: str = ""
    after: str = ""
    better: str = ""

    @classmethod
    def about(cls, notice: Notice, text: str) -> Told:
        if notice.position is None or notice.position > len(text):
            return cls(notice)
        end = notice.position + notice.length
        before, after = text[: notice.position], text[end:]
        better = f"{before}{notice.suggestion}{after}" if notice.suggestion else ""
        return cls(notice, before, text[notice.position : end], after, better)


@require_GET
@limited("search")
def search_page(request: HttpRequest) -> HttpResponse:
    """Show the start page, or what the query in `q` finds."""
    text = request.GET.get("q", "").strip()
    if not text:
        return _start_page(request)
    now, zone = timezone.now(), timezone.get_current_timezone()
    query = parse(text, now=now, zone=zone)
    if "since" in request.GET or "until" in request.GET:
        days = {name: request.GET.get(name, "") for name in ("since", "until")}
        return redirect(f"{reverse('threads:search')}?{urlencode({'q': dated(query, **days)})}")
    projects = Project.objects.visible_to(reader(request))
    cursor = request.GET.get("cursor", "")
    page_size = _page_size(request)
    counted_hits = SiteSettings.current().counted_hits
    try:
        page = search.find(
            query,
            within=projects,
            limit=page_size,
            hits_shown=search.HITS_SHOWN,
            counted=counted_hits,
            cover=cover_for(reader(request)).text,
            cursor=cursor or None,
            now=now,
            allow_scans=request.user.is_authenticated,
        )
    except ValueError:  # a cursor that was cut off on its way here
        return redirect(f"{reverse('threads:search')}?{urlencode({'q': text})}")
    if not cursor:
        note_search(page, text, by=reader(request))
    parts = editing.chips(query)
    chips = [chip for chip in parts if chip.field]
    # Scripts ask for the counts after the results; who has none follows a link to them.
    is_counted = "counted" in request.GET
    counted = _count(query, projects=projects, now=now) if is_counted else None
    badges = thread_badges(result.thread.pk for result in page.results)
    marked = with_badges(hit for result in page.results for hit in result.hits)
    context = {
        "section": "search",
        "q": text,
        "page": page,
        "rows": [
            (
                result,
                [marked[hit.pk] for hit in result.hits],
                result.hit_count - len(result.hits),
                "-".join(str(hit.position) for hit in result.hits),
                badges.get(result.thread.pk),
                max(0, result.thread.item_count - result.thread.message_count),
            )
            for result in page.results
        ],
        "told": [Told.about(notice, text) for notice in page.notices],
        "chips": chips,
        "words_only": editing.without_parts(query, [chip.node for chip in chips]),
        "offers": []
        if page.is_whole or cursor
        else offers(
            query, within=projects, now=now, zone=zone, limit=page_size, counted=counted_hits
        ),
        "with_tools": editing.with_filter(query, "in", "tool"),
        "side": side_bar(query, projects=projects, counted=counted),
        "is_counted": is_counted,
        "sorts": _sorts(query),
        "archive": Archive.seen_by(request),
        "cursor": cursor,
        "previous": request.GET.get("previous"),
        "page_size": page_size,
        "page_sizes": PAGE_SIZES,
    }
    response = render(request, "threads/results.html", context)
    if request.GET.get("per") == str(page_size):  # a choice, which stays
        response.set_cookie(
            _PAGE_SIZE_COOKIE,
            str(page_size),
            max_age=_YEAR_SECONDS,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    return response


def _page_size(request: HttpRequest) -> int:
    """Return how many threads the reader wants on a page."""
    asked = request.GET.get("per") or request.COOKIES.get(_PAGE_SIZE_COOKIE)
    chosen = next((size for size in PAGE_SIZES if str(size) == asked), None)
    return chosen or SiteSettings.current().search_page_size


def _count(query: Query, *, projects: ProjectQuerySet, now: datetime) -> Facets:
    zone, most = timezone.get_current_timezone(), SiteSettings.current().facet_hits
    return facets(query, within=projects, now=now, zone=zone, cap=most)


@require_GET
@limited("search")
def counted_facets(request: HttpRequest) -> HttpResponse:
    """Answer the side bar with its counts, which the page asks for after the results."""
    text = request.GET.get("q", "").strip()
    now = timezone.now()
    query = parse(text, now=now, zone=timezone.get_current_timezone())
    projects = Project.objects.visible_to(reader(request))
    counted = _count(query, projects=projects, now=now)
    context = {
        "q": text,
        "side": side_bar(query, projects=projects, counted=counted),
        "is_counted": True,
    }
    return render(request, "threads/_facets.html", context)


@require_GET
@limited("read")
def further_hits(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Answer the hits of one thread that its result does not show, in the order of the thread.

    Without scripts the link that asks for them leads to the thread itself.
    """
    thread = Thread.objects.visible_to(reader(request)).filter(short_id=thread_id).first()
    if thread is None:
        raise Http404
    text = request.GET.get("q", "").strip()
    query = parse(text, now=timezone.now(), zone=timezone.get_current_timezone())
    numbers = request.GET.get("shown", "").split("-")
    shown = {int(one) for one in numbers if one.isascii() and one.isdigit() and len(one) < 10}
    cover = cover_for(reader(request))
    hits = further_hits_of(thread, query, besides=shown, limit=FURTHER_HITS + 1, cover=cover)
    cover.thread(thread)
    context = {
        "q": text,
        "thread": thread,
        "hits": with_badges(hits[:FURTHER_HITS]).values(),
        "is_all": len(hits) <= FURTHER_HITS,
    }
    return render(request, "threads/_further.html", context)


def _start_page(request: HttpRequest) -> HttpResponse:
    archive = Archive.seen_by(request)
    template = "threads/start.html" if archive.thread_count else "threads/first_run.html"
    return render(
        request,
        template,
        {
            "section": "search",
            "archive": archive,
            "examples": _examples(),
            "may_add_project": reader(request).has_perm("projects.add_project"),
        },
    )


def _examples() -> list[tuple[str, str]]:
    return [
        ("refund", _("a word, in any of its forms")),
        ('"late delivery"', _("exactly these words")),
        ("退款", _("Chinese and Japanese, from one character")),
        ("role:user password", _("only what people asked")),
        ("has:code error", _("messages with code")),
        ("invoice after:90d", _("of the last 90 days")),
    ]


def _sorts(query: Query) -> list[tuple[str, str, bool]]:
    names = [("newest", _("Newest")), ("oldest", _("Oldest"))]
    if query.terms:
        names.insert(0, ("relevance", _("Best match")))
    return [
        (label, editing.with_filter(query, "sort", sort), query.order == sort)
        for sort, label in names
    ]
