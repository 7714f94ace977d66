"""Prometheus reads figures; nobody else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from monitoring.exposition import _escaped, exposition
from monitoring.models import SystemMetric
from projects.models import Connection, Project
from threads.models import Job, SyncRun

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)


def figures(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_it_tells_how_the_archive_stands(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    project = Project.objects.create(name="P", slug="p")
    Connection.objects.create(project=project, state=Connection.State.DENIED)
    Job.objects.create(kind="import", key="a", state="queued")
    SystemMetric.objects.create(measured_at=NOW, thread_count=7, total_tokens=None)
    SyncRun.objects.create(
        trigger="manual", started_at=NOW, finished_at=NOW - timedelta(seconds=9), calls_made=5
    )

    # the minute's figures, jobs, connections, syncs; and the queue where it is a table
    with django_assert_num_queries(4 if settings.REDIS_URL else 5):
        text = exposition(NOW)

    found = figures(text)
    assert found["threadhub_thread_count"] == 7
    assert "threadhub_total_tokens" not in found  # unknown is not 0
    assert found['threadhub_jobs{state="queued"}'] == 1
    assert found['threadhub_connections{state="denied"}'] == 1
    assert found["threadhub_sync_calls_made_1d"] == 5
    assert found["threadhub_last_sync_seconds_ago"] == 9
    assert text.count("# TYPE threadhub_jobs gauge") == 1
    assert text.endswith("\n")


def test_it_keeps_figures_of_yesterday_to_itself() -> None:
    SystemMetric.objects.create(measured_at=NOW - timedelta(days=1), thread_count=7)

    assert "threadhub_thread_count" not in exposition(NOW)


def test_it_escapes_what_would_end_a_label() -> None:
    assert _escaped('a"b\\c\n') == 'a\\"b\\\\c\\n'


def test_it_answers_this_machine_when_no_token_is_set(settings: Settings) -> None:
    settings.THREADHUB_METRICS_TOKEN = ""

    here = Client().get("/metrics")
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").get("/metrics")
    behind_a_proxy = Client().get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})

    assert here.status_code == 200
    assert here["Content-Type"].startswith("text/plain; version=0.0.4")
    assert (elsewhere.status_code, behind_a_proxy.status_code) == (403, 403)


def test_it_answers_whoever_has_the_token(settings: Settings) -> None:
    settings.THREADHUB_METRICS_TOKEN = "a long random word"
    client = Client(REMOTE_ADDR="192.0.2.7")

    answers = [
        client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        for token in ("a long random word", "another", "ä")
    ]

    assert [answer.status_code for answer in answers] == [200, 403, 403]
    assert Client().get("/metrics").status_code == 403  # this machine, too, once there is one
