"""The dashboard's charts: right, small however long their range, and limited to one's projects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring import charts
from monitoring.charts import RANGES, Chart, charts_for
from monitoring.collect import system_figures
from monitoring.models import SystemMetric
from monitoring.retention import thin_out_metrics
from projects.models import Project
from threadhub.lib import telemetry
from threads.models import SyncRun
from threads.tests.factories import make_message, make_project, make_thread

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 15, 30, tzinfo=UTC)


def root() -> User:
    return User.objects.create_superuser("root")


def owner(*projects: Project) -> User:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    return user


def chart(user: User, key: str, wanted: str = "month") -> Chart:
    return next(each for each in charts_for(user, RANGES[wanted], now=NOW) if each.key == key)


def make_run(project: Project, at: datetime, **sums: int) -> None:
    SyncRun.objects.create(project=project, trigger="schedule", started_at=at, **sums)


def test_it_sums_calls_and_news_by_day() -> None:
    project = make_project()
    make_run(project, NOW, calls_made=3, calls_avoided=40, messages_new=7)
    make_run(project, NOW - timedelta(hours=2), calls_made=1, calls_avoided=2, threads_failed=5)
    make_run(project, NOW - timedelta(days=2), calls_made=10)
    make_run(project, NOW - timedelta(days=80), calls_made=999)

    user = root()
    calls, news = chart(user, "calls"), chart(user, "news")

    assert [column[-1] for column in calls.columns[1:]] == [4, 42]
    assert calls.columns[1][-3] == 10
    assert calls.summary == "14 calls made, 42 avoided by Smart Refresh."
    assert [column[-1] for column in news.columns[1:]] == [7, 5]


def test_it_sums_tokens_by_project_and_names_the_largest() -> None:
    projects = [make_project(f"Project {number}") for number in range(charts.MOST_PROJECTS + 2)]
    for number, project in enumerate(projects):
        make_thread(project, last_message_timestamp=NOW, total_tokens=(number + 1) * 100)
    make_thread(projects[-1], last_message_timestamp=NOW - timedelta(days=1), total_tokens=5)
    make_thread(projects[-1], last_message_timestamp=NOW, total_tokens=None)

    tokens = chart(root(), "tokens")

    assert tokens.labels == [
        *(f"Project {number}" for number in range(6, 1, -1)),
        "Other projects",
    ]
    assert [column[-1] for column in tokens.columns[1:]] == [700, 600, 500, 400, 300, 300]
    assert tokens.columns[1][-2] == 5
    assert tokens.summary.startswith("2,805 tokens")


def test_it_draws_for_an_owner_only_what_they_manage() -> None:
    own, strange = make_project("Own"), make_project("Secret heron")
    make_message(make_thread(strange, last_message_timestamp=NOW, total_tokens=9), created_at=NOW)
    make_run(strange, NOW, calls_made=3)
    SystemMetric.objects.create(measured_at=NOW, cpu_percent=50)

    made = charts_for(owner(own), RANGES["month"], now=NOW)

    assert [each.key for each in made] == ["messages", "tokens", "calls", "news"]
    assert all(each.is_empty for each in made)
    assert "Secret heron" not in str(made)


def test_it_shows_a_project_at_once_to_whom_it_was_given() -> None:
    project = make_project()
    make_run(project, NOW, calls_made=3)
    user = owner()

    before = chart(user, "calls").columns[1][-1]
    project.owners.add(user)

    assert (before, chart(user, "calls").columns[1][-1]) == (0, 3)


@pytest.mark.parametrize("wanted", list(RANGES))
def test_it_draws_every_range_from_few_points(wanted: str) -> None:
    SystemMetric.objects.bulk_create(
        [
            SystemMetric(measured_at=NOW - timedelta(minutes=number), cpu_percent=number % 100)
            for number in range(4_000)
        ]
    )

    made = charts_for(root(), RANGES[wanted], now=NOW)

    for each in made:
        lengths = {len(column) for column in each.columns}
        assert len(lengths) == 1
        assert max(lengths) <= charts.MOST_POINTS
        times = [time for time in each.columns[0] if time is not None]
        assert times == sorted(times)


def test_it_draws_a_year_of_minutes_after_they_were_merged() -> None:
    # A minute of every sixth hour stands for all: a year of minutes is the benchmark's.
    SystemMetric.objects.bulk_create(
        [
            SystemMetric(measured_at=NOW - timedelta(hours=6 * number), cpu_percent=number % 50)
            for number in range(365 * 4)
        ],
        batch_size=1_000,
    )
    thin_out_metrics(NOW)

    machine = chart(root(), "machine", "year")

    assert SystemMetric.objects.count() < 2_000
    assert 300 < len(machine.columns[0]) <= charts.MOST_POINTS
    first = machine.columns[0][0]
    assert first is not None
    assert NOW.timestamp() - first > 360 * 86_400


def test_it_keeps_sums_and_worst_times_when_figures_are_merged() -> None:
    start = NOW.replace(minute=0) - timedelta(days=3)
    for minute, (count, slowest) in enumerate([(2, 10.0), (3, 90.0)]):
        SystemMetric.objects.create(
            measured_at=start + timedelta(minutes=minute),
            search_count=count,
            search_p95_ms=slowest,
            error_count=minute,
        )

    thin_out_metrics(NOW)

    hour = SystemMetric.objects.get()
    assert (hour.search_count, hour.search_p95_ms, hour.error_count) == (5, 90.0, 1)


def test_it_measures_how_long_searches_take(client: Client) -> None:
    at = (NOW - timedelta(minutes=1)).timestamp()
    for took in (1.0, 30.0, 30.0, 30.0):
        telemetry.observe("search", took, at=at)
    telemetry.count("error", at=at)

    figures = system_figures(NOW)

    assert figures["search_count"] == 4
    assert 20 < (figures["search_p50_ms"] or 0) < 50
    assert figures["error_count"] == 1


def test_it_counts_each_search_once(client: Client) -> None:
    make_thread()

    client.get("/", {"q": "umbrella"})
    client.get("/api/v1/threads", {"q": "umbrella"})

    assert telemetry.observed("search", timezone.now()).total == 2


def test_it_counts_answers_that_failed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("threads.views.search.search.find", broken)
    client.raise_request_exception = False
    client.get("/", {"q": "umbrella"})
    client.get("/nowhere/")

    assert telemetry.counted("error", timezone.now()) == 1


def test_it_takes_the_range_from_the_address(client: Client) -> None:
    client.force_login(root())

    year = client.get(reverse("admin:index"), {"range": "year"}).context["dashboard"]
    wrong = client.get(reverse("admin:index"), {"range": "../x"}).context["dashboard"]

    assert (year.range, wrong.range) == ("year", "month")
    assert len(year.charts[0].columns[0]) == 365


def test_it_says_on_every_page_that_no_worker_runs(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(root())
    address = reverse("admin:threads_job_changelist")

    without = client.get(address).content.decode()
    monkeypatch.setattr("threadhub.lib.cluster.worker_count", lambda: 2)

    assert "No background worker is running" in without
    assert "No background worker is running" not in client.get(address).content.decode()
