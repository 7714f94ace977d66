"""Rounds of the refresh: the best threads first, within the calls, nobody starved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects.models import Connection
from threads import refresh, sync, tasks
from threads.models import SyncRun, Thread
from threads.sync import BudgetSpent, CallBudget, rounds
from threads.sync.rounds import put_off
from threads.tests.factories import NOW, make_connection, make_thread
from threads.tests.openai_server import OpenAIServer, text_item

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def taken(budget: CallBudget, most: int) -> int:
    for count in range(most):
        try:
            budget.take()
        except BudgetSpent:
            return count
    return most


def test_it_lets_no_minute_have_more_calls_than_allowed() -> None:
    clock = Clock()
    budget = CallBudget(make_connection(calls_per_minute=10), clock=clock)
    made: list[float] = []
    for _ in range(400):
        made += [clock.seconds] * taken(budget, 100)
        clock.seconds += 1.0

    busiest = max(sum(begin <= moment < begin + 60 for moment in made) for begin in made)
    assert busiest == 10
    # No slower than the window of seven slots demands.
    assert len(made) >= 400 / 70 * 10


def test_it_keeps_some_calls_for_people() -> None:
    connection, clock = make_connection(calls_per_minute=20), Clock()

    background = taken(CallBudget(connection, share=0.9, clock=clock), 100)
    people = taken(CallBudget(connection, clock=clock), 100)

    assert (background, people) == (18, 2)


def test_it_counts_the_calls_of_a_day() -> None:
    connection, clock = make_connection(calls_per_day=5), Clock()

    first = taken(CallBudget(connection, clock=clock), 100)
    clock.seconds += 86_400
    second = taken(CallBudget(connection, clock=clock), 100)

    assert (first, second) == (5, 5)


def test_it_asks_nothing_and_reports_no_failure_once_the_calls_of_the_day_are_made(
    server: OpenAIServer,
) -> None:
    connection = make_connection(base_url=server.url, store="chatkit", calls_per_day=1)
    thread = make_thread(connection.project, connection=connection, external_id="cthr_1")
    CallBudget(connection).take()

    tasks.refresh_due_threads()

    assert server.count() == 0
    assert not SyncRun.objects.exists()
    assert CallBudget(connection).left() == 0
    why = sync.reason_for(thread, now=timezone.now())
    assert why.endswith("are used up; more are made from 00:00 UTC.")


def test_it_goes_slower_after_a_429() -> None:
    connection = make_connection(calls_per_minute=60, accepted_rate=15.0)

    assert taken(CallBudget(connection, clock=Clock()), 100) == 15


def test_it_waits_for_room_in_the_foreground() -> None:
    clock = Clock()
    budget = CallBudget(
        make_connection(calls_per_minute=3), waits=True, clock=clock, sleep=clock.sleep
    )

    for _ in range(9):
        budget.take()

    assert clock.seconds - 1_800_000_000.0 >= 120


def test_it_counts_exactly_from_many_threads_at_once() -> None:
    budget = CallBudget(make_connection(calls_per_minute=50), clock=Clock())

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: taken(budget, 40), range(8)))

    # One that asks in the moment in which another takes its count back may be refused too.
    assert 43 <= sum(counts) <= 50


def silent(connection: Connection, identity: str, *, said: timedelta, read: timedelta) -> Thread:
    """Make a thread whose last message and last sync are that long ago."""
    return make_thread(
        connection.project,
        connection=connection,
        external_id=identity,
        last_message_timestamp=NOW - said,
        last_synced_at=NOW - read,
        last_full_sync_at=NOW - read,
        next_refresh_at=NOW,
    )


def test_it_reads_what_is_likely_to_have_waited_longest() -> None:
    connection = make_connection()
    hour, day = timedelta(hours=1), timedelta(days=1)
    silent(connection, "old", said=300 * day, read=4 * hour)
    silent(connection, "busy", said=hour + timedelta(minutes=1), read=hour)
    silent(connection, "yesterday", said=day, read=4 * hour)

    choice = sync.choose(connection, calls=2, now=NOW)

    names = dict(Thread.objects.values_list("pk", "external_id"))
    assert [names[pk] for pk in choice.keys] == ["busy", "yesterday"]
    (later,) = choice.later.values()
    assert later >= 60


def test_it_spends_no_call_on_a_thread_that_was_just_read() -> None:
    connection = make_connection()
    silent(connection, "fresh", said=timedelta(days=1), read=timedelta(seconds=90))

    assert sync.choose(connection, calls=10, now=NOW).keys == []


def test_it_reads_new_threads_first_but_starves_nobody() -> None:
    connection = make_connection()
    day = timedelta(days=1)
    for number in range(10):
        make_thread(connection.project, connection=connection, external_id=f"new{number}")
        silent(connection, f"due{number}", said=day, read=day / 2)
    silent(connection, "forgotten", said=400 * day, read=30 * day)
    Thread.objects.filter(external_id="forgotten").update(next_refresh_at=NOW + 5 * day)

    choice = sync.choose(connection, calls=10, now=NOW)

    names = dict(Thread.objects.values_list("pk", "external_id"))
    chosen = [names[pk] for pk in choice.keys]
    # Ten calls: two for each of two or three new threads, the others for the rest.
    new = sum(name.startswith("new") for name in chosen)
    assert new in {2, 3}
    assert len(chosen) == len(set(chosen)) == 10 - new
    assert "forgotten" in chosen


def test_it_leaves_alone_what_must_not_be_asked() -> None:
    connection = make_connection()
    day = timedelta(days=1)
    fields: list[dict[str, object]] = [
        {"is_refreshable": False},
        {"trashed_at": NOW},
        {"upstream_state": "gone"},
        {"refresh_not_before": NOW + day},
        {"connection": None},
    ]
    for number, changes in enumerate(fields):
        row = silent(connection, f"x{number}", said=day, read=20 * day)
        Thread.objects.filter(pk=row.pk).update(**changes)

    assert sync.choose(connection, calls=10, now=NOW).keys == []


def test_it_chooses_along_the_indexes_whatever_the_number_of_threads() -> None:
    connection = make_connection()
    for number in range(30):
        silent(connection, f"t{number}", said=timedelta(days=1), read=timedelta(hours=1))

    sync.choose(connection, calls=1, now=NOW)

    with CaptureQueriesContext(database) as queries:
        plan = sync.choose(connection, calls=5, now=NOW)
        put_off(plan.later, now=NOW)

    # The rates were known. Those that are new, those that were forgotten, those that are due; and
    # one statement for all that move back.
    chosen, moved = queries.captured_queries[:3], queries.captured_queries[3:]
    assert sum("UPDATE" in query["sql"] for query in moved) == 1
    if database.vendor == "sqlite":
        plans = [plan_of(query["sql"]) for query in chosen]
        assert "thread_due" in plans[2]
        assert all("thread_longest_unsynced" in each for each in plans[:2])
        statement = rounds._PUT_OFF.replace("%s", "1")
        plans.append(plan_of(statement))
        assert "INTEGER PRIMARY KEY" in plans[3]
        assert all("TEMP B-TREE" not in each and "SCAN" not in each for each in plans)


def plan_of(sql: str) -> str:
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return " ".join(row[3] for row in cursor.fetchall())


def test_it_does_not_move_back_what_was_read_meanwhile() -> None:
    connection = make_connection()
    read, other = (
        silent(connection, name, said=timedelta(days=1), read=timedelta(hours=1))
        for name in ("read", "other")
    )
    Thread.objects.filter(pk=read.pk).update(next_refresh_at=NOW + timedelta(minutes=2))

    put_off({read.pk: 900.0, other.pk: 900.0}, now=NOW)

    read.refresh_from_db()
    other.refresh_from_db()
    assert read.next_refresh_at == NOW + timedelta(minutes=2)
    assert other.next_refresh_at == NOW + timedelta(minutes=15)


def test_it_reads_what_is_due_and_keeps_the_ledger(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, listed_at=timezone.now())
    server.add_conversation("conv_1", [text_item("m1", "user", "hello")])
    make_thread(connection.project, connection=connection, external_id="conv_1", created_at=None)

    sentence = tasks.refresh_due_threads()
    again = tasks.refresh_due_threads()

    assert "1 threads read: 1 new" in sentence
    assert "0 threads read" in again
    run = SyncRun.objects.get()
    assert (run.trigger, run.state, run.threads_planned, run.threads_read) == (
        "schedule",
        "done",
        1,
        1,
    )
    assert (run.messages_new, run.calls_made, run.connection) == (1, 2, connection)


def test_it_begins_each_round_behind_the_connection_that_had_the_last_turn(
    server: OpenAIServer,
) -> None:
    first, second, third = (
        make_connection(base_url=server.url, listed_at=timezone.now()) for _ in range(3)
    )

    def add(connection: Connection, name: str) -> None:
        server.add_conversation(name)
        make_thread(connection.project, connection=connection, external_id=name)

    add(first, "conv_first")
    marks = [f"refresh:{connection.pk}" for connection in (second, third)]
    cache.set_many(dict.fromkeys(marks, 1))  # the round gets no further than to the first one
    tasks.refresh_due_threads()
    cache.delete_many(marks)
    for connection, name in ((first, "conv_new"), (second, "conv_second"), (third, "conv_third")):
        add(connection, name)
    server.forget_calls()

    tasks.refresh_due_threads()

    asked = dict.fromkeys(call.path.split("/")[2] for call in server.calls)
    assert list(asked) == ["conv_second", "conv_third", "conv_new"]


def test_it_leaves_paused_and_refused_connections_alone(server: OpenAIServer) -> None:
    for changes in (
        {"state": Connection.State.DENIED},
        {"is_enabled": False},
        {"paused_until": timezone.now() + timedelta(minutes=5)},
    ):
        connection = make_connection(base_url=server.url)
        make_thread(connection.project, connection=connection, external_id="conv_1")
        Connection.objects.filter(pk=connection.pk).update(**changes)

    tasks.refresh_due_threads()

    assert server.count() == 0
    assert not SyncRun.objects.exists()


def test_it_looks_later_again_at_what_it_did_not_choose(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, calls_per_minute=1, listed_at=timezone.now())
    server.add_conversation("conv_2")
    moment = timezone.now()
    for number in range(3):
        make_thread(
            connection.project,
            connection=connection,
            external_id=f"conv_{number}",
            last_message_timestamp=moment - timedelta(days=1),
            last_synced_at=moment - timedelta(hours=number + 1),
            last_full_sync_at=moment - timedelta(hours=1),
            next_refresh_at=moment - timedelta(minutes=1),
        )

    tasks.refresh_due_threads()

    waiting = Thread.objects.exclude(external_id="conv_2")
    assert server.count() == 1
    assert waiting.filter(next_refresh_at__gt=moment, last_synced_at__lt=moment).count() == 2
    assert Connection.objects.get().refresh_threshold >= refresh.ECONOMY_THRESHOLD
    assert Thread.objects.get(external_id="conv_2").refresh_priority > 0


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        (None, None, range(24)),
        (9, 17, range(9, 17)),
        (22, 6, [22, 23, *range(6)]),
        (8, 8, range(24)),
    ],
)
def test_it_runs_in_the_hours_that_were_set(
    begin: int | None, end: int | None, hours: Iterable[int]
) -> None:
    connection = Connection(refresh_from_hour=begin, refresh_until_hour=end)

    assert [hour for hour in range(24) if connection.is_refresh_hour(hour)] == sorted(hours)


def test_it_leaves_alone_what_was_switched_off_or_has_other_hours(server: OpenAIServer) -> None:
    hour = timezone.localtime().hour
    for changes in (
        {"is_refreshed": False},
        {"refresh_from_hour": (hour + 2) % 24, "refresh_until_hour": (hour + 4) % 24},
    ):
        connection = make_connection(base_url=server.url, **changes)
        make_thread(connection.project, connection=connection, external_id="conv_1")

    tasks.refresh_due_threads()

    assert server.count() == 0
