"""Asking through the API: the question, fresh searches, threads to add, exports."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from projects.models import Connection, Project, SiteSettings
from threadhub.lib import offences
from threadhub.lib.http import client_ip
from threads import actions, captcha, sync
from threads.api import bodies, shapes
from threads.api.access import (
    EXPORT,
    WRITE,
    account_of,
    binding_of,
    count_against,
    reader_of,
)
from threads.api.errors import Refused
from threads.api.reading import router  # the same: `threads` has a GET there and a POST here
from threads.exports import ExportOrder
from threads.exports.kept import expires_at, export_path
from threads.models import FreshSearch, Job
from threads.search.published import published_time

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

_ERRORS = {frozenset({400, 401, 403, 404, 409, 413, 429}): shapes.ErrorAnswer}


# The question.


@router.get(
    "captcha",
    operation_id="ask_question",
    response={200: shapes.QuestionDetail, **_ERRORS},
    summary="A question to answer first",
    tags=["fresh searches"],
)
def ask_question(request: HttpRequest, sound: bool = False) -> HttpResponse:
    """Return a question for one fresh search; visitors need it, and busy members.

    Its answer goes along as `captcha_token` and `captcha_answer`, from the same account or
    address, within ten minutes, once.
    """
    count_against(request, "captcha")
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


# Fresh searches.


@router.post(
    "fresh-searches",
    operation_id="start_fresh_search",
    response={202: shapes.FreshSearchDetail, **_ERRORS},
    summary="Ask the sources, then search",
    tags=["fresh searches"],
)
def start_fresh_search(request: HttpRequest, body: bodies.NewFreshSearch) -> HttpResponse:
    """Read what may have changed at the sources. The same words asked meanwhile share the work.

    Poll `url` until `state` is done; then `results_url` is the ordinary search.
    """
    count_against(request, "fresh_search")
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
        raise Refused(
            status=400,
            code="unknown_project",
            message=_("You can ask no source of the project “{slug}”.").format(slug=min(missing)),
            field="projects",
        )
    try:
        search = actions.request_fresh_search(
            body.query,
            projects,
            by=user if isinstance(user, User) else None,
            ip=client_ip(request),
        )
    except actions.Refused as refusal:
        raise _refused(refusal) from refusal
    return JsonResponse(_fresh_search(search), status=202)


@router.get(
    "fresh-searches/{search_id}",
    operation_id="read_fresh_search",
    response={200: shapes.FreshSearchDetail, **_ERRORS},
    summary="How far a fresh search is",
    tags=["fresh searches"],
    url_name="fresh_search",
)
def read_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Tell how far it is. A visitor's one is found by whoever knows its id."""
    count_against(request, "poll")
    return JsonResponse(_fresh_search(_search(reader_of(request), search_id)))


@router.delete(
    "fresh-searches/{search_id}",
    operation_id="cancel_fresh_search",
    response={200: shapes.FreshSearchDetail, **_ERRORS},
    summary="Stop a fresh search",
    tags=["fresh searches"],
)
def cancel_fresh_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Stop it, or only leave it while others wait for the same; nothing happens when it ended."""
    count_against(request, "change")
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


# Threads to add.


@router.post(
    "threads",
    operation_id="add_threads",
    response={200: shapes.AddedThreads, **_ERRORS},
    summary="Add threads",
    tags=["threads"],
)
def add_threads(request: HttpRequest, body: bodies.NewThreads) -> HttpResponse:
    """Register threads by their ids at the store, or send whole ones; twice changes nothing.

    Registered ones are read by the next round of the refresh. Whole ones are in the format of
    JSONL exports; one that is wrong is named in `problems` by its number, the others are kept.
    """
    count_against(request, "write")
    user = account_of(request, scope=WRITE)
    project = Project.objects.managed_by(user).filter(slug=body.project).first()
    if project is None:
        raise Refused(
            status=400,
            code="unknown_project",
            message=_("You manage no project “{slug}”.").format(slug=body.project),
            field="project",
        )
    if not body.ids and not body.threads:
        raise Refused(
            status=400,
            code="nothing_to_add",
            message=_("Send ids, or threads."),
            field="ids",
        )
    added = actions.Added()
    if body.ids:
        connection = _connection(project, body.connection)
        try:
            added = actions.add_thread_ids(project, connection, body.ids, by=user)
        except actions.Refused as refusal:
            raise _refused(refusal) from refusal
    report = actions.store_records(project, body.threads, by=user)
    return JsonResponse(
        shapes.AddedThreads(
            added=added.added,
            known=added.known,
            adopted=added.adopted,
            refused=[shapes.RefusedId(id=pk, message=why) for pk, why in added.refused.items()],
            threads_new=report.threads_new,
            threads_changed=report.threads_changed,
            threads_unchanged=report.threads_unchanged,
            messages_new=report.messages_new,
            messages_changed=report.messages_changed,
            problems=[
                shapes.WrongThread(number=problem["line"], message=problem["message"])
                for problem in report.problems
            ],
        )
    )


def _connection(project: Project, pk: int | None) -> Connection:
    """Return the connection that ids belong to. :raises Refused: when it is not clear which."""
    found = list(project.connections.all() if pk is None else project.connections.filter(pk=pk))
    if len(found) != 1:
        raise Refused(
            status=400,
            code="unknown_connection",
            message=_("Say which connection of the project the ids belong to."),
            field="connection",
        )
    return found[0]


# Exports.


@router.post(
    "exports",
    operation_id="start_export",
    response={202: shapes.ExportDetail, **_ERRORS},
    summary="Make a file of threads",
    tags=["exports"],
)
def start_export(request: HttpRequest, body: bodies.NewExport) -> HttpResponse:
    """Make an export in the background. Poll `url` until `file_url` is there."""
    count_against(request, "export")
    user = account_of(request, scope=EXPORT)
    order = ExportOrder(
        form=body.format,
        query=body.query,
        thread_ids=tuple(body.thread_ids),
        per_message=body.per_message,
        columns=tuple(body.columns),
        masked=body.masked,
        zipped=body.zipped,
        zone=body.time_zone,
    )
    try:
        job = actions.request_export(order, by=user)
    except actions.Refused as refusal:
        raise _refused(refusal) from refusal
    return JsonResponse(_export(job), status=202)


@router.get(
    "exports/{export_id}",
    operation_id="read_export",
    response={200: shapes.ExportDetail, **_ERRORS},
    summary="How far an export is",
    tags=["exports"],
    url_name="export",
)
def read_export(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Tell how far an export of one's own is, and where its file is once it is made."""
    count_against(request, "poll")
    return JsonResponse(_export(_own_export(request, export_id)))


@router.get(
    "exports/{export_id}/file",
    operation_id="read_export_file",
    response={200: None, **_ERRORS},
    summary="The file of an export",
    tags=["exports"],
    url_name="export_file",
)
def read_export_file(request: HttpRequest, export_id: uuid.UUID) -> HttpResponseBase:
    """Send the file to who asked for it, until it expires."""
    count_against(request, "export")
    job = _own_export(request, export_id)
    order = ExportOrder.from_json(job.parameters)
    try:
        file = export_path(job.pk).open("rb")
    except OSError as error:
        raise Http404 from error
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"threadhub-{job.queued_at:%Y-%m-%d}.{order.extension}",
        content_type=order.content_type,
    )
    response["Cache-Control"] = "private, no-store"
    return response


def _own_export(request: HttpRequest, export_id: uuid.UUID) -> Job:
    user = account_of(request, scope=EXPORT)
    jobs = Job.objects.visible_to(user).filter(kind=Job.Kind.EXPORT, requested_by=user)
    return get_object_or_404(jobs, pk=export_id)


def _export(job: Job) -> shapes.ExportDetail:
    until = expires_at(job)
    return shapes.ExportDetail(
        id=str(job.pk),
        format=str(job.parameters.get("form", "")),
        state=job.state,
        threads_done=job.done_count,
        threads_total=job.total_count,
        error=job.error,
        sha256=str(job.result.get("sha256", "")) or None,
        size_bytes=job.result.get("size_bytes"),
        expires_at=published_time(until),
        url=reverse("api:export", args=[job.pk]),
        file_url=reverse("api:export_file", args=[job.pk]) if until else None,
    )


def _refused(refusal: actions.Refused) -> Refused:
    return Refused(status=400, code="refused", message=str(refusal))
