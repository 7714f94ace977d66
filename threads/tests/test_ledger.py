"""The ledger by project and day: the sums stay the same however old the batches grow."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from projects.models import Connection, Project
from threads import sync
from threads.models import SyncRun
from threads.sync.ledger import KEEP_BATCHES, count_file_calls
from threads.tests.factories import NOW, make_connection, make_project

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/threads/syncrun/days/"


def make_run(connection: Connection, at: datetime = NOW, **fields: Any) -> SyncRun:
    fields = {"calls_made": 3, "calls_avoided": 7, "threads_read": 2, "messages_new": 5} | fields
    return SyncRun.objects.create(
        project=connection.project,
        connection=connection,
        **{"trigger": "schedule", "state": "done", **fields},
        started_at=at,
        finished_at=at + timedelta(seconds=2),
        busy_seconds=2.0,
    )


def days(since: datetime = NOW - timedelta(days=400)) -> list[tuple[Any, ...]]:
    return [astuple(day) for day in sync.days_of(Project.objects.all(), since=since)]


def test_it_adds_up_by_project_and_utc_day() -> None:
    shop, desk = (make_connection(make_project(name)) for name in ("Shop", "Desk"))
    make_run(shop, NOW.replace(hour=0, minute=0))
    make_run(shop, NOW.replace(hour=23, minute=59), threads_failed=1)
    make_run(shop, NOW - timedelta(days=1))
    make_run(desk)

    found = list(sync.days_of(Project.objects.all(), since=NOW - timedelta(days=3)))

    assert [(day.day, day.project) for day in found] == [
        (date(2026, 3, 1), "Desk"),
        (date(2026, 3, 1), "Shop"),
        (date(2026, 2, 28), "Shop"),
    ]
    both = found[1]
    assert (both.run_count, both.calls_made, both.calls_avoided) == (2, 6, 14)
    assert (both.messages_new, both.threads_failed, both.busy_seconds) == (10, 1, 4.0)
    assert both.avoided_percent == pytest.approx(70)


def test_it_adds_old_batches_up_and_changes_no_sum() -> None:
    connection = make_connection()
    old = NOW - KEEP_BATCHES - timedelta(days=3)
    for minute in range(40):
        make_run(connection, old + timedelta(minutes=minute), errors=[{"message": str(minute)}])
    make_run(connection, old, trigger="manual")
    make_run(connection, old + timedelta(days=1))
    for minute in range(5):
        make_run(connection, NOW - timedelta(minutes=minute))
    before = days()

    gone = sync.fold_old_runs(NOW)

    assert gone == 39
    assert days() == before
    assert SyncRun.objects.count() == 8
    folded = SyncRun.objects.get(run_count=40)
    assert folded.duration_seconds == 80
    assert len(folded.errors) == 20
    assert sync.fold_old_runs(NOW) == 0


def test_it_leaves_alone_what_runs_and_what_was_carried_over() -> None:
    connection = make_connection()
    old = NOW - timedelta(days=60)
    for _ in range(2):
        make_run(connection, old, state="running")
        SyncRun.objects.create(trigger="schedule", state="done", started_at=old)

    assert sync.fold_old_runs(NOW) == 0


def test_it_counts_calls_for_files_in_one_row_a_day() -> None:
    connection = make_connection()

    for moment in (NOW, NOW + timedelta(hours=1), NOW + timedelta(days=1)):
        count_file_calls(connection, 1, now=moment)

    rows = SyncRun.objects.order_by("started_at").values_list("trigger", "calls_made", "run_count")
    assert list(rows) == [("files", 2, 2), ("files", 1, 1)]


# The page.


def test_it_shows_owners_their_own_projects(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    owner = User.objects.create_user("olga", is_staff=True)
    own, other = make_project("Own desk"), make_project("Secret desk")
    own.owners.add(owner)
    for project in (own, other):
        connection = make_connection(project)
        for _ in range(3):
            make_run(connection, datetime.now(tz=NOW.tzinfo))
    client.force_login(owner)

    # Session, account, the projects that are theirs, the ledger, and the console's frame.
    with django_assert_max_num_queries(8):
        page = client.get(ADDRESS).content.decode()

    assert "Own desk" in page
    assert "Secret desk" not in page
    assert "9 calls made" in page
    assert "data-chart" in page


def test_it_is_not_for_people_without_projects(client: Client) -> None:
    client.force_login(User.objects.create_user("sten", is_staff=True))

    assert client.get(ADDRESS).status_code == 403


def test_it_is_had_as_csv_that_computes_nothing(client: Client) -> None:
    make_run(make_connection(make_project("=1+1")), datetime.now(tz=NOW.tzinfo))
    client.force_login(User.objects.create_superuser("ada"))

    response = client.get(ADDRESS, {"format": "csv", "days": "7"})

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    header, row = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert dict(zip(header, row, strict=True))["project"] == "'=1+1"
    assert dict(zip(header, row, strict=True))["calls_made"] == "3"


@pytest.mark.parametrize("given", ["", "0", "-7", "10000000000", "x", "٧"])
def test_it_takes_any_range_for_the_usual_one(client: Client, given: str) -> None:
    client.force_login(User.objects.create_superuser("ada"))

    page = client.get(ADDRESS, {"days": given}).content.decode()

    assert 'href="?days=30" aria-current="true"' in page
