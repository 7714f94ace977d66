"""Fresh searches: what one costs, started, followed, stopped. Then comes the ordinary search."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from projects.models import Project
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import limited, seconds_to_wait, too_many
from threads import actions, sync
from threads.models import FreshSearch, Job
from threads.search.query import Query, parse
from threads.search.query.editing import values_of, with_filter
from threads.views import questions
from threads.views.reader import reader

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_MOST_PROJECTS = 40  # offered; each one's cost takes a few queries
_NEWEST = 50
_SESSION = "fresh_searches"  # a visitor's own, newest last


@require_GET
@limited("read")
def new_fresh_search(request: HttpRequest) -> HttpResponse:
    """Show what a fresh search would cost, and the question that some people answer first."""
    return _form(request, query=request.GET.get("q", ""), slugs=request.GET.getlist("project"))


def _form(request: HttpRequest, *, query: str, slugs: list[str], problem: str = "") -> HttpResponse:
    askable = actions.askable_projects(reader(request)).order_by("name", "pk")
    costs = actions.preview_fresh_search(askable[:_MOST_PROJECTS], now=timezone.now())
    wanted = {slug.casefold() for slug in (slugs or values_of(_parsed(query), "project"))}
    chosen = {cost.project.slug for cost in costs if cost.project.slug.casefold() in wanted}
    if not wanted:
        chosen = {cost.project.slug for cost in costs}
    needs_answer = bool(costs) and actions.needs_captcha(reader(request))
    context = {
        "section": "fresh",
        "q": query,
        "costs": [(cost, cost.project.slug in chosen) for cost in costs],
        "calls": sum(cost.calls for cost in costs if cost.project.slug in chosen),
        "seconds": sum(cost.seconds for cost in costs if cost.project.slug in chosen),
        "problem": problem,
        "question": (
            questions.ask_for(request, purpose=actions.CAPTCHA_PURPOSE) if needs_answer else None
        ),
    }
    response = render(
        request, "threads/fresh_search_new.html", context, status=400 if problem else 200
    )
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "POST"])
def fresh_searches(request: HttpRequest) -> HttpResponse:
    """List one's own fresh searches, or start one."""
    limit = "fresh_search" if request.method == "POST" else "read"
    wait_seconds = seconds_to_wait(request, limit)
    if wait_seconds is not None:
        return too_many(request, wait_seconds)
    if request.method == "GET":
        context = {"section": "fresh", "searches": _own(request)}
        return render(request, "threads/fresh_searches.html", context)
    query, slugs = request.POST.get("q", ""), request.POST.getlist("project")
    if questions.wants_another(request):
        return _form(request, query=query, slugs=slugs)
    if actions.needs_captcha(reader(request)):
        wait_seconds = seconds_to_wait(request, "captcha")
        if wait_seconds is not None:
            return too_many(request, wait_seconds)
        problem = questions.refusal(request, purpose=actions.CAPTCHA_PURPOSE)
        if problem:
            return _form(request, query=query, slugs=slugs, problem=problem)
    askable = actions.askable_projects(reader(request))
    projects = list(askable.filter(slug__in=slugs))
    user = cast("User", request.user) if request.user.is_authenticated else None
    try:
        search = actions.request_fresh_search(
            _narrowed(query, projects, all_count=askable.count()),
            projects,
            by=user,
            ip=client_ip(request),
        )
    except actions.Refused as refusal:
        return _form(request, query=query, slugs=slugs, problem=str(refusal))
    if user is None:
        own = [*request.session.get(_SESSION, []), str(search.pk)]
        request.session[_SESSION] = own[-_NEWEST:]
    return redirect("threads:fresh_search", search_id=search.pk)


def _narrowed(query: str, projects: list[Project], *, all_count: int) -> str:
    """Return the query as the results will show it: within the projects that were chosen."""
    if not query.strip() or values_of(_parsed(query), "project") or len(projects) == all_count:
        return query
    for project in projects:
        query = with_filter(_parsed(query), "project", project.slug)
    return query


def _parsed(query: str) -> Query:
    return parse(query, now=timezone.now(), zone=timezone.get_current_timezone())


def _own(request: HttpRequest) -> list[FreshSearch]:
    found = FreshSearch.objects.visible_to(reader(request)).select_related("job")
    if request.user.is_authenticated:
        found = found.filter(requested_by=request.user.pk)
    else:
        found = found.filter(requested_by=None, pk__in=request.session.get(_SESSION, []))
    return list(found.order_by("-asked_at", "pk")[:_NEWEST])


def _search(request: HttpRequest, search_id: uuid.UUID) -> FreshSearch:
    """Return a fresh search of the reader's. :raises Http404: when they may see none such."""
    found = FreshSearch.objects.visible_to(reader(request)).select_related("job", "requested_by")
    return get_object_or_404(found, pk=search_id)


def _results(search: FreshSearch) -> str:
    return f"{reverse('threads:search')}?{urlencode({'q': search.query})}"


@require_GET
@limited("poll")
def fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Show how far it is; who waited for its end is led on to the results."""
    search = _search(request, search_id)
    is_fragment = bool(request.headers.get("HX-Request"))
    if search.state == Job.State.DONE and (is_fragment or "follow" in request.GET):
        _tell(request, search)
        if not is_fragment:
            return redirect(_results(search))
        response = HttpResponse()
        response["HX-Redirect"] = _results(search)
        return response
    context = {
        "section": "fresh",
        "search": search,
        "job": search.job,
        "results": _results(search),
        "seconds_left": sync.seconds_left(search.job, now=timezone.now()),
        "is_fragment": is_fragment,
    }
    template = "threads/_fresh_search.html" if is_fragment else "threads/fresh_search.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Request, Cookie"
    response["Cache-Control"] = "no-store"
    return response


def _tell(request: HttpRequest, search: FreshSearch) -> None:
    new = int(search.job.result.get("messages_new", 0))
    text = ngettext("%(count)d new message.", "%(count)d new messages.", new) % {"count": new}
    messages.success(request, _("The source has been asked: {found}").format(found=text))
    for note in search.job.result.get("notes", []):
        messages.warning(request, str(note))


@require_POST
@limited("change")
def cancel_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Stop it, or only leave it while others wait for the same."""
    search = _search(request, search_id)
    user = cast("User", request.user) if request.user.is_authenticated else None
    if not actions.cancel_fresh_search(search, by=user):
        messages.info(request, _("It had ended already."))
    return redirect("threads:fresh_search", search_id=search.pk)


@require_POST
@limited("fresh_search")
def retry_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Go on with one that failed or was stopped, where it was."""
    search = _search(request, search_id)
    user = cast("User", request.user) if request.user.is_authenticated else None
    try:
        search = actions.retry_fresh_search(search, by=user)
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("threads:fresh_search", search_id=search.pk)
