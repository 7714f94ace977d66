"""Exports: choose a format, get a small file at once, follow a larger one."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from projects.accounts import roles
from projects.models import Project
from threadhub.lib.http import client_ip
from threadhub.lib.ratelimit import limited
from threads import actions
from threads.exports import ExportError, ExportOrder, Selected, make, select
from threads.exports.kept import expires_at, export_path
from threads.exports.order import AT_ONCE_MESSAGES, AT_ONCE_PDF_MESSAGES
from threads.forms import ExportForm
from threads.models import Job
from threads.views.reader import reader

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_NEWEST = 50


def _own(request: HttpRequest) -> list[Job]:
    """The reader's own exports, newest first: a link to a file is for who asked for it."""
    if not request.user.is_authenticated:
        return []
    jobs = Job.objects.visible_to(reader(request)).filter(kind=Job.Kind.EXPORT)
    return list(jobs.filter(requested_by=request.user.pk).order_by("-queued_at", "pk")[:_NEWEST])


@require_GET
@limited("read")
def export_list(request: HttpRequest) -> HttpResponse:
    """Show the exports that the reader has asked for."""
    exports = [
        (job, ExportOrder.from_json(job.parameters), expires_at(job)) for job in _own(request)
    ]
    return render(request, "threads/exports.html", {"section": "exports", "exports": exports})


@require_http_methods(["GET", "POST"])
@limited("export")
def new_export(request: HttpRequest) -> HttpResponse:
    """Ask for the format, with the number of threads and messages; then make or queue it."""
    is_visitor = not request.user.is_authenticated
    if request.method == "POST":
        form = ExportForm(request.POST)
    else:
        given = {"q": request.GET.get("q", ""), "thread": request.GET.get("thread", "")}
        form = ExportForm(initial={**given, "masked": is_visitor})
    zone = str(timezone.get_current_timezone())
    if form.is_bound and form.is_valid():
        order = form.order(zone=zone, must_mask=is_visitor)
    else:
        source = request.POST if form.is_bound else request.GET
        order = ExportOrder(
            form="xlsx",
            query=source.get("q", "")[:2_000],
            thread_ids=tuple(part for part in source.get("thread", "").split(",") if part),
            zone=zone,
        )
    selected = select(
        order,
        within=Project.objects.usable_by(reader(request)),
        now=timezone.now(),
        allow_scans=not is_visitor,
    )
    if form.is_bound and form.is_valid() and selected.thread_ids:
        if selected.may_be_made_at_once(order):
            try:
                return _file_now(request, order, selected)
            except ExportError as error:
                form.add_error(None, str(error))
        elif is_visitor:
            form.add_error(None, _("This is too much for a visitor. Sign in, or search for less."))
        else:
            try:
                job = actions.request_export(order, by=cast("User", request.user))
            except actions.Refused as refusal:
                form.add_error(None, str(refusal))
            else:
                return redirect("threads:export", job_id=job.pk)
    context = {
        "section": "exports",
        "form": form,
        "order": order,
        "selected": selected,
        "only_reads": not selected.thread_ids and roles.is_viewer(reader(request)),
        "at_once": AT_ONCE_MESSAGES,
        "at_once_pdf": AT_ONCE_PDF_MESSAGES,
    }
    status = 400 if form.is_bound else 200
    return render(request, "threads/export_new.html", context, status=status)


def _file_now(request: HttpRequest, order: ExportOrder, selected: Selected) -> HttpResponse:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        make(
            order,
            path,
            selected,
            by=reader(request),
            now=timezone.now(),
            ip=client_ip(request),
        )
        # Open before the folder goes: the file lives on until the answer is sent.
        file = path.open("rb")
    return _attachment(file, order)


def _attachment(file: BinaryIO, order: ExportOrder) -> HttpResponse:
    name = f"threadhub-{timezone.localdate():%Y-%m-%d}.{order.extension}"
    response = FileResponse(
        file,
        as_attachment=True,
        filename=name,
        content_type=order.content_type,
    )
    response["Cache-Control"] = "private, no-store"
    return cast("HttpResponse", response)


def _export(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Return an export of the reader's. :raises Http404: when they asked for none of that id."""
    if not request.user.is_authenticated:
        raise Http404
    jobs = Job.objects.visible_to(reader(request)).filter(kind=Job.Kind.EXPORT)
    return get_object_or_404(jobs, pk=job_id, requested_by=request.user.pk)


@require_GET
@limited("poll")
def export_page(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Show how far an export is and, when it is made, the file; htmx gets the part that changes."""
    job = _export(request, job_id)
    is_fragment = bool(request.headers.get("HX-Request"))
    context = {
        "section": "exports",
        "job": job,
        "order": ExportOrder.from_json(job.parameters),
        "expires_at": expires_at(job),
        "is_gone": job.state == Job.State.DONE and not export_path(job.pk).exists(),
        "is_fragment": is_fragment,
    }
    template = "threads/_export.html" if is_fragment else "threads/export.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Request, Cookie"
    response["Cache-Control"] = "no-store"
    return response


@require_GET
@limited("export")
def export_file(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Send the file to who asked for it; back to the page when it has expired."""
    job = _export(request, job_id)
    try:
        file = export_path(job.pk).open("rb")
    except OSError:
        return redirect("threads:export", job_id=job.pk)
    return _attachment(file, ExportOrder.from_json(job.parameters))
