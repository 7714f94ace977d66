"""What the refresh learns from visits, and that the nightly count comes to the same."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from projects.models import Connection
from threads import sync
from threads.models import RefreshBucket, RefreshReturns, Thread
from threads.refresh import Expectation, Silence
from threads.sources import RemoteMessage
from threads.sync import learning
from threads.tests.factories import NOW, make_connection, make_message, make_thread
from threads.tests.fakes import FakeSource

pytestmark = pytest.mark.django_db

# Seconds after NOW: two sessions, a third one a day later, one long after.
TIMES = [0, 10, 45, 4_000, 4_030, 90_000, 600_000]


def said(number: int, seconds: float) -> RemoteMessage:
    moment = NOW + timedelta(seconds=seconds)
    return RemoteMessage(
        f"m{number}", "user", "x", created_at=moment, time_source="given", raw=f'{{"n": {number}}}'
    )


def counts() -> dict[tuple[int, int], tuple[float, float]]:
    return {
        (row.session_class, row.age_bucket): (row.events, round(row.exposure_seconds, 1))
        for row in RefreshBucket.objects.all()
    }


def returns() -> list[tuple[float, ...]]:
    rows = RefreshReturns.objects.values_list("sessions", "messages", "seconds")
    return [tuple(round(value, 3) for value in row) for row in rows]


def visit(connection: Connection, source: FakeSource, seconds: float) -> None:
    """Read all threads once at that moment, as a batch does."""
    moment = NOW + timedelta(seconds=seconds)
    tally = sync.sync_many(
        list(Thread.objects.order_by("pk").values_list("pk", flat=True)),
        connection=connection,
        source=source,
        clock=lambda: moment,
    )
    assert tally.errors == []
    learning.add_counts(connection.project_id, tally.learned)


def test_it_learns_the_same_by_visits_as_from_the_archive() -> None:
    connection = make_connection(state=Connection.State.WORKING)
    make_thread(connection.project, connection=connection, external_id="t1", created_at=None)
    source = FakeSource(t1=[])
    for until in (30, 50, 3_000, 4_010, 95_000, 200_000, 700_000):
        source.conversations["t1"] = [
            said(number, seconds) for number, seconds in enumerate(TIMES) if seconds <= until
        ]
        visit(connection, source, until)
    by_visits, returned = counts(), returns()

    learning.count_again(NOW + timedelta(seconds=700_000))

    assert sum(events for events, _ in by_visits.values()) == len(TIMES) - 1
    assert sum(seconds for _, seconds in by_visits.values()) == pytest.approx(700_000)
    assert counts() == by_visits
    assert returns() == returned == [(3.0, 4.0, 30.0)]


def test_it_learns_nothing_twice_from_a_visit_that_others_were_faster_with() -> None:
    connection = make_connection(state=Connection.State.WORKING)
    make_thread(connection.project, connection=connection, external_id="t1", created_at=None)
    source = FakeSource(t1=[said(0, 0), said(1, 60)])
    visit(connection, source, 1_000)
    before = counts()

    visit(connection, source, 900)

    assert counts() == before


def test_it_spreads_messages_without_times_between_the_visits() -> None:
    connection = make_connection(state=Connection.State.WORKING)
    make_thread(connection.project, connection=connection, external_id="t1", created_at=NOW)
    source = FakeSource(t1=[RemoteMessage("m0", "user", "x", raw="{}")])
    visit(connection, source, 0)
    source.conversations["t1"] += [
        RemoteMessage(f"m{n}", "user", "x", raw=f'{{"n": {n}}}') for n in (1, 2)
    ]

    visit(connection, source, 3_000)

    # After 1,000 s each; not two at once after 3,000 s.
    assert {key: events for key, (events, _) in counts().items() if events} == {(0, 6): 2.0}


def test_it_counts_what_came_at_one_visit_as_one_end_of_a_silence() -> None:
    thread = make_thread(last_message_timestamp=NOW + timedelta(seconds=500), session_count=1)
    make_message(thread, created_at=NOW, time_source="given")
    for _ in range(3):
        moment = NOW + timedelta(seconds=500)
        make_message(thread, created_at=moment, time_source="seen")

    learning.count_again(NOW + timedelta(days=1))

    assert sum(events for events, _ in counts().values()) == 1


def test_it_forgets_old_habits_by_and_by() -> None:
    for number, days in enumerate((10, 40, 70)):
        thread = make_thread(external_id=f"t{number}", project=None, session_count=1)
        begin = NOW - timedelta(days=days)
        make_message(thread, created_at=begin, time_source="given")
        make_message(thread, created_at=begin + timedelta(seconds=600), time_source="given")

    assert learning.count_again(NOW) == 3

    rows = RefreshBucket.objects.filter(events__gt=0).order_by("project")
    assert list(rows.values_list("events", flat=True)) == [1.0, 0.5, 0.25]


def test_it_expects_of_a_project_what_its_threads_have_shown() -> None:
    lively, quiet = make_connection(), make_connection()
    for connection, gap in ((lively, 300), (quiet, 3_000_000)):
        for number in range(20):
            thread = make_thread(
                connection.project,
                external_id=f"t{number}",
                session_count=1,
                last_message_timestamp=NOW,
                last_synced_at=NOW,
            )
            make_message(thread, created_at=NOW - timedelta(seconds=gap), time_source="given")
            make_message(thread, created_at=NOW, time_source="given")
    learning.count_again(NOW)

    chances = [
        learning.expectation_for(project_id).chance(Silence(100.0), 600.0)
        for project_id in (lively.project_id, quiet.project_id)
    ]

    assert chances[0] > 0.5 > Expectation().chance(Silence(100.0), 600.0) > chances[1]


def test_it_reads_the_rates_once_in_half_an_hour(django_assert_num_queries: object) -> None:
    connection = make_connection()

    # The project's table, its returns, and the sums of all projects.
    with django_assert_num_queries(3):  # type: ignore[operator]
        first = learning.expectation_for(connection.project_id)
    with django_assert_num_queries(0):  # type: ignore[operator]
        second = learning.expectation_for(connection.project_id)

    assert first == second


def test_it_plans_every_thread_anew_by_what_the_archive_shows() -> None:
    connection = make_connection(saves_calls=True)
    for number, days in enumerate((1, 100)):
        make_thread(
            connection.project,
            connection=connection,
            external_id=f"t{number}",
            last_message_timestamp=NOW - timedelta(days=days),
            last_synced_at=NOW,
            session_count=1,
        )
    make_thread(connection.project, connection=connection, external_id="never")
    make_thread(
        connection.project,
        connection=connection,
        external_id="closed",
        last_synced_at=NOW,
        upstream_state="closed",
    )

    output = StringIO()
    call_command("replan_refresh", stdout=output)

    assert output.getvalue() == "Learned from 1 projects; 2 threads planned anew.\n"
    young, old, never, closed = Thread.objects.order_by("pk")
    assert young.next_refresh_at is not None
    assert old.next_refresh_at is not None
    assert NOW < young.next_refresh_at < old.next_refresh_at
    assert never.next_refresh_at is closed.next_refresh_at is None


def test_it_counts_figures_again_that_went_wrong() -> None:
    thread = make_thread(message_count=9, estimated_tokens=1)
    make_message(thread, "four letters each ")
    right = make_thread(thread.project, created_at=None)
    output = StringIO()

    call_command("recount_tokens", project=thread.project.slug, stdout=output)

    thread.refresh_from_db()
    assert (thread.message_count, thread.item_count, thread.estimated_tokens) == (1, 1, 5)
    assert output.getvalue() == "2 threads counted, 1 of them changed.\n"
    assert Thread.objects.get(pk=right.pk).item_count == 0


def test_it_says_why_a_thread_is_read_when_it_is() -> None:
    connection = make_connection(state=Connection.State.WORKING, saves_calls=True)
    fields = {"connection": connection, "last_synced_at": NOW, "last_message_timestamp": NOW}
    thread = make_thread(connection.project, external_id="t1", session_count=1, **fields)
    hour_later = NOW + timedelta(hours=1)

    said = {
        "usual": sync.reason_for(thread, now=hour_later),
        "new": sync.reason_for(make_thread(connection=connection), now=NOW),
        "file": sync.reason_for(make_thread(), now=NOW),
        "long": sync.reason_for(thread, now=NOW + timedelta(days=8)),
    }
    connection.is_refreshed = False

    assert "probability" in said["usual"]
    assert "it is due at 30." in said["usual"]
    assert said["new"] == "It was never read: new threads come first."
    assert "from a file" in said["file"]
    assert "in any case" in said["long"]
    assert "switched off" in sync.reason_for(thread, now=hour_later)
