"""The console's page before threads are deleted: what would go, what stays, and the number typed.

What was chosen is kept under a random name for an hour: an address cannot hold ten thousand ids,
and the page that is confirmed is about the same threads as the one that was shown.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import admin, messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import account_of, user_of
from threads import actions
from threads.actions.removal import MOST_DELETED, MOST_ERASED
from threads.models import Job, Thread
from threads.work.erasing import GOOD, End

_KEPT_SECONDS = 3_600
_SHOWN = 20  # threads that the page names
_MOST_ROWS = 500  # of the report on a job's page, those that stayed first

END = {
    End.DELETED: ("ok", _("Deleted here")),
    End.ERASED: ("ok", _("Deleted here and at its store")),
    End.WAS_GONE: ("ok", _("Deleted here; its store had none any more")),
    End.HELD: ("warn", _("Stays: legal hold")),
    End.KEPT: ("error", _("Stays here and at its store")),
    End.MISSING: ("quiet", _("Was not here any more")),
}


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """Return the page below /admin/threads/thread/."""
    return [path("delete/<str:name>/", site.admin_view(confirm), name="threads_thread_erase")]


def _key(request: HttpRequest, name: str) -> str:
    return f"chosen:{account_of(request).pk}:{name}"


def ask(request: HttpRequest, threads: Any, *, erases_upstream: bool) -> HttpResponse:
    """Keep what was chosen and go to the page that asks."""
    most = MOST_ERASED if erases_upstream else MOST_DELETED
    pks = list(threads.values_list("pk", flat=True)[: most + 1])
    if len(pks) > most:
        text = gettext("More than %d threads were chosen; the first %d of the list are deleted.")
        messages.warning(request, text % (most, most))
    name = secrets.token_urlsafe(12)
    cache.set(_key(request, name), (pks[:most], erases_upstream), _KEPT_SECONDS)
    return redirect("admin:threads_thread_erase", name)


def confirm(request: HttpRequest, name: str) -> HttpResponse:
    """Say what would go, ask for its number, and delete it as a job."""
    kept = cache.get(_key(request, name))
    if kept is None:
        text = gettext("This choice is more than an hour old. Choose the threads again.")
        messages.warning(request, text)
        return redirect("admin:threads_thread_changelist")
    pks, erases_upstream = kept
    # What the user manages now: somebody may have taken a project away since.
    threads = Thread.objects.managed_by(user_of(request)).filter(pk__in=pks)
    if request.method == "POST":
        try:
            job = actions.request_thread_deletion(
                threads,
                by=account_of(request),
                typed=request.POST.get("typed", ""),
                erases_upstream=erases_upstream,
            )
        except actions.Refused as refused:
            messages.error(request, str(refused))
        else:
            cache.delete(_key(request, name))
            return redirect("admin:threads_job_change", job.pk)
    plan = actions.plan_deletion(threads)
    title = ngettext("Delete %d thread?", "Delete %d threads?", plan.threads) % plan.threads
    context = {
        **admin.site.each_context(request),
        "title": title,
        "plan": plan,
        "erases_upstream": erases_upstream,
        "threads": threads.select_related("project").order_by("pk")[:_SHOWN],
        "left": max(0, plan.threads + plan.held - _SHOWN),
    }
    return TemplateResponse(request, "admin/threads/thread_delete.html", context)


def context_of(job: Job | None) -> dict[str, Any]:
    """Return what the page of a deletion shows beside its progress."""
    if job is None or job.kind != Job.Kind.DELETE_THREADS or not job.result.get("threads"):
        return {}
    told = [(name, End(end), why) for name, end, why in job.result["threads"].values()]
    told.sort(key=lambda row: row[1] in GOOD)
    counts = {end: sum(row[1] == end for row in told) for end in End}
    rows = [(name, *END[end], why) for name, end, why in told[:_MOST_ROWS]]
    return {
        "deletion_counts": [(END[end][1], count) for end, count in counts.items() if count],
        "deletion_rows": rows,
        "deletion_rows_left": max(0, len(told) - _MOST_ROWS),
    }
