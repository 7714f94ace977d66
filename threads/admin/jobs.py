"""The console's pages for background work: jobs with their progress."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from projects.admin.access import ProjectFilter, ReadOnly, account_of, user_of
from projects.admin.display import UNKNOWN, as_json, badge, moment, number, seconds
from projects.admin.paging import CappedPaginator
from threads import actions
from threads.admin import deletion, imports, projects
from threads.models import Job

STATE_KIND = {
    "queued": "quiet",
    "running": "info",
    "done": "ok",
    "failed": "error",
    "cancelled": "quiet",
}


def state_of(job: Job) -> dict[str, Any]:
    """Return what the progress page shows and asks for again while the job is live."""
    unit = imports.size if job.kind == Job.Kind.IMPORT else number
    if job.total_count:
        progress = gettext("%(done)s of %(total)s") % {
            "done": unit(job.done_count),
            "total": unit(job.total_count),
        }
    else:
        progress = unit(job.done_count) if job.done_count else ""
    is_cancelling = job.cancel_requested_at is not None and job.is_live
    return {
        "is_live": job.is_live,
        "percent": job.percent,
        "progress": progress,
        "phase": job.phase,
        "state": gettext("Being cancelled") if is_cancelling else job.get_state_display(),
        "kind": STATE_KIND[job.state],
        "error": job.error,
    }


@admin.register(Job)
class JobAdmin(ReadOnly):
    paginator = CappedPaginator
    list_display = ("what", "project", "state_badge", "progress", "who", "queued", "duration")
    list_filter = ("state", "kind", ("project", ProjectFilter), "queued_at")
    list_select_related = ("project", "requested_by")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-queued_at", "-pk")
    actions = ("cancel_selected", "retry_selected")
    fields = readonly_fields = (
        *("what", "key", "project", "who", "queued", "started", "finished", "duration"),
        *("attempts", "error", "parameters_json", "result_json"),
    )

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> tuple[str, ...]:
        """Leave out the report of an import: it stands above as a table, and is long."""
        has_report = imports.has_report(obj)
        return tuple(name for name in self.fields if not (has_report and name == "result_json"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return Job.objects.visible_to(user_of(request)).order_by(*self.ordering)

    def has_module_permission(self, request: HttpRequest) -> bool:
        user = user_of(request)
        return user.is_active and user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request) and (
            obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/state/", view(self.state), name="threads_job_state"),
            path("<uuid:pk>/cancel/", view(require_POST(self.cancel)), name="threads_job_cancel"),
            path("<uuid:pk>/retry/", view(require_POST(self.retry)), name="threads_job_retry"),
            *projects.urls(self.admin_site),
            *super().get_urls(),
        ]

    def _job(self, request: HttpRequest, pk: Any) -> Job:
        if not self.has_module_permission(request):
            raise PermissionDenied
        job = Job.objects.visible_to(user_of(request)).filter(pk=pk).first()
        if job is None:
            raise Http404
        return job

    def state(self, request: HttpRequest, pk: Any) -> JsonResponse:
        return JsonResponse(state_of(self._job(request, pk)))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        context: dict[str, Any] = {"title": gettext("Job"), "can_run_again": True}
        if job is not None:
            context |= {"job": job, "job_state": state_of(job)}
            context |= imports.context_of(job) | deletion.context_of(job)
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def cancel(self, request: HttpRequest, pk: Any) -> HttpResponse:
        self._cancel(request, self._job(request, pk))
        return redirect("admin:threads_job_change", pk)

    def retry(self, request: HttpRequest, pk: Any) -> HttpResponse:
        again = self._retry(request, self._job(request, pk))
        return redirect("admin:threads_job_change", again.pk if again else pk)

    def _cancel(self, request: HttpRequest, job: Job) -> bool:
        return actions.cancel_job(job, by=account_of(request))

    def _retry(self, request: HttpRequest, job: Job) -> Job | None:
        try:
            return actions.retry_job(job, by=account_of(request))
        except actions.Refused as refused:
            messages.warning(request, str(refused))
            return None

    @admin.action(description=_("Cancel"))
    def cancel_selected(self, request: HttpRequest, queryset: Any) -> None:
        count = sum(self._cancel(request, job) for job in queryset.live())
        text = ngettext("%d job will stop.", "%d jobs will stop.", count)
        messages.success(request, text % count)

    @admin.action(description=_("Run again"))
    def retry_selected(self, request: HttpRequest, queryset: Any) -> None:
        ended = queryset.filter(state__in=[Job.State.FAILED, Job.State.CANCELLED])
        count = sum(self._retry(request, job) is not None for job in ended)
        text = ngettext("%d job was queued again.", "%d jobs were queued again.", count)
        messages.success(request, text % count)

    @admin.display(description=_("job"), ordering="kind")
    def what(self, job: Job) -> str:
        return job.get_kind_display()

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, job: Job) -> str:
        state = state_of(job)
        return badge(state["kind"], state["state"], title=job.error)

    @admin.display(description=_("progress"))
    def progress(self, job: Job) -> str:
        return state_of(job)["progress"] or UNKNOWN

    @admin.display(description=_("requested by"), ordering="requested_by__username")
    def who(self, job: Job) -> str:
        return job.requested_by.get_username() if job.requested_by else gettext("ThreadHub")

    @admin.display(description=_("queued"), ordering="queued_at")
    def queued(self, job: Job) -> str:
        return moment(job.queued_at)

    @admin.display(description=_("started"))
    def started(self, job: Job) -> str:
        return moment(job.started_at)

    @admin.display(description=_("finished"))
    def finished(self, job: Job) -> str:
        return moment(job.finished_at)

    @admin.display(description=_("duration"))
    def duration(self, job: Job) -> str:
        if job.started_at is None:
            return UNKNOWN
        return seconds(((job.finished_at or timezone.now()) - job.started_at).total_seconds())

    @admin.display(description=_("parameters"))
    def parameters_json(self, job: Job) -> str:
        return as_json(job.parameters)

    @admin.display(description=_("result"))
    def result_json(self, job: Job) -> str:
        return as_json(job.result)
