"""Reading through the API: search, threads, messages, projects, oneself."""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query as Parameter

from projects.masking import covered_for
from projects.models import Project, SiteSettings
from projects.models.project import ProjectQuerySet
from threads.actions import may_be_had, note_read, note_search
from threads.api import shapes
from threads.api.access import reader_of, within
from threads.api.errors import Refused, bad_cursor, unknown_project
from threads.api.router import REFUSALS, leads_to, router
from threads.exports.covering import Cover, cover_for
from threads.exports.masking import mask
from threads.models import Message, Thread
from threads.search import HITS_SHOWN, find
from threads.search.facets import facets
from threads.search.published import PublishedPage, published
from threads.search.query import Notice, parse
from threads.search.sentences import localised
from threads.search.suggestions import suggest

MAX_THREADS = 100  # a page of search results
MAX_MESSAGES = 500  # a page of a thread
_LARGEST_POSITION = 2**31 - 1


@router.get(
    "threads",
    operation_id="search_threads",
    auth=within("search"),
    response={200: PublishedPage, **REFUSALS},
    summary="Search",
    tags=["threads"],
    openapi_extra=leads_to(
        200, "/results/0/id", read_thread="thread_id", list_messages="thread_id"
    ),
)
def search_threads(
    request: HttpRequest,
    *,
    q: Annotated[str, Parameter(description="A query in the query language")] = "",
    project: Annotated[list[str], Parameter(description="Only these projects")] = [],  # noqa: B006
    group: Literal["thread", "message"] | None = None,
    match: Annotated[
        Literal["all", "any"], Parameter(description="any: messages with some of the words, too")
    ] = "all",
    sort: Literal["relevance", "newest", "oldest", "longest", "tokens"] | None = None,
    cursor: str = "",
    limit: Annotated[int, Parameter(ge=1, le=MAX_THREADS)] = 20,
) -> HttpResponse:
    """Find threads; the same answer as the search page and `search_threads --format json`.

    `group` and `sort` count where the query itself does not say. A query that cannot be
    understood in part is an error here, with its position.
    """
    now = timezone.now()
    query = parse(q, now=now, zone=timezone.get_current_timezone())
    _refuse_errors(query.errors)
    query = replace(query, sort=query.sort or sort, group=query.group or group)
    try:
        page = find(
            query,
            within=_projects(request, project),
            match=match,
            limit=limit,
            hits_shown=HITS_SHOWN,
            counted=SiteSettings.current().counted_hits,
            cursor=cursor or None,
            cover=cover_for(reader_of(request)).text,
            now=now,
            allow_scans=reader_of(request).is_authenticated,
        )
    except ValueError as problem:  # what find() says of a cursor that is none of its own
        raise bad_cursor() from problem
    _refuse_errors(page.notices)
    if not cursor:
        note_search(page, q, by=reader_of(request), projects=project, via="api")
    return JsonResponse(published(page, query=q))


@router.get(
    "threads/{thread_id}",
    operation_id="read_thread",
    auth=within("read"),
    response={200: shapes.ThreadDetail, 302: None, **REFUSALS},
    summary="One thread",
    tags=["threads"],
    url_name="thread",
)
def thread(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Describe a thread, found by ThreadHub's id; the store's id is redirected to that."""
    found = (
        Thread.objects.visible_to(reader_of(request))
        .select_related("project", "assistant")
        .prefetch_related("tags")
        .filter(short_id=thread_id)
        .first()
    )
    if found is None:
        return _by_external_id(request, thread_id, "api:thread")
    note_read(found, by=reader_of(request), via="api")
    cover = cover_for(reader_of(request))
    messages_url = reverse("api:messages", args=[found.short_id])
    return JsonResponse(shapes.thread_detail(cover.thread(found), messages_url=messages_url))


@router.get(
    "threads/{thread_id}/messages",
    operation_id="list_messages",
    auth=within("read"),
    response={200: shapes.MessagePage, 302: None, **REFUSALS},
    summary="The messages of a thread",
    tags=["threads"],
    url_name="messages",
)
def messages(
    request: HttpRequest,
    thread_id: str,
    cursor: str = "",
    limit: Annotated[int, Parameter(ge=1, le=MAX_MESSAGES)] = 100,
) -> HttpResponse:
    """List a thread's messages, tool calls and their output, in order."""
    visible = Thread.objects.visible_to(reader_of(request)).select_related("project")
    found = visible.filter(short_id=thread_id).first()
    if found is None:
        return _by_external_id(request, thread_id, "api:messages")
    note_read(found, by=reader_of(request), via="api")
    cover = cover_for(reader_of(request))
    # One more than asked for tells whether there is a next page.
    rows = list(
        found.messages.filter(position__gt=_position(cursor))
        .order_by("position")
        .prefetch_related("files")[: limit + 1]
    )
    shown = rows[:limit]
    next_cursor = _cursor(shown[-1].position) if len(rows) > limit else None
    return JsonResponse(
        shapes.MessagePage(
            results=[
                shapes.message_detail(
                    cover.message(row), short_id=found.short_id, files=_files(found, row, cover)
                )
                for row in shown
            ],
            next_cursor=next_cursor,
        )
    )


def _files(thread: Thread, message: Message, cover: Cover) -> list[shapes.FileDetail]:
    """Say where the files of a message are had; wants them fetched with it."""
    details = []
    for file in sorted(message.files.all(), key=lambda each: each.pk):
        place = [thread.project.slug, file.file_id] if may_be_had(thread, file.file_id) else None
        details.append(
            shapes.FileDetail(
                id=file.file_id,
                name=cover.text(thread.project_id, file.name),
                url=reverse("threads:file", args=place) if place else None,
                content_url=reverse("api:file", args=place) if place else None,
            )
        )
    return details


@router.get(
    "projects",
    operation_id="list_projects",
    auth=within("read"),
    response={200: shapes.ProjectList, **REFUSALS},
    summary="The projects that you see",
    tags=["projects"],
)
def projects(request: HttpRequest) -> HttpResponse:
    """List the projects whose threads you may read, by name."""
    visible = Project.objects.visible_to(reader_of(request)).prefetch_related("tags")
    return JsonResponse(
        shapes.ProjectList(
            results=[shapes.project_detail(row) for row in visible.order_by("name", "pk")]
        )
    )


@router.get(
    "me",
    operation_id="read_me",
    auth=within("read"),
    response={200: shapes.Me, **REFUSALS},
    summary="Who you are",
    tags=["me"],
)
def me(request: HttpRequest) -> HttpResponse:
    """Tell as whom the API sees you."""
    return JsonResponse(shapes.me(reader_of(request)))


@router.get(
    "facets",
    operation_id="count_facets",
    auth=within("search"),
    response={200: shapes.FacetAnswer, **REFUSALS},
    summary="How results are spread",
    tags=["threads"],
)
def count_facets(
    request: HttpRequest,
    q: str = "",
    project: Annotated[list[str], Parameter(description="Only these projects")] = [],  # noqa: B006
) -> HttpResponse:
    """Count the threads of a query by project, tag, source, role, assistant, model and more.

    Within one facet values are alternatives: its counts leave the query's own filter by it aside.
    """
    now, zone = timezone.now(), timezone.get_current_timezone()
    query = parse(q, now=now, zone=zone)
    _refuse_errors(query.errors)
    most = SiteSettings.current().facet_hits
    projects = _projects(request, project)
    counted = facets(query, within=projects, now=now, zone=zone, cap=most)
    return JsonResponse(shapes.facet_answer(counted))


@router.get(
    "suggestions",
    operation_id="list_suggestions",
    auth=within("read"),
    response={200: shapes.SuggestionList, **REFUSALS},
    summary="How a query could go on",
    tags=["threads"],
)
def suggestions(
    request: HttpRequest,
    q: str = "",
    position: Annotated[
        int | None, Parameter(ge=0, description="Where in `q` is being typed; else at its end")
    ] = None,
) -> HttpResponse:
    """List what could be typed next: filters, and values that you may see.

    Nothing where the administrators have switched suggestions off.
    """
    if not SiteSettings.current().suggests:
        return JsonResponse(shapes.SuggestionList(results=[]))
    visible = Project.objects.visible_to(reader_of(request))
    found = suggest(q, projects=visible, position=position)
    if covered_for(reader_of(request)):
        found = [one for one in found if mask(one.label) == one.label]
    return JsonResponse(shapes.SuggestionList(results=[shapes.suggestion(one) for one in found]))


def _refuse_errors(notices: Iterable[Notice]) -> None:
    """Refuse a query with an error: a program must not take the rest for the answer.

    :raises Refused: with the first error.
    """
    for notice in notices:
        if notice.is_error:
            raise Refused(
                status=400,
                code=notice.code,
                message=localised(notice).message,
                field="q",
                position=notice.position,
                length=notice.length or None,
                suggestion=notice.suggestion,
            )


def _projects(request: HttpRequest, slugs: list[str]) -> ProjectQuerySet:
    """Return the projects to search: those named, or all that the reader sees.

    :raises Refused: for a name that the reader sees no project of; it may exist all the same.
    """
    visible = Project.objects.visible_to(reader_of(request))
    if not slugs:
        return visible
    known = set(visible.values_list("slug", flat=True))
    for slug in slugs:
        if slug not in known:
            near = difflib.get_close_matches(slug, known, n=1)
            raise unknown_project(
                slug,
                _("You see no project “{slug}”."),
                field="project",
                suggestion=near[0] if near else "",
            )
    return visible.filter(slug__in=slugs)


def _by_external_id(request: HttpRequest, thread_id: str, name: str) -> HttpResponse:
    """Redirect from the store's id to the thread's own address.

    :raises Http404: when the reader may see no thread with that id.
    """
    found = (
        Thread.objects.visible_to(reader_of(request))
        .filter(external_id=thread_id)
        .order_by("pk")
        .values_list("short_id", flat=True)
        .first()
    )
    if found is None:
        raise Http404
    response = redirect(name, found)
    if request.GET:
        response["Location"] += f"?{request.GET.urlencode()}"
    return response


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"after {position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    """Read what `_cursor` wrote; 0 for none.

    :raises Refused: when it is something else.
    """
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        position = int(text.removeprefix("after "))
        if text == f"after {position}" and 0 < position <= _LARGEST_POSITION:
            return position
    except (binascii.Error, ValueError):
        pass
    raise bad_cursor()
