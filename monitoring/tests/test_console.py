"""The console's first page, its logs, and what every page of it carries."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from monitoring import dashboard
from monitoring.models import AuditEvent, SystemMetric
from projects.models import Connection, Project
from threads.models import Job, SyncRun, Thread
from threads.tests.factories import make_message, make_project, make_thread

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 15, 30, tzinfo=UTC)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_admin() -> User:
    return User.objects.create_superuser("root")


def make_owner(*projects: Project) -> User:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    return user


def figures(user: User) -> dict[str, str]:
    return {figure.label: figure.value for figure in dashboard.for_user(user, now=NOW).figures}


def test_it_says_on_an_empty_archive_what_to_do_first() -> None:
    page = client_of(make_admin()).get(reverse("admin:index")).content.decode()

    assert "Add a project" in page
    assert "No background worker is running" in page
    assert "No message is dated in these days." in page
    assert "Nothing was synced yet." in page
    assert "Load it" in page
    assert "None" not in page


def test_it_asks_for_a_connection_once_there_is_a_project() -> None:
    admin = make_admin()
    project = make_project()

    before = dashboard.for_user(admin, now=NOW)
    Connection.objects.create(project=project)
    after = dashboard.for_user(admin, now=NOW)

    assert (before.needs_project, before.needs_connection) == (False, True)
    assert (after.needs_project, after.needs_connection) == (False, False)


def test_it_does_not_take_the_sample_for_a_first_project() -> None:
    admin = make_admin()
    make_project("Sample", is_sample=True)

    shown = dashboard.for_user(admin, now=NOW)

    assert shown.needs_project
    assert shown.has_sample


def test_it_counts_what_is_known_and_says_what_is_not() -> None:
    project = make_project()
    make_thread(project, message_count=7, total_tokens=15_400)
    make_thread(project, message_count=3, total_tokens=None)
    make_thread(project, message_count=90, trashed_at=NOW)

    shown = dashboard.for_user(make_admin(), now=NOW)

    values = {figure.label: (figure.value, figure.exact) for figure in shown.figures}
    assert values["Threads"] == ("2", "2")
    assert values["Messages"] == ("10", "10")
    assert values["Tokens"] == ("15.4 k", "15,400")
    assert "unknown for 1 threads" in {figure.note for figure in shown.figures}


def test_it_adds_its_own_estimate_where_a_source_tells_no_tokens_and_says_so() -> None:
    project = make_project()
    make_thread(project, total_tokens=15_000, estimated_tokens=9)
    make_thread(project, total_tokens=None, estimated_tokens=400, last_message_timestamp=NOW)

    shown = dashboard.for_user(make_admin(), now=NOW)

    figures = {figure.label: (figure.exact, figure.note) for figure in shown.figures}
    assert figures["Tokens"] == ("15,400", "estimated for 1 thread")
    chart = next(chart for chart in shown.charts if chart.key == "tokens")
    assert chart.columns[1][-1] == 400
    assert chart.summary.endswith("400 of them are estimated.")


def test_it_counts_messages_by_day() -> None:
    thread = make_thread()
    for moment in (
        NOW,
        NOW - timedelta(hours=1),
        NOW - timedelta(days=3),
        NOW - timedelta(days=90),
    ):
        make_message(thread, created_at=moment)

    chart = dashboard.for_user(make_admin(), now=NOW).charts[0]

    days = dict(zip(*chart.columns, strict=True))
    midnight = NOW.replace(hour=0, minute=0)
    assert len(days) == 30
    assert days[midnight.timestamp()] == 2
    assert days[(midnight - timedelta(days=3)).timestamp()] == 1
    assert sum(value or 0 for value in days.values()) == 3
    assert chart.summary == "3 messages in this time, 2 of them in its last step."


def test_it_shows_an_owner_only_their_own_figures() -> None:
    own, strange = make_project("Own"), make_project("Secret heron")
    owner = make_owner(own)
    make_message(make_thread(own, message_count=1), created_at=NOW)
    make_message(make_thread(strange, message_count=5), created_at=NOW)
    SyncRun.objects.create(project=strange, trigger="manual", state="failed", started_at=NOW)
    Job.objects.create(kind="export", key="x", project=strange)

    shown = dashboard.for_user(owner, now=NOW)

    assert {figure.label: figure.value for figure in shown.figures} == {
        "Threads": "1",
        "Messages": "1",
        "Tokens": "—",
        "Failed syncs": "0",
        "Queue": "0",
    }
    assert [chart.key for chart in shown.charts] == ["messages", "tokens", "calls", "news"]
    assert sum(value or 0 for value in shown.charts[0].columns[1]) == 1
    assert (shown.runs, shown.jobs, shown.may_change_sample) == ([], [], False)


def test_it_asks_as_many_questions_of_a_full_archive_as_of_an_empty_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    admin = make_admin()
    client = client_of(admin)
    for number in range(8):
        project = make_project(f"Project {number}")
        thread = make_thread(project, last_message_timestamp=timezone.now(), total_tokens=9)
        make_message(thread, created_at=timezone.now())
        Job.objects.create(kind="export", key=str(number), project=project)
        SyncRun.objects.create(project=project, trigger="manual", started_at=timezone.now())
        SystemMetric.objects.create(
            measured_at=timezone.now() - timedelta(minutes=number), cpu_percent=number
        )

    # session, user; projects, messages by day, tokens by project and day, the projects' names,
    # two sums of syncs, metrics, is there a connection, threads, failed runs, live jobs,
    # the latest runs, the latest jobs
    with django_assert_num_queries(15):
        client.get(reverse("admin:index"))
    # What is counted over the archive is good for some minutes.
    with django_assert_num_queries(10):
        client.get(reverse("admin:index"))


def test_it_gives_the_charts_their_numbers_as_json_and_their_meaning_as_text() -> None:
    SystemMetric.objects.create(measured_at=timezone.now(), cpu_percent=12.0, memory_percent=None)

    page = client_of(make_admin()).get(reverse("admin:index")).content.decode()

    found = re.search(r'<script id="th-charts" type="application/json">(.*?)</script>', page)
    assert found is not None
    assert json.loads(found[1])["machine"]["columns"][1:] == [[12.0], [None], [None]]
    said = "Processor, memory and disk. Now: processor 12 %, memory —, disk —."
    assert f'role="img" aria-label="{said}"' in page


def test_it_loads_and_removes_the_sample_archive() -> None:
    client = client_of(make_admin())

    client.post(reverse("admin:sample_load"))
    loaded = Thread.objects.filter(project__is_sample=True).count()
    asked = client.get(reverse("admin:sample_remove")).content.decode()
    still = Project.objects.filter(is_sample=True).exists()
    client.post(reverse("admin:sample_remove"))

    assert loaded > 0
    assert "Remove the sample archive?" in asked
    assert still
    assert not Project.objects.filter(is_sample=True).exists()


def test_it_leaves_the_sample_archive_to_administrators() -> None:
    client = client_of(make_owner(make_project()))

    answers = [
        client.post(reverse("admin:sample_load")),
        client.post(reverse("admin:sample_remove")),
        client.get(reverse("admin:sample_remove")),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert client_of(make_admin()).get(reverse("admin:sample_load")).status_code == 405


@pytest.mark.parametrize("model", ["auditevent", "systemmetric"])
def test_it_lets_nobody_write_into_a_log(model: str) -> None:
    client = client_of(make_admin())
    row = (
        AuditEvent.objects.create(actor_name="x", action="y")
        if model == "auditevent"
        else SystemMetric.objects.create()
    )

    answers = [
        client.get(reverse(f"admin:monitoring_{model}_add")),
        client.post(reverse(f"admin:monitoring_{model}_change", args=[row.pk]), {"action": "z"}),
        client.post(reverse(f"admin:monitoring_{model}_delete", args=[row.pk]), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3


@pytest.mark.parametrize("model", ["auditevent", "systemmetric"])
def test_it_shows_the_logs_to_those_who_may_view_them(model: str) -> None:
    owner = make_owner(make_project())
    client = client_of(owner)
    address = reverse(f"admin:monitoring_{model}_changelist")

    before = client.get(address).status_code
    owner.user_permissions.add(Permission.objects.get(codename=f"view_{model}"))

    assert before == 403
    assert client.get(address).status_code == 200


def test_it_lists_the_logs_with_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = client_of(make_admin())
    for number in range(20):
        AuditEvent.objects.create(actor_name="x", action=f"a{number}")

    # session, user; the filter's kinds of target; the count for the pages; the page
    with django_assert_num_queries(5):
        client.get(reverse("admin:monitoring_auditevent_changelist"))


def test_it_groups_the_pages_by_section() -> None:
    client = client_of(make_admin())

    sections = client.get(reverse("admin:index")).context["available_apps"]

    assert [str(section["name"]) for section in sections] == [
        "Archive",
        "Projects",
        "Governance",
        "People",
        "Monitoring",
        "Background work",
    ]
    # With Redis the queue is no table, so there is no list of it.
    queued = [] if settings.REDIS_URL else ["OrmQ"]
    assert [row["object_name"] for row in sections[-1]["models"]] == [
        *("Job", "Schedule", *queued, "Failure", "Success")
    ]


def test_it_carries_the_strict_policy_and_no_script_or_style_of_its_own() -> None:
    client = client_of(make_admin())
    thread = make_thread()
    pages = [
        reverse("admin:index"),
        reverse("admin:threads_thread_changelist"),
        reverse("admin:threads_thread_change", args=[thread.pk]),
        reverse("admin:threads_thread_add"),
        reverse("admin:projects_connection_add"),
        reverse("admin:django_q_schedule_add"),
    ]

    answers = [client.get(page) for page in pages]

    for answer in answers:
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "script-src 'self';" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", page)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
