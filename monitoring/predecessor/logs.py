"""What the predecessor wrote down about itself: who did what, figures, and its refreshes."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from django.contrib.auth.models import User

from monitoring import chain
from monitoring.models import AuditEvent, SystemMetric
from monitoring.predecessor.report import Report
from threads.imports.predecessor import Database, Row
from threads.models import SyncRun

_BATCH = 500
_GIGABYTE = 1024**3
_FAILED = re.compile(r"fail|error", re.IGNORECASE)
_REFUSED = re.compile(r"den|refus|reject|block|lock|forbid", re.IGNORECASE)
_LONGEST_LOG = 4_000  # characters of a text in `details`


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    stream = iter(rows)
    while batch := list(itertools.islice(stream, _BATCH)):
        yield batch


def _mark(table: str, row: Row) -> str:
    """Return what tells an imported row: the same at every import."""
    said = json.dumps(row.values, sort_keys=True, default=str)
    return f"{table}-{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:32]}"


def bring_audit_log(database: Database, people: dict[str, User], report: Report) -> None:
    """Bring the log of actions and the history of searches into the audit log."""
    by_name = {user.get_username(): user for user in people.values()}
    for table, kind in (("audit_logs", "audit events"), ("search_history", "searches")):
        count = report.of(kind)
        for batch in _batches(database.rows(table)):
            events = []
            for row in batch:
                at = row.moment("timestamp", database.zone)
                if at is None:
                    count.left_out += 1
                    continue
                make = _action if table == "audit_logs" else _search
                events.append(make(row, at, by_name, _mark(table, row)))
            new = _not_here(events)
            count.new += len(new)
            count.known += len(events) - len(new)
            if new and not report.is_dry_run:
                chain.append_many(new)


def _not_here(events: list[AuditEvent]) -> list[AuditEvent]:
    """Leave out what an earlier import brought; looks at the time that the events span only."""
    if not events:
        return []
    times = [event.at for event in events]
    known = set(
        AuditEvent.objects.filter(at__gte=min(times), at__lte=max(times))
        .exclude(request_id="")
        .values_list("request_id", flat=True)
    )
    new = []
    for event in events:
        if event.request_id not in known:
            known.add(event.request_id)
            new.append(event)
    return new


def _action(row: Row, at: datetime, by_name: dict[str, User], mark: str) -> AuditEvent:
    status, name = row.text("status"), row.text("user_name")
    outcome = AuditEvent.Outcome.OK
    if _FAILED.search(status):
        outcome = AuditEvent.Outcome.FAILED
    elif _REFUSED.search(status):
        outcome = AuditEvent.Outcome.REFUSED
    return AuditEvent(
        at=at,
        actor=by_name.get(name),
        actor_name=name[:200] or "visitor",
        ip=_address(row.text("ip_address")),
        request_id=mark,
        action=f"predecessor.{re.sub(r'[^a-z0-9]+', '_', row.text('action').lower()).strip('_')}"[
            :60
        ],
        target_label=row.text("target")[:300],
        outcome=outcome,
        details={
            name: value[:_LONGEST_LOG]
            for name in ("action", "status", "details")
            if (value := row.text(name))
        },
    )


def _search(row: Row, at: datetime, _by_name: dict[str, User], mark: str) -> AuditEvent:
    details: dict[str, Any] = {"query": row.text("target_query")[:_LONGEST_LOG]}
    details["dates"] = row.text("date_range")[:200]
    details["matches"] = row.number("match_count")
    details["scanned"] = row.number("total_scanned")
    return AuditEvent(
        at=at,
        actor_name="visitor",
        request_id=mark,
        action="predecessor.search",
        target_label=row.text("project_name")[:300],
        details={name: value for name, value in details.items() if value not in ("", None)},
    )


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""


def bring_metrics(database: Database, report: Report) -> None:
    """Bring the hourly samples; one that is here for the same hour stays."""
    count = report.of("system metrics")
    for batch in _batches(database.rows("sys_metrics")):
        by_hour: dict[datetime, Row] = {}
        for row in batch:
            at = row.moment("timestamp", database.zone)
            if at is None:
                count.left_out += 1
            else:
                by_hour.setdefault(at.replace(minute=0, second=0, microsecond=0), row)
        hours = SystemMetric.objects.filter(resolution=SystemMetric.Resolution.HOUR)
        here = set(hours.filter(measured_at__in=by_hour).values_list("measured_at", flat=True))
        made = [_metric(at, row) for at, row in by_hour.items() if at not in here]
        count.new += len(made)
        count.known += len(by_hour) - len(made)
        if not report.is_dry_run:
            SystemMetric.objects.bulk_create(made, ignore_conflicts=True)


def _metric(at: datetime, row: Row) -> SystemMetric:
    return SystemMetric(
        measured_at=at,
        resolution=SystemMetric.Resolution.HOUR,
        cpu_percent=row.number("cpu_percent"),
        memory_percent=row.number("memory_percent"),
        memory_used_bytes=_bytes(row.number("memory_used")),
        memory_total_bytes=_bytes(row.number("memory_total")),
        total_tokens=_whole(row.number("total_managed_tokens")),
    )


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else _whole(gigabytes * _GIGABYTE)


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value < 2**62 else None


def bring_refreshes(database: Database, report: Report) -> None:
    """Bring the history of refreshes as runs of the schedule, of no project in particular."""
    count = report.of("refreshes")
    for batch in _batches(database.rows("refresh_history")):
        runs = []
        for row in batch:
            at = row.moment("timestamp", database.zone)
            if at is None:
                count.left_out += 1
            else:
                runs.append(_run(row, at))
        own = SyncRun.objects.filter(project__isnull=True, connection__isnull=True)
        here = set(
            own.filter(started_at__in=[run.started_at for run in runs]).values_list(
                "started_at", "threads_read"
            )
        )
        new = []
        for run in runs:
            if (run.started_at, run.threads_read) not in here:
                here.add((run.started_at, run.threads_read))
                new.append(run)
        count.new += len(new)
        count.known += len(runs) - len(new)
        if not report.is_dry_run:
            SyncRun.objects.bulk_create(new)


def _run(row: Row, at: datetime) -> SyncRun:
    duration = timedelta(seconds=min(max(row.number("duration") or 0.0, 0.0), 10_000_000))
    scanned = _count(row, "total_scanned")
    failed = bool(_FAILED.search(row.text("result_status")))
    return SyncRun(
        trigger=SyncRun.Trigger.SCHEDULE,
        state=SyncRun.State.FAILED if failed else SyncRun.State.DONE,
        started_at=at,
        finished_at=at + duration,
        threads_planned=scanned,
        threads_read=scanned,
        threads_changed=_count(row, "updated_count"),
        threads_failed=_count(row, "error_count"),
        errors=_errors(row.text("log_json")),
    )


def _count(row: Row, name: str) -> int:
    return min(_whole(row.number(name)) or 0, 2**31 - 1)


def _errors(text: str) -> list[dict[str, str]]:
    """Return what a log says about errors, the first hundred; nothing when it cannot be read."""
    try:
        log = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    found = []
    for entry in log if isinstance(log, list) else []:
        said = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
        if _FAILED.search(said):
            thread = entry.get("thread_id") if isinstance(entry, dict) else ""
            found.append({"thread": str(thread or "")[:200], "message": said[:500]})
    return found[:100]
