"""Threads that programs add: their ids, or the whole of them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from projects.models import Connection, Project
from threads import actions
from threads.api import bodies, shapes
from threads.api.access import WRITE, account_of, within
from threads.api.errors import Refused, refused, unknown_project
from threads.api.router import CHANGE_REFUSALS, router


@router.post(
    "threads",
    operation_id="add_threads",
    auth=within("write"),
    response={200: shapes.AddedThreads, **CHANGE_REFUSALS},
    summary="Add threads",
    tags=["threads"],
)
def add_threads(request: HttpRequest, body: bodies.NewThreads) -> HttpResponse:
    """Register threads by their ids at the store, or send whole ones; twice changes nothing.

    Registered ones are read by the next round of the refresh. Whole ones are in the format of
    JSONL exports; one that is wrong is named in `problems` by its number, the others are kept.
    """
    user = account_of(request, scope=WRITE)
    project = Project.objects.managed_by(user).filter(slug=body.project).first()
    if project is None:
        raise unknown_project(body.project, _("You manage no project “{slug}”."), field="project")
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
            raise refused(refusal) from refusal
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
