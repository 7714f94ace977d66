"""What monitoring does in the background. Each task is safe to run twice."""

from __future__ import annotations

import time
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from monitoring.collect import system_figures
from monitoring.models import SystemMetric
from monitoring.retention import forget_offences, thin_out_metrics
from projects.models import SiteSettings
from threadhub.lib.tasks import forget_results
from threads import actions, attachments, sync
from threads.exports.kept import remove_expired
from threads.models import Job, SyncRun
from threads.subjects import remove_old_packs

# An export's row goes with its files, which exports look after.
_PRUNED_KINDS = [kind for kind in Job.Kind if kind != Job.Kind.EXPORT]
PRUNE_SECONDS = 120.0  # of one run that threads may take; a task is killed after 300


def collect_system_metrics() -> str:
    """Write this minute's figures; a second run in the same minute replaces them."""
    now = timezone.now()
    figures = system_figures(now)
    SystemMetric.objects.update_or_create(
        resolution=SystemMetric.Resolution.MINUTE,
        measured_at=now.replace(second=0, microsecond=0),
        defaults=figures,
    )
    return (
        f"CPU {figures['cpu_percent']} %, memory {figures['memory_percent']} %,"
        f" disk {figures['disk_percent']} %, queue {figures['queue_length']}."
    )


def prune_expired() -> str:
    """Thin out old figures; remove old jobs, results, sessions, and threads kept long enough."""
    now = timezone.now()
    rules = SiteSettings.current()
    jobs_before = now - timedelta(days=rules.keep_jobs_days)
    began = time.monotonic()
    pruned = actions.prune_threads(
        now=now, keep_going=lambda: time.monotonic() - began < PRUNE_SECONDS
    )
    merged = thin_out_metrics(now) + sync.fold_old_runs(now)
    forget_offences(now)
    jobs, _ = (
        Job.objects.exclude(state__in=Job.LIVE_STATES)
        .filter(kind__in=_PRUNED_KINDS, finished_at__lt=jobs_before)
        .delete()
    )
    exports = remove_expired(now)
    packs = remove_old_packs(now)
    runs_before = now - timedelta(days=rules.keep_runs_days)
    runs, _ = SyncRun.objects.filter(started_at__lt=runs_before).delete()
    files = attachments.forget_unnamed() + attachments.make_room()
    uploads = actions.forget_uploads(now=now)
    results = forget_results(before=jobs_before)
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    return (
        f"Merged {merged} figures; removed {pruned.threads} threads, {jobs} jobs, {runs} sync runs,"
        f" {exports} exports, {packs} packs, {files} files, {uploads} uploads,"
        f" {results} task results and {sessions} sessions."
    )


def load_sample_archive() -> str:
    """Load the sample project of a new installation; one that is there stays as it is."""
    project = actions.load_sample()
    return f"The sample archive holds {project.threads.count()} threads."
