"""The console's pages for data requests: open, review, pack, delete, receipt."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from projects.admin.access import account_of, managed_ids, user_of
from projects.admin.display import UNKNOWN, badge, moment, number
from projects.admin.widgets import KeysField
from projects.models import Project
from threadhub.lib import audit
from threads import actions, subjects
from threads.admin.deletion import END
from threads.admin.jobs import state_of
from threads.models import SubjectRequest, Thread
from threads.work.erasing import End

_SHOWN = 1_000  # found threads on the page; whoever finds more narrows the case down
_LONGEST = 5_000  # characters of a field of terms
_STATE_KIND = {
    SubjectRequest.State.SEARCHING: "info",
    SubjectRequest.State.REVIEW: "warn",
    SubjectRequest.State.PACKING: "info",
    SubjectRequest.State.ERASING: "info",
    SubjectRequest.State.DONE: "ok",
}
_REASONS = {
    "user": _("user id"),
    "metadata": _("metadata"),
    "title": _("title or remark"),
    "text": _("text"),
}


class OpenForm(forms.ModelForm):
    """What is looked for, and where."""

    projects = KeysField(
        Project.objects.none(), label=_("Projects"), widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = SubjectRequest
        fields = ("reference", "user_ids", "emails", "texts", "projects")
        widgets = {
            name: forms.Textarea(
                attrs={"rows": 3, "class": "vLargeTextField", "maxlength": _LONGEST}
            )
            for name in ("user_ids", "emails", "texts")
        }
        help_texts = {
            "user_ids": _("One a line, as your own system calls the person."),
            "emails": _("One a line. Looked for as user, in metadata and in texts."),
            "texts": _("One a line: a name, a number, an address. Found as it is written."),
        }

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Project.objects.managed_by(user_of(request)).order_by("name", "pk")
        self.fields["projects"].queryset = mine  # type: ignore[attr-defined]
        self.initial.setdefault("projects", list(mine))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = SubjectRequest(
            **{name: cleaned.get(name, "") for name in ("user_ids", "emails", "texts")}
        )
        if not given.terms():
            raise forms.ValidationError(
                gettext("Say what to look for: a user id, an e-mail address or some words.")
            )
        if any(len(term) < 3 for _kind, term in given.terms()):
            raise forms.ValidationError(
                gettext("What is looked for has three characters at least: less is everywhere.")
            )
        return cleaned


@admin.register(SubjectRequest)
class SubjectRequestAdmin(admin.ModelAdmin):
    """For whoever manages a project. People see what they opened and manage all projects of."""

    list_display = ("reference", "state_badge", "found", "gone", "who", "opened", "erased")
    list_select_related = ("requested_by", "job")
    list_filter = ("state", "opened_at")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("reference",)
    ordering = ("-opened_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = SubjectRequest.objects.visible_to(user_of(request))
        counted: QuerySet = rows.annotate(
            found_count=Count("findings", filter=Q(findings__is_included=True)),
            gone_count=Count("findings", filter=Q(findings__end__in=["deleted", "erased"])),
        )
        ordered: QuerySet = counted.order_by(*self.ordering)
        return ordered

    def has_module_permission(self, request: HttpRequest) -> bool:
        user = user_of(request)
        return (
            user.is_active and user.is_staff and (user.is_superuser or bool(managed_ids(request)))
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request) and (
            obj is None or SubjectRequest.objects.visible_to(user_of(request)).contains(obj)
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    # Each step has its own page; what was done for a person is neither edited nor removed.
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "threads_subjectrequest"
        return [
            path("<uuid:pk>/choose/", view(require_POST(self.choose)), name=f"{name}_choose"),
            path("<uuid:pk>/pack/", view(require_POST(self.pack)), name=f"{name}_pack"),
            path("<uuid:pk>/pack.zip", view(require_GET(self.file)), name=f"{name}_file"),
            path("<uuid:pk>/erase/", view(self.erase), name=f"{name}_erase"),
            path("<uuid:pk>/receipt/", view(require_GET(self.receipt)), name=f"{name}_receipt"),
            path("<uuid:pk>/receipt.json", view(require_GET(self.json)), name=f"{name}_json"),
            *super().get_urls(),
        ]

    def _case(self, request: HttpRequest, pk: Any) -> SubjectRequest:
        """Return a request that the user may see; else it does not exist."""
        if not self.has_module_permission(request):
            raise Http404
        found = self.get_queryset(request).select_related("requested_by", "job").filter(pk=pk)
        case: SubjectRequest | None = found.first()
        if case is None:
            raise Http404
        return case

    def _context(self, request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            **more,
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise Http404
        form = OpenForm(request.POST or None, request=request)
        if request.method == "POST" and form.is_valid():
            case = form.save(commit=False)
            projects = form.cleaned_data["projects"]
            actions.open_subject_request(case, projects, by=account_of(request))
            return redirect("admin:threads_subjectrequest_change", case.pk)
        context = self._context(request, gettext("Open a data request"), form=form)
        return TemplateResponse(request, "admin/threads/subject/open.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show where the case stands, what was found, and what can be done next."""
        try:
            case = self._case(request, object_id)
        except ValueError:
            raise Http404 from None
        findings = case.findings.select_related("thread", "thread__project").order_by("pk")
        context = self._context(
            request,
            case.reference,
            case=case,
            stage=self.state_badge(case),
            is_open=case.stage == SubjectRequest.State.REVIEW and not case.erased_at,
            job=case.job,
            job_state=state_of(case.job) if case.job else None,
            rows=[_row(found) for found in findings[:_SHOWN]],
            rows_left=max(0, findings.count() - _SHOWN),
            included=case.findings.filter(is_included=True, thread__isnull=False).count(),
            has_pack=bool(case.pack_sha256) and subjects.pack_path(case.pk).exists(),
        )
        return TemplateResponse(request, "admin/threads/subject/case.html", context)

    def _act(self, request: HttpRequest, pk: Any, ask: Any) -> HttpResponse:
        try:
            ask(self._case(request, pk))
        except actions.Refused as refused:
            messages.error(request, str(refused))
        return redirect("admin:threads_subjectrequest_change", pk)

    def choose(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Keep which of the threads that the page showed belong to the case."""
        shown = {int(key) for key in request.POST.getlist("shown") if key.isdigit()}
        ticked = {int(key) for key in request.POST.getlist("included") if key.isdigit()}

        def ask(case: SubjectRequest) -> None:
            kept = case.findings.filter(is_included=True).exclude(pk__in=shown)
            included = ticked & shown | set(kept.values_list("pk", flat=True))
            actions.choose_findings(case, included, by=account_of(request))
            messages.success(request, gettext("Saved: %d threads belong to it.") % len(included))

        return self._act(request, pk, ask)

    def pack(self, request: HttpRequest, pk: Any) -> HttpResponse:
        by = account_of(request)
        return self._act(request, pk, lambda case: actions.request_pack(case, by=by))

    def file(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Send the pack, which is on the audit log like every reading."""
        case = self._case(request, pk)
        try:
            file = subjects.pack_path(case.pk).open("rb")
        except OSError:
            messages.error(request, gettext("The pack is not there any more. Make it again."))
            return redirect("admin:threads_subjectrequest_change", pk)
        audit.record(action="subject.download", actor=account_of(request), target=case)
        answer = FileResponse(file, as_attachment=True, filename=f"data-request-{case.pk}.zip")
        answer["Cache-Control"] = "private, no-store"
        return answer

    def erase(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Say what would go, ask for the reference, and delete it as a job."""
        case = self._case(request, pk)
        if request.method == "POST":
            try:
                actions.request_erasure(
                    case,
                    by=account_of(request),
                    typed=request.POST.get("typed", ""),
                    erases_upstream=request.POST.get("where") == "upstream",
                )
            except actions.Refused as refused:
                messages.error(request, str(refused))
            else:
                return redirect("admin:threads_subjectrequest_change", pk)
        mine = Thread.objects.managed_by(user_of(request))
        included = case.findings.filter(is_included=True, thread__isnull=False)
        plan = actions.plan_deletion(mine.filter(pk__in=included.values("thread")))
        context = self._context(
            request, gettext("Delete the data of %s?") % case.reference, case=case, plan=plan
        )
        return TemplateResponse(request, "admin/threads/subject/erase.html", context)

    def receipt(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Show the receipt, for paper."""
        case = self._case(request, pk)
        if not case.receipt:
            raise Http404
        rows = [
            each | {"label": END[End(each["outcome"])][1] if each["outcome"] else UNKNOWN}
            for each in case.receipt["threads"]
        ]
        context = self._context(request, gettext("Receipt"), case=case, rows=rows)
        return TemplateResponse(request, "admin/threads/subject/receipt.html", context)

    def json(self, request: HttpRequest, pk: Any) -> HttpResponse:
        case = self._case(request, pk)
        if not case.receipt:
            raise Http404
        answer = JsonResponse(case.receipt, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="receipt-{case.pk}.json"'
        return answer

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, case: SubjectRequest) -> str:
        stage = SubjectRequest.State(case.stage)
        return badge(_STATE_KIND[stage], str(stage.label))

    @admin.display(description=_("threads"))
    def found(self, case: Any) -> str:
        return number(case.found_count)

    @admin.display(description=_("deleted"))
    def gone(self, case: Any) -> str:
        return number(case.gone_count)

    @admin.display(description=_("opened by"))
    def who(self, case: SubjectRequest) -> str:
        return case.requested_by.get_username() if case.requested_by else UNKNOWN

    @admin.display(description=_("opened"), ordering="opened_at")
    def opened(self, case: SubjectRequest) -> str:
        return moment(case.opened_at)

    @admin.display(description=_("deleted at"), ordering="erased_at")
    def erased(self, case: SubjectRequest) -> str:
        return moment(case.erased_at)


def _row(found: Any) -> dict[str, Any]:
    thread = found.thread
    end = END[End(found.end)] if found.end else None
    return {
        "pk": found.pk,
        "name": str(thread) if thread else found.external_id,
        "thread": thread,
        "project": found.project_name,
        "reasons": ", ".join(str(_REASONS.get(reason, reason)) for reason in found.reasons),
        "messages": number(found.message_count),
        "is_included": found.is_included,
        "is_held": thread is not None and (thread.is_held or thread.project.is_held),
        "end": end,
        "why": found.why,
    }
