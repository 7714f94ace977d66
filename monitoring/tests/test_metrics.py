"""Figures are measured cheaply, kept small, and null where nothing is known."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import IntegrityError
from pytest_django import DjangoAssertNumQueries

from monitoring import collect
from monitoring.models import SystemMetric
from monitoring.retention import thin_out_metrics
from monitoring.tasks import collect_system_metrics, prune_expired
from projects.models import Project
from threads.models import Job, Thread

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
Resolution = SystemMetric.Resolution


def make_thread(name: str, **values: int | datetime | None) -> Thread:
    project, _ = Project.objects.get_or_create(slug="p", defaults={"name": "P"})
    return Thread.objects.create(project=project, external_id=name, store="import", **values)


def make_job(
    key: str,
    state: Job.State,
    *,
    kind: Job.Kind = Job.Kind.IMPORT,
    finished_at: datetime | None = None,
) -> Job:
    return Job.objects.create(kind=kind, key=key, state=state, finished_at=finished_at)


def make_metric(at: datetime, *, cpu: float | None = None, threads: int | None = None) -> None:
    SystemMetric.objects.create(measured_at=at, cpu_percent=cpu, thread_count=threads)


def test_it_measures_the_machine_and_the_archive() -> None:
    make_thread("a", message_count=3, total_tokens=100)
    make_thread("b", message_count=4, total_tokens=None)
    make_thread("trash", message_count=9, total_tokens=9, trashed_at=NOW)
    make_job("1", Job.State.RUNNING)
    make_job("2", Job.State.FAILED, finished_at=NOW - timedelta(hours=23))
    make_job("3", Job.State.FAILED, finished_at=NOW - timedelta(hours=25))

    figures = collect.system_figures(NOW)

    assert figures["thread_count"] == 2
    assert figures["message_count"] == 7
    assert figures["total_tokens"] == 100
    assert (figures["running_jobs"], figures["failed_jobs"]) == (1, 1)
    assert (figures["queue_length"], figures["worker_count"]) == (0, 0)
    assert 0 <= (figures["cpu_percent"] or 0) <= 100
    assert figures["memory_total_bytes"]
    assert figures["disk_free_bytes"]
    assert figures["database_bytes"]


def test_it_knows_no_tokens_when_no_thread_does() -> None:
    make_thread("a", total_tokens=None)

    assert collect.system_figures(NOW)["total_tokens"] is None


def test_it_says_zero_messages_of_an_empty_archive() -> None:
    figures = collect.system_figures(NOW)

    assert (figures["thread_count"], figures["message_count"]) == (0, 0)
    assert figures["total_tokens"] is None


def test_it_keeps_the_other_figures_when_one_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise OSError("no such file")

    monkeypatch.setattr(collect, "database_bytes", fail)

    figures = collect.system_figures(NOW)

    assert figures["database_bytes"] is None
    assert figures["thread_count"] == 0
    assert "no such file" in caplog.text


def test_it_does_not_count_again_before_its_share_of_time_is_earned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 2.0])  # counting takes two seconds …
    monkeypatch.setattr("monitoring.collect.monotonic", lambda: next(clock))
    wall = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: wall)
    make_thread("a", message_count=1)
    first = collect.totals()
    make_thread("b", message_count=1)

    wall += 399  # … so for 400 it is not done again
    second = collect.totals()

    assert first == second
    assert second["thread_count"] == 1


def test_it_writes_one_row_a_minute_however_often_it_runs() -> None:
    sentence = collect_system_metrics()
    call_command("collect_metrics", verbosity=0)

    rows = list(SystemMetric.objects.all())
    assert 1 <= len(rows) <= 2  # two when the minute ended in between
    assert {row.measured_at.second for row in rows} == {0}
    assert sentence.startswith("CPU ")


def test_it_refuses_two_rows_for_one_moment() -> None:
    make_metric(NOW)

    with pytest.raises(IntegrityError):
        make_metric(NOW)


def test_it_merges_old_minutes_into_hours_and_old_hours_into_days() -> None:
    long_ago = NOW - timedelta(days=70)
    for hour in (3, 4):
        for minute, cpu in ((0, 10.0), (30, None), (59, 30.0)):
            at = long_ago.replace(hour=hour, minute=minute, second=0)
            make_metric(at, cpu=cpu, threads=100 * hour + minute)
    make_metric(NOW - timedelta(hours=47), cpu=5.0)

    merged = thin_out_metrics(NOW)

    assert merged == 6 + 2
    (day,) = SystemMetric.objects.filter(resolution=Resolution.DAY)
    assert day.measured_at == datetime(2026, 9, 14, tzinfo=UTC)
    assert day.cpu_percent == 20.0
    assert day.thread_count == 459  # the last one known
    assert day.total_tokens is None
    assert SystemMetric.objects.filter(resolution=Resolution.HOUR).count() == 0
    assert SystemMetric.objects.filter(resolution=Resolution.MINUTE).count() == 1


def test_it_merges_whole_hours_only_so_that_none_is_merged_twice() -> None:
    edge = (NOW - timedelta(days=2)).replace(minute=0, second=0)
    make_metric(edge - timedelta(minutes=1), cpu=10.0)
    make_metric(edge, cpu=20.0)

    first, second = thin_out_metrics(NOW), thin_out_metrics(NOW)

    assert (first, second) == (1, 0)
    assert SystemMetric.objects.filter(resolution=Resolution.MINUTE).get().measured_at == edge


def test_it_prunes_what_has_served() -> None:
    now = datetime.now(tz=UTC)
    old, recent = now - timedelta(days=31), now - timedelta(days=29)
    make_job("old", Job.State.DONE, finished_at=old)
    make_job("recent", Job.State.FAILED, finished_at=recent)
    make_job("running", Job.State.RUNNING)
    make_job("export", Job.State.DONE, finished_at=old, kind=Job.Kind.EXPORT)
    Session.objects.create(session_key="old", session_data="", expire_date=old)
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(1))

    sentence = prune_expired()
    again = prune_expired()

    assert set(Job.objects.values_list("key", flat=True)) == {"recent", "running"}
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert "1 jobs, 0 sync runs, 1 exports" in sentence
    assert "0 jobs, 0 sync runs, 0 exports" in again


def test_it_asks_the_database_a_fixed_number_of_times(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(20):
        make_thread(str(number))

    with django_assert_max_num_queries(6):  # size, queue, running, failed, totals, and one spare
        collect.system_figures(NOW)
