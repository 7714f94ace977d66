"""What the console does with the threads that somebody chose in its list."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.admin.access import account_of, user_of
from threads import actions
from threads.actions import Change
from threads.admin import deletion
from threads.admin.thread_forms import ThreadActionForm
from threads.models import Job, Thread

MOST_EXPORTED = 500  # their ids go through an address, which has room for some kilobytes
MOST_REFRESHED = 200  # jobs that one click may queue


class ThreadActions(admin.ModelAdmin):
    """The actions of the list, and the buttons below a thread that do the same with one."""

    action_form = ThreadActionForm
    actions = (
        *("refresh_now", "refresh_fully", "export", "bookmark", "forget_bookmark"),
        *("tag", "untag", "hold", "release", "move_to_trash", "restore"),
        *("delete_here", "delete_upstream"),
    )

    @admin.action(description=_("Refresh now"))
    def refresh_now(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._refresh(request, queryset, is_full=False)

    @admin.action(description=_("Read again in full"))
    def refresh_fully(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._refresh(request, queryset, is_full=True)

    def _refresh(
        self, request: HttpRequest, queryset: Any, *, is_full: bool
    ) -> HttpResponse | None:
        threads = list(queryset.refreshable().select_related("project")[: MOST_REFRESHED + 1])
        if not threads:
            text = gettext("None of these can be refreshed: they have no source any more.")
            messages.warning(request, text)
            return None
        if len(threads) > MOST_REFRESHED:
            text = gettext("Only the first %d are refreshed. For all of them, sync the project.")
            messages.warning(request, text % MOST_REFRESHED)
        by = account_of(request)
        jobs = [
            actions.request_sync(thread, by=by, is_full=is_full)
            for thread in threads[:MOST_REFRESHED]
        ]
        if len(jobs) == 1:
            return redirect("admin:threads_job_change", jobs[0].pk)
        text = ngettext("%d thread is in the queue.", "%d threads are in the queue.", len(jobs))
        messages.success(request, text % len(jobs))
        return redirect("admin:threads_job_changelist")

    @admin.action(description=_("Export"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Hand the chosen threads to the export page, in the list's order."""
        chosen = list(queryset.values_list("short_id", flat=True)[: MOST_EXPORTED + 1])
        if len(chosen) > MOST_EXPORTED:
            text = gettext(
                "More than %d threads: search for them on the public page, and export from there."
            )
            messages.warning(request, text % MOST_EXPORTED)
            return None
        where = reverse("threads:new_export")
        return HttpResponseRedirect(f"{where}?{urlencode({'thread': ','.join(chosen)})}")

    @admin.action(description=_("Bookmark"), permissions=["view"])
    def bookmark(self, request: HttpRequest, queryset: Any) -> None:
        count = actions.bookmark_threads(queryset, is_kept=True, by=account_of(request))
        text = ngettext("%d thread bookmarked.", "%d threads bookmarked.", count)
        messages.success(request, text % count)

    @admin.action(description=_("Remove the bookmark"), permissions=["view"])
    def forget_bookmark(self, request: HttpRequest, queryset: Any) -> None:
        count = actions.bookmark_threads(queryset, is_kept=False, by=account_of(request))
        text = ngettext("%d bookmark removed.", "%d bookmarks removed.", count)
        messages.success(request, text % count)

    @admin.action(description=_("Tag"))
    def tag(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._tag(request, queryset, Change.TAG)

    @admin.action(description=_("Untag"))
    def untag(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._tag(request, queryset, Change.UNTAG)

    def _tag(self, request: HttpRequest, queryset: Any, change: Change) -> HttpResponse | None:
        form = ThreadActionForm(request.POST)
        form.fields["action"].required = False
        form.fields["action"].choices = [(change.value, change.value)]  # type: ignore[attr-defined]
        form.is_valid()
        words = form.cleaned_data.get("tags", [])
        if not words:
            problem = " ".join(map(str, form.errors.get("tags", [])))
            text = problem or gettext("Write the tags beside the action, separated by commas.")
            messages.warning(request, text)
            return None
        return self._change(request, queryset, change, tags=words)

    @admin.action(description=_("Move to the trash"))
    def move_to_trash(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        wanted = queryset.filter(trashed_at__isnull=True).count()
        changed = actions.change_chosen(queryset, Change.TRASH, by=account_of(request))
        if isinstance(changed, Job):
            return redirect("admin:threads_job_change", changed.pk)
        text = ngettext("%d thread is in the trash.", "%d threads are in the trash.", changed)
        way_back = format_html(
            '{} <a href="{}?state=trash">{}</a>',
            text % changed,
            reverse("admin:threads_thread_changelist"),
            gettext("Show the trash"),
        )
        messages.success(request, way_back)
        if held := wanted - changed:
            text = ngettext(
                "%d thread stays: it is on legal hold.",
                "%d threads stay: they are on legal hold.",
                held,
            )
            messages.warning(request, text % held)
        return None

    @admin.action(description=_("Take out of the trash"))
    def restore(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._change(request, queryset, Change.RESTORE)

    @admin.action(description=_("Put on legal hold"))
    def hold(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._change(request, queryset, Change.HOLD)

    @admin.action(description=_("Release from legal hold"))
    def release(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._change(request, queryset, Change.RELEASE)

    def _change(
        self, request: HttpRequest, queryset: Any, change: Change, *, tags: list[str] | None = None
    ) -> HttpResponse | None:
        changed = actions.change_chosen(queryset, change, by=account_of(request), tags=tags or [])
        if isinstance(changed, Job):
            return redirect("admin:threads_job_change", changed.pk)
        if change is Change.RESTORE:
            text = ngettext("%d thread is back.", "%d threads are back.", changed)
        else:
            text = ngettext("%d thread changed.", "%d threads changed.", changed)
        messages.success(request, text % changed)
        return None

    @admin.action(description=_("Delete here…"))
    def delete_here(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return deletion.ask(request, queryset, erases_upstream=False)

    @admin.action(description=_("Delete here and upstream…"))
    def delete_upstream(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return deletion.ask(request, queryset, erases_upstream=True)

    def response_change(self, request: HttpRequest, obj: Thread) -> HttpResponse:
        """Do what the button below the form says, with this one thread."""
        chosen = Thread.objects.managed_by(user_of(request)).filter(pk=obj.pk)
        here = HttpResponseRedirect(request.path)
        if "_refresh" in request.POST:
            return self.refresh_now(request, chosen) or here
        if "_trash" in request.POST:
            self.move_to_trash(request, chosen)
            return redirect("admin:threads_thread_changelist")
        if "_restore" in request.POST:
            self.restore(request, chosen)
            return here
        if "_bookmark" in request.POST:
            self.bookmark(request, chosen)
            return here
        if "_forget" in request.POST:
            self.forget_bookmark(request, chosen)
            return here
        if "_delete" in request.POST:
            return self.delete_here(request, chosen)
        return super().response_change(request, obj)
