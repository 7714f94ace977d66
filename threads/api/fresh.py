"""Fresh searches through the API, and the question before them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from projects.models import SiteSettings
from threadhub.lib import offences
from threadhub.lib.http import client_ip
from threads import actions, captcha, sync
from threads.api import bodies, shapes
from threads.api.access import WRITE, binding_of, reader_of, within
from threads.api.errors import Refused, refused, unknown_project
from threads.api.router import CHANGE_REFUSALS, REFUSALS, leads_to, router
from threads.models import FreshSearch
from threads.search.published import published_time

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


@router.get(
    "captcha",
    operation_id="ask_question",
    auth=within("captcha"),
    response={200: shapes.QuestionDetail, **REFUSALS},
    summary="A question to answer first",
    tags=["fresh searches"],
)
def ask_question(request: HttpRequest, sound: bool = False) -> HttpResponse:
    """Return a question for one fresh search; visitors need it, and busy members.

    Its answer goes along as `captcha_token` and `captcha_answer`, from the same account or
    address, within ten minutes, once.
    """
    user = reader_of(request)
    mode = captcha.Mode.SOUND if sound else captcha.Mode(SiteSettings.current().captcha_mode)
    question = captcha.ask(
        purpose=actions.CAPTCHA_PURPOSE,
        binding=binding_of(request, user),
        mode=mode,
        now=timezone.now(),
    )
    return JsonResponse(
        shapes.QuestionDetail(
            token=question.token,
            mode=question.mode.value,
            content_type=question.content_type,
            content=question.address,
            expires_at=published_time(question.expires_at) or "",
            is_needed=actions.needs_captcha(user),
        )
    )


@router.post(
    "fresh-searches",
    operation_id="start_fresh_search",
    auth=within("fresh_search"),
    response={202: shapes.FreshSearchDetail, **CHANGE_REFUSALS},
    summary="Ask the sources, then search",
    tags=["fresh searches"],
    openapi_extra=leads_to(
        202, "/id", read_fresh_search="search_id", cancel_fresh_search="search_id"
    ),
)
def start_fresh_search(request: HttpRequest, body: bodies.NewFreshSearch) -> HttpResponse:
    """Read what may have changed at the sources. The same words asked meanwhile share the work.

    Poll `url` until `state` is done; then `results_url` is the ordinary search.
    """
    user = reader_of(request, scope=WRITE)
    if actions.needs_captcha(user):
        verdict = captcha.check(
            body.captcha_token,
            body.captcha_answer,
            purpose=actions.CAPTCHA_PURPOSE,
            binding=binding_of(request, user),
            now=timezone.now(),
        )
        if verdict.is_offence:
            offences.note(request, offences.Kind.CAPTCHA)
        if verdict is not captcha.Verdict.OK:
            raise Refused(
                status=403,
                code=f"captcha_{verdict.value}",
                message=verdict.message,
                field="captcha_answer",
            )
    askable = actions.askable_projects(user)
    projects = list(askable.filter(slug__in=body.projects) if body.projects else askable)
    missing = set(body.projects) - {project.slug for project in projects}
    if missing:
        raise unknown_project(
            min(missing), _("You can ask no source of the project “{slug}”."), field="projects"
        )
    try:
        search = actions.request_fresh_search(
            body.query,
            projects,
            by=user if isinstance(user, User) else None,
            ip=client_ip(request),
        )
    except actions.Refused as refusal:
        raise refused(refusal) from refusal
    return JsonResponse(_fresh_search(search), status=202)


@router.get(
    "fresh-searches/{search_id}",
    operation_id="read_fresh_search",
    auth=within("poll"),
    response={200: shapes.FreshSearchDetail, **REFUSALS},
    summary="How far a fresh search is",
    tags=["fresh searches"],
    url_name="fresh_search",
)
def read_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Tell how far it is. A visitor's one is found by whoever knows its id."""
    return JsonResponse(_fresh_search(_search(reader_of(request), search_id)))


@router.delete(
    "fresh-searches/{search_id}",
    operation_id="cancel_fresh_search",
    auth=within("change"),
    response={200: shapes.FreshSearchDetail, **REFUSALS},
    summary="Stop a fresh search",
    tags=["fresh searches"],
)
def cancel_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Stop it, or only leave it while others wait for the same; nothing happens when it ended."""
    user = reader_of(request, scope=WRITE)
    search = _search(user, search_id)
    actions.cancel_fresh_search(search, by=user if isinstance(user, User) else None)
    return JsonResponse(_fresh_search(_search(user, search_id)))


def _search(user: User | AnonymousUser, search_id: uuid.UUID) -> FreshSearch:
    return get_object_or_404(
        FreshSearch.objects.visible_to(user).select_related("job"), pk=search_id
    )


def _fresh_search(search: FreshSearch) -> shapes.FreshSearchDetail:
    job = search.job
    results = reverse("api:search_threads") + "?" + urlencode({"q": search.query})
    return shapes.FreshSearchDetail(
        id=str(search.pk),
        query=search.query,
        state=search.state,
        phase=job.phase,
        threads_done=job.done_count,
        threads_total=job.total_count,
        calls=int(job.result.get("calls", 0)),
        messages_new=int(job.result.get("messages_new", 0)),
        seconds_left=(sync.seconds_left(job, now=timezone.now()) if search.is_live else None),
        error=job.error,
        notes=[str(note) for note in job.result.get("notes", [])],
        asked_at=published_time(search.asked_at) or "",
        url=reverse("api:fresh_search", args=[search.pk]),
        results_url=results,
    )
