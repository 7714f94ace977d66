"""The console's pages for the queue itself: what waits, what ended how, and what runs when.

Jobs, which people asked for, have their own pages. Django's permissions say who sees these.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext

from projects.admin.access import Audited, Untouched, user_of
from projects.admin.display import UNKNOWN, as_json, moment, seconds
from projects.admin.paging import CappedPaginator
from threadhub.lib.queue import Failure, OrmQ, Schedule, SchedulePages, Success
from threadhub.lib.tasks import queue_again

# What django-q2 says on these pages in English only; our catalogue takes it from here.
_WORDS = (
    *(gettext_noop("Scheduled task"), gettext_noop("Scheduled tasks")),
    *(gettext_noop("Queued task"), gettext_noop("Queued tasks")),
    *(gettext_noop("Failed task"), gettext_noop("Failed tasks")),
    *(gettext_noop("Successful task"), gettext_noop("Successful tasks")),
    *(gettext_noop("Started at"), gettext_noop("Stopped at"), gettext_noop("Attempt count")),
    *(gettext_noop("Function"), gettext_noop("Hook"), gettext_noop("Arguments")),
    *(gettext_noop("Keyword arguments"), gettext_noop("Schedule Type"), gettext_noop("Repeats")),
    *(gettext_noop("Minutes"), gettext_noop("Next Run"), gettext_noop("Last task id")),
    *(gettext_noop("Cluster"), gettext_noop("Intended date kwarg"), gettext_noop("Cron")),
    *(gettext_noop("Once"), gettext_noop("Hourly"), gettext_noop("Daily"), gettext_noop("Weekly")),
    *(gettext_noop("Biweekly"), gettext_noop("Monthly"), gettext_noop("Bimonthly")),
    *(gettext_noop("Quarterly"), gettext_noop("Yearly"), gettext_noop("Cron expression")),
    *(gettext_noop("success"), gettext_noop("last_run")),
    gettext_noop("How often this task should be enqueued."),
    gettext_noop("Number of minutes for the Minutes type"),
    gettext_noop("n = n times, -1 = forever"),
    gettext_noop("When this schedule runs next (stored in UTC)."),
    gettext_noop("Name of the target cluster"),
    gettext_noop("Name of kwarg to pass intended schedule date"),
    gettext_noop("Optional label to identify this schedule in the admin."),
    gettext_noop("e.g. module.tasks.function"),
    gettext_noop("e.g. module.tasks.result_function"),
    gettext_noop("e.g. 1, 2, 'John'"),
    gettext_noop("e.g. x=1, y=2, name='John'"),
)

_REASON = 160  # characters of why a task failed, in the list

for _model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


def _arguments(positional: Any, named: Any) -> str:
    """Return a task's arguments: ids and short texts, if it is one of ours."""
    unnamed = {str(place): str(value) for place, value in enumerate(positional or ())}
    return as_json(unnamed | {name: str(value) for name, value in (named or {}).items()})


class Ended(Untouched, Audited):
    """Tasks that a worker is done with; whoever may delete them in Django's terms may here."""

    paginator = CappedPaginator
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name", "func")
    search_help_text = _("Function or name of the task")
    ordering = ("-stopped", "-pk")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return user_of(request).has_perm(f"django_q.delete_{self.opts.model_name}")

    @admin.display(description=_("task"), ordering="func")
    def function(self, task: Any) -> str:
        return str(task.func)

    @admin.display(description=_("ended"), ordering="stopped")
    def ended(self, task: Any) -> str:
        return moment(task.stopped)

    @admin.display(description=_("duration"))
    def took(self, task: Any) -> str:
        return seconds(task.time_taken())

    @admin.display(description=_("parameters"))
    def parameters(self, task: Any) -> str:
        return _arguments(task.args, task.kwargs)


@admin.register(Failure)
class FailureAdmin(Ended):
    list_display = ("function", "reason", "ended", "took", "attempt_count")
    fields = readonly_fields = (
        *("function", "name", "ended", "took", "attempt_count", "parameters", "traceback"),
    )
    list_filter = ("stopped",)
    actions = ("run_again",)

    @admin.display(description=_("error"))
    def reason(self, task: Any) -> str:
        """Show what was raised, without where: "cannot reach it : Traceback (most recent …"."""
        text = str(task.result or "").partition(" : Traceback")[0].strip()
        return f"{text[:_REASON]}…" if len(text) > _REASON else text or UNKNOWN

    @admin.display(description=_("traceback"))
    def traceback(self, task: Any) -> str:
        return format_html('<pre class="th-json">{}</pre>', task.result or UNKNOWN)

    def has_again_permission(self, request: HttpRequest) -> bool:
        return user_of(request).has_perm("django_q.change_failure")

    @admin.action(description=_("Run again"), permissions=["again"])
    def run_again(self, request: HttpRequest, tasks: QuerySet) -> None:
        count = 0
        for task in tasks:
            if queue_again(task.pk) is None:
                continue  # somebody else was quicker
            self._record(request, task, "retry", function=task.func)
            count += 1
        text = ngettext("%d task was queued again.", "%d tasks were queued again.", count)
        self.message_user(request, text % count)


@admin.register(Success)
class SuccessAdmin(Ended):
    list_display = ("function", "said", "ended", "took")
    fields = readonly_fields = ("function", "name", "ended", "took", "parameters", "said")

    @admin.display(description=_("result"))
    def said(self, task: Any) -> str:
        return str(task.result) if task.result else UNKNOWN


@admin.register(Schedule)
class ScheduleAdmin(Audited, SchedulePages):  # type: ignore[misc]
    """As django-q2 has it, on the audit log: a schedule can run any function."""


class WaitingAdmin(Untouched, Audited):
    """What no worker has taken yet."""

    list_display = ("function", "waits_since")
    fields = readonly_fields = ("function", "waits_since", "parameters")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("pk",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return user_of(request).has_perm("django_q.delete_ormq")

    @admin.display(description=_("task"))
    def function(self, waiting: Any) -> str:
        return str(waiting.task.get("func") or UNKNOWN)

    @admin.display(description=_("not before"), ordering="lock")
    def waits_since(self, waiting: Any) -> str:
        return moment(waiting.lock)

    @admin.display(description=_("parameters"))
    def parameters(self, waiting: Any) -> str:
        return _arguments(waiting.task.get("args"), waiting.task.get("kwargs"))


if not settings.REDIS_URL:  # there the queue is no table
    admin.site.register(OrmQ, WaitingAdmin)
