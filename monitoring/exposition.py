"""ThreadHub's figures as Prometheus reads them (text format 0.0.4). Gauges, read at the scrape.

Written by hand: the format is three lines a figure, and counters of several web processes would
need files of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Count, Max, Sum

from monitoring.models import SystemMetric
from projects.models import Connection
from threadhub.lib import cluster
from threads.models import Job, SyncRun

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float | None]

# Figures that are measured every minute anyway: counting threads at each scrape would cost more.
_MEASURED = {
    "cpu_percent": "Processor load of the machine.",
    "memory_percent": "Memory in use on the machine.",
    "disk_free_bytes": "Free space where the data folder is.",
    "database_bytes": "Size of the database.",
    "thread_count": "Threads in the archive, without the trash.",
    "message_count": "Messages in the archive, without the trash.",
    "total_tokens": "Tokens of all threads whose source tells.",
    "search_count": "Searches of a minute.",
    "search_p50_ms": "Milliseconds within which half of that minute's searches ended.",
    "search_p95_ms": "Milliseconds within which 95 % of that minute's searches ended.",
    "error_count": "Answers with a status of 500 and more in a minute.",
}


def _line(name: str, labels: dict[str, str], value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in sorted(labels.items()))
    number = str(int(value)) if float(value).is_integer() else repr(float(value))
    return f"{name}{{{inner}}} {number}" if inner else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _gauge(name: str, help_text: str, samples: Iterable[Sample]) -> list[str]:
    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return []  # what is not known is left out, never 0
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    return [*lines, *(_line(name, labels, value) for labels, value in known)]


def exposition(now: datetime) -> str:
    """Return all figures; five small queries and two looks into the cache, whatever is archived."""
    lines: list[str] = []
    row = SystemMetric.objects.filter(resolution="minute").order_by("-measured_at").first()
    if row is not None and row.measured_at > now - timedelta(minutes=10):
        for column, help_text in _MEASURED.items():
            lines += _gauge(f"threadhub_{column}", help_text, [({}, getattr(row, column))])
        age = (now - row.measured_at).total_seconds()
        lines += _gauge("threadhub_measured_seconds_ago", "Age of these figures.", [({}, age)])
    lines += _gauge(
        "threadhub_worker_count", "Worker processes alive.", [({}, cluster.worker_count())]
    )
    lines += _gauge("threadhub_queue_length", "Tasks that wait.", [({}, cluster.queue_length())])
    live = dict(Job.objects.live().order_by().values_list("state").annotate(n=Count("pk")))
    states = (Job.State.QUEUED, Job.State.RUNNING)
    counts: list[Sample] = [({"state": str(state)}, live.get(state, 0)) for state in states]
    lines += _gauge("threadhub_jobs", "Jobs that wait or run.", counts)
    of_connections = Connection.objects.filter(is_enabled=True).order_by()
    found = dict(of_connections.values_list("state").annotate(n=Count("pk")))
    counts = [({"state": state}, found.get(state, 0)) for state in Connection.State.values]
    lines += _gauge("threadhub_connections", "Connections that are switched on.", counts)
    day = SyncRun.objects.filter(started_at__gte=now - timedelta(days=1)).aggregate(
        calls_made=Sum("calls_made", default=0),
        calls_avoided=Sum("calls_avoided", default=0),
        messages_new=Sum("messages_new", default=0),
        threads_failed=Sum("threads_failed", default=0),
        last=Max("finished_at"),
    )
    last = day.pop("last")
    for column, value in day.items():
        text = f"Syncs of the last 24 hours: {column.replace('_', ' ')}."
        lines += _gauge(f"threadhub_sync_{column}_1d", text, [({}, value)])
    seconds = None if last is None else (now - last).total_seconds()
    lines += _gauge("threadhub_last_sync_seconds_ago", "Since a sync last ended.", [({}, seconds)])
    return "\n".join([*lines, ""])
