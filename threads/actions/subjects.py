"""Data requests: opened, reviewed, packed, deleted. Each step is on the audit log."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from threadhub.lib import audit
from threads.actions.jobs import Refused, queue_job
from threads.models import Job, SubjectRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from projects.models import Project


def open_subject_request(
    request: SubjectRequest, projects: QuerySet[Project], *, by: User
) -> SubjectRequest:
    """Save a new request and look for what it is about in `projects`, as a job.

    :raises Refused: when nothing is looked for, or nowhere.
    """
    if not request.terms():
        raise Refused(_("Say what to look for: a user id, an e-mail address or some words."))
    if not projects:
        raise Refused(_("Choose a project at least."))
    with transaction.atomic():
        request.requested_by = by
        request.save(force_insert=True)
        request.projects.set(projects)
        audit.record(
            action="subject.open",
            actor=by,
            target=request,
            projects=[project.slug for project in projects],
            terms=len(request.terms()),
        )
        _start(request, Job.Kind.FIND_SUBJECT, SubjectRequest.State.SEARCHING, by=by)
    return request


def choose_findings(request: SubjectRequest, included: Collection[int], *, by: User) -> None:
    """Say which of the found threads belong to the case, by the findings' keys.

    :raises Refused: while something is being done for the request.
    """
    _refuse_while_busy(request)
    with transaction.atomic():
        findings = request.findings.filter(end="")
        findings.filter(pk__in=included).update(is_included=True)
        findings.exclude(pk__in=included).update(is_included=False)
        count = request.findings.filter(is_included=True).count()
        audit.record(action="subject.review", actor=by, target=request, included=count)


def request_pack(request: SubjectRequest, *, by: User) -> Job:
    """Queue the pack of what belongs to the case. :raises Refused: when that is nothing."""
    _refuse_while_busy(request)
    if not request.findings.filter(is_included=True, thread__isnull=False).exists():
        raise Refused(_("Nothing was found that belongs to the case."))
    return _start(request, Job.Kind.PACK_SUBJECT, SubjectRequest.State.PACKING, by=by)


def request_erasure(request: SubjectRequest, *, by: User, typed: str, erases_upstream: bool) -> Job:
    """Queue the deletion of what belongs to the case; what is on legal hold stays.

    :param typed: the case's reference, as the person has typed it.
    :raises Refused: when that is another one, or there is nothing to delete.
    """
    _refuse_while_busy(request)
    left = Q(end="") | Q(end__in=["kept", "held"])
    if not request.findings.filter(left, is_included=True, thread__isnull=False).exists():
        raise Refused(_("Nothing is left that could be deleted."))
    if typed.strip() != request.reference:
        raise Refused(_("Type the reference of the request, %s, to go on.") % request.reference)
    return _start(
        request,
        Job.Kind.ERASE_SUBJECT,
        SubjectRequest.State.ERASING,
        by=by,
        erases_upstream=erases_upstream,
    )


def _refuse_while_busy(request: SubjectRequest) -> None:
    fresh = SubjectRequest.objects.select_related("job").get(pk=request.pk)
    if fresh.is_busy:
        raise Refused(_("Something is being done for this request. Wait for it, or cancel it."))


def _start(
    request: SubjectRequest,
    kind: Job.Kind,
    state: SubjectRequest.State,
    *,
    by: User,
    erases_upstream: bool = False,
) -> Job:
    with transaction.atomic():
        job, is_new = queue_job(
            kind,
            str(request.pk),
            by=by,
            parameters={"request_id": str(request.pk), "erases_upstream": erases_upstream},
        )
        request.job, request.state = job, state
        request.save(update_fields=["job", "state"])
        if is_new and kind == Job.Kind.ERASE_SUBJECT:
            count = request.findings.filter(is_included=True).count()
            audit.record(
                action="subject.request_erasure",
                actor=by,
                target=request,
                threads=count,
                upstream=erases_upstream,
            )
    return job
