"""The console's pages for imports: upload a file, see what it would do, then let it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from projects.admin.access import account_of, user_of
from projects.models import Connection, Project
from threadhub.lib.uploads import max_upload_bytes
from threads import actions
from threads.admin.thread_forms import ConnectionField
from threads.archive import ImportReport, ListAction
from threads.exports.cells import safe_text
from threads.models import Job

_SHOWN = 200  # rows of a report on the page; the file has all that were kept

FORMATS = [
    ("auto", _("Found out from the file")),
    ("jsonl", _("JSON Lines: ThreadHub's own exports, batch and training files")),
    ("chatgpt", _("ChatGPT export (zip or conversations.json)")),
    ("assistants", _("Assistants API: threads with their messages, as JSON")),
    ("predecessor", _("Threads of the predecessor's database (app.db)")),
    ("ids", _("List of thread ids (Excel, CSV or text)")),
]
LIST_ACTIONS = [
    (ListAction.ADD.value, _("add the threads")),
    (ListAction.REMARK.value, _("set their remarks")),
    (ListAction.DELETE.value, _("move them to the trash")),
]


class ImportForm(forms.Form):
    project = forms.ModelChoiceField(Project.objects.none(), label=_("Project"))
    file = forms.FileField(label=_("File"))
    format = forms.ChoiceField(choices=FORMATS, initial="auto", label=_("Format"))
    list_action = forms.ChoiceField(
        choices=LIST_ACTIONS, initial=ListAction.ADD.value, label=_("A list of ids is to")
    )
    connection = ConnectionField(
        Connection.objects.none(),
        required=False,
        label=_("Connection"),
        help_text=_("For a list of ids: where the threads are. Empty: the project's only one."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = user_of(request)
        projects = Project.objects.managed_by(user).order_by("name", "pk")
        connections = Connection.objects.managed_by(user).select_related("project")
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]
        most = filesizeformat(max_upload_bytes())
        self.fields["file"].help_text = gettext(
            "Up to %(size)s. The command import_threads takes larger files."
        ) % {"size": most}
        self.fields["connection"].queryset = connections.order_by("project__name", "pk")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        connection, project = cleaned.get("connection"), cleaned.get("project")
        if connection and project and connection.project_id != project.pk:
            self.add_error("connection", gettext("This connection belongs to another project."))
        return cleaned


class ImportPages(admin.ModelAdmin):
    """Adds the pages to the admin of threads. Files are rehearsed first, always."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.upload), name="threads_import"),
            path(
                "import/<uuid:pk>/run/",
                view(require_POST(self.confirm)),
                name="threads_import_run",
            ),
            path(
                "import/<uuid:pk>/report.<str:form>",
                view(require_GET(self.report)),
                name="threads_import_report",
            ),
            *super().get_urls(),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(
            request.POST or None, request.FILES or None, request=request, initial=request.GET.dict()
        )
        if request.method == "POST" and form.is_valid():
            cleaned = form.cleaned_data
            job = actions.request_import(
                cleaned["project"],
                cleaned["file"].chunks(),
                name=cleaned["file"].name,
                by=account_of(request),
                form=cleaned["format"],
                is_dry_run=True,
                list_action=ListAction(cleaned["list_action"]),
                connection=cleaned["connection"],
            )
            return redirect("admin:threads_job_change", job.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Import threads from a file"),
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/threads/import.html", context)

    def _job(self, request: HttpRequest, pk: Any) -> Job:
        """Return an import of a project that the user manages; else it does not exist."""
        managed = Project.objects.managed_by(user_of(request))
        jobs = Job.objects.filter(kind=Job.Kind.IMPORT, project__in=managed)
        job = jobs.select_related("project").filter(pk=pk).first()
        if job is None:
            raise Http404
        return job

    def confirm(self, request: HttpRequest, pk: Any) -> HttpResponse:
        job = self._job(request, pk)
        try:
            job = actions.confirm_import(job, by=account_of(request))
        except actions.Refused as refused:
            messages.warning(request, str(refused))
        return redirect("admin:threads_job_change", job.pk)

    def report(self, request: HttpRequest, pk: Any, form: str) -> HttpResponse:
        job = self._job(request, pk)
        report = job.result.get("report")
        if not report or form not in {"json", "csv"}:
            raise Http404
        if form == "json":
            text = json.dumps(report, indent=2, ensure_ascii=False)
            response = HttpResponse(text, content_type="application/json")
        else:
            response = HttpResponse(_as_csv(report), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-report.{form}"'
        return response


def size(kilobytes: int) -> str:
    """Return how much of a file was read, as people write it."""
    return str(filesizeformat(kilobytes * 1024))


def rows_of(report: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    """Return what became of which line, in the order of lines: (line, outcome, what, title)."""
    rows = [
        (row["line"], row["outcome"], row["id"], row.get("title", ""))
        for row in report.get("threads", [])
    ]
    rows += [(row["line"], "refused", row["message"], "") for row in report.get("problems", [])]
    return sorted(rows, key=lambda row: row[0])


def has_report(job: Job | None) -> bool:
    """Tell whether the job's page shows the report of an import."""
    return job is not None and job.kind == Job.Kind.IMPORT and bool(job.result.get("report"))


def context_of(job: Job | None) -> dict[str, Any]:
    """Return what the page of an import job shows beside its progress."""
    if job is None or job.kind != Job.Kind.IMPORT:
        return {}
    can_run_again = actions.has_file(job)
    if not has_report(job):
        return {"can_run_again": can_run_again}
    report = job.result["report"]
    rows = rows_of(report)
    in_vain = ImportReport.from_json(report).is_in_vain
    return {
        "can_run_again": can_run_again,
        "import_report": report,
        "import_rows": rows[:_SHOWN],
        "import_rows_left": max(0, len(rows) - _SHOWN),
        "import_waits": actions.has_upload(job) and not in_vain,
    }


def _as_csv(report: dict[str, Any]) -> str:
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    writer.writerow(["line", "outcome", "thread or reason", "title"])
    writer.writerows(
        [str(line), outcome, safe_text(what), safe_text(title)]
        for line, outcome, what, title in rows_of(report)
    )
    return "\ufeff" + target.getvalue()
