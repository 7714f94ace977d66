"""What a call is worth, and whom a round reads."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from threads import refresh
from threads.refresh import Expectation, LifeTable, Look, Silence

AGES = st.floats(min_value=0, max_value=1e9)
THRESHOLDS = st.floats(min_value=0.1, max_value=1e7)
SESSIONS = st.integers(min_value=0, max_value=9)
HOUR, DAY = 3_600.0, 86_400.0
BURSTY = Expectation(burst=6.0, burst_seconds=400.0)


def learned(*gaps: float, ended: bool = True) -> Expectation:
    """Return what is expected where threads spoke again after exactly these silences."""
    table = LifeTable()
    for gap in gaps:
        table.add_gap(1, 0.0, gap, is_ended=ended)
    return refresh.fit(table, table.totals())


def look(key: int, *, age: float, since: float, is_due: bool = True) -> Look:
    return Look(key, Silence(age), since, Expectation(), is_due)


# The score.


@settings(deadline=None)
@given(age=AGES, threshold=THRESHOLDS, sessions=SESSIONS)
def test_it_is_due_when_the_score_reaches_the_threshold(
    age: float, threshold: float, sessions: int
) -> None:
    silence = Silence(age, sessions)

    seconds = BURSTY.seconds_until(silence, threshold)

    assert BURSTY.score(silence, seconds) == pytest.approx(threshold, rel=2e-3)


@settings(deadline=None)
@given(age=AGES, moments=st.tuples(AGES, AGES))
def test_it_scores_higher_the_longer_it_waits(age: float, moments: tuple[float, float]) -> None:
    earlier, later = sorted(moments)

    scores = [BURSTY.score(Silence(age), seconds) for seconds in (earlier, later)]

    assert scores[0] <= scores[1]


def test_it_sums_up_how_long_messages_have_been_waiting() -> None:
    expectation, silence, step = Expectation(), Silence(500.0), 0.5

    expected = sum(
        expectation.rates[0][refresh.bucket(500.0 + second)] * (5_000 - second) * step
        for second in itertools.takewhile(lambda s: s < 5_000, itertools.count(step / 2, step))
    )

    # Two messages are expected when somebody comes back, all of them after ten minutes.
    assert expectation.score(silence, 5_000.0) == pytest.approx(2 * expected, rel=1e-3)


def test_it_asks_a_thread_four_times_as_old_about_half_as_often() -> None:
    young, old = (Expectation().seconds_until(Silence(days * DAY), 600.0) for days in (5, 20))

    assert old / young == pytest.approx(2.0, rel=0.15)


def test_it_expects_what_the_project_has_shown() -> None:
    quick = learned(*[600.0] * 50)
    slow = learned(*[20 * DAY] * 50)
    silence = Silence(300.0)

    chances = [each.chance(silence, 600.0) for each in (quick, Expectation(), slow)]

    assert chances[0] > 0.5
    assert chances == sorted(chances, reverse=True)


def test_it_learns_from_silences_that_have_not_ended() -> None:
    dead = learned(*[60 * DAY] * 50, ended=False)

    assert dead.chance(Silence(DAY), DAY) < 0.1 * Expectation().chance(Silence(DAY), DAY)


def test_it_believes_few_cases_little() -> None:
    one, many = (learned(*[600.0] * count) for count in (1, 1_000))

    number = refresh.bucket(500.0)
    prior = Expectation().rates[0][number]
    assert prior < one.rates[0][number] < many.rates[0][number]


def test_it_knows_threads_that_come_back_from_those_that_do_not() -> None:
    table = LifeTable()
    for _ in range(50):
        table.add_gap(1, 0.0, 60 * DAY, is_ended=False)
        table.add_gap(7, 0.0, DAY, is_ended=True)

    expectation = refresh.fit(table, table.totals())

    assert expectation.chance(Silence(HOUR, 7), DAY) > 0.5
    assert expectation.chance(Silence(HOUR, 1), DAY) < 0.05


# The life table.


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(numbers=st.lists(st.integers(min_value=0, max_value=10_000_000), min_size=1, max_size=8))
def test_it_counts_the_same_whenever_a_thread_was_visited(numbers: list[int]) -> None:
    times = [float(number) for number in sorted(numbers)]
    end = 2e7
    once, often = LifeTable(), LifeTable()
    once.add_visit(times, now=end)
    last: float | None = None
    synced: float | None = None
    sessions = 0

    for now in (2e5, 3e6, 9e6, end):
        new = [moment for moment in times if (synced or -1) < moment <= now]
        often.add_visit(new, now=now, sessions=sessions, last_message_at=last, synced_at=synced)
        for moment in new:
            sessions += last is None or moment - last > refresh.IDLE_SECONDS
            last = moment
        synced = now

    assert often.events == once.events
    for counted, expected in zip(often.exposure, once.exposure, strict=True):
        assert counted == pytest.approx(expected, abs=1e-3)
    assert often.return_messages == once.return_messages


def test_it_loses_no_second_and_counts_each_message_once() -> None:
    table = LifeTable()

    table.add_visit([0.0, 10.0, 3 * HOUR, 3 * HOUR + 60, 50 * DAY], now=60 * DAY)

    totals = table.totals()
    assert sum(totals.exposure) == pytest.approx(60 * DAY)
    assert sum(totals.events) == 4
    assert (table.return_sessions, table.return_messages, table.return_seconds) == (2, 3, 60)


# A round.


def test_it_reads_the_highest_scores_and_looks_later_at_the_others() -> None:
    old, busy, yesterday = (
        look(1, age=300 * DAY, since=HOUR),
        look(2, age=60.0, since=HOUR),
        look(3, age=DAY, since=HOUR),
    )

    plan = refresh.plan_round(
        new=[], overdue=[], pool=[old, busy, yesterday], calls=2, threshold=1.0
    )

    assert plan.keys == [2, 3]
    assert plan.scores[2] > plan.scores[3]
    assert list(plan.later) == [1]
    assert plan.later[1] >= refresh.LOOK_AGAIN_SECONDS


def test_it_leaves_in_place_what_was_not_due_yet() -> None:
    early = look(1, age=DAY, since=60.0, is_due=False)

    plan = refresh.plan_round(
        new=[], overdue=[], pool=[look(2, age=60.0, since=HOUR), early], calls=1, threshold=1.0
    )

    assert (plan.keys, plan.later) == ([2], {})


def test_it_moves_nothing_that_the_next_round_looks_at_anyhow() -> None:
    worthy = [look(key, age=60.0, since=HOUR + key) for key in range(4)]
    others = [look(9, age=DAY, since=60.0, is_due=False)]

    alone, crowded = (
        refresh.plan_round(new=[], overdue=[], pool=pool, calls=1, threshold=1.0, seconds=60.0)
        for pool in (worthy + others, worthy)
    )

    # What waits behind a pool that is due to its end must get its turn.
    assert (alone.later, list(crowded.later.values())) == ({}, [60.0] * 3)
    assert alone.left_alone == crowded.left_alone == 3


def test_it_moves_a_bounded_number_and_those_that_wait_longest_first() -> None:
    pool = [look(key, age=(1 + key) * DAY, since=60.0) for key in range(200)]

    plan = refresh.plan_round(new=[], overdue=[], pool=pool, calls=4, threshold=50.0, lowest=50.0)

    assert (plan.keys, plan.left_alone) == ([], 200)
    assert 0 < len(plan.later) < 50
    assert min(plan.later) > 100


def test_it_spends_no_call_below_the_lowest_threshold() -> None:
    pool = [look(1, age=DAY, since=90.0)]

    plans = [
        refresh.plan_round(new=[], overdue=[], pool=pool, calls=5, threshold=1.0, lowest=lowest)
        for lowest in (refresh.ECONOMY_THRESHOLD, 0.0)
    ]

    assert [plan.keys for plan in plans] == [[], [1]]


@pytest.mark.parametrize("calls", [1, 2, 3, 10, 54])
def test_it_starves_neither_new_threads_nor_old_ones(calls: int) -> None:
    chances = itertools.cycle([0.1, 0.35, 0.6, 0.85])
    pool = [look(key, age=60.0, since=HOUR) for key in range(100)]
    overdue = [look(key, age=300 * DAY, since=20 * DAY) for key in range(100, 200)]
    read: dict[str, int] = {"new": 0, "overdue": 0, "best": 0}

    for _ in range(400):
        plan = refresh.plan_round(
            new=range(200, 300),
            overdue=overdue,
            pool=pool,
            calls=calls,
            threshold=1.0,
            calls_for_new=2,
            chance=lambda: next(chances),
        )
        for key in plan.keys:
            read["best" if key < 100 else "overdue" if key < 200 else "new"] += 1

    assert all(read.values())
    assert 2 * read["new"] <= 0.75 * 400 * calls


@settings(deadline=None)
@given(
    calls=st.integers(0, 20),
    new=st.integers(0, 30),
    pool=st.integers(0, 60),
    overdue=st.integers(0, 30),
    cost=st.integers(1, 2),
)
def test_it_never_plans_more_than_the_calls(
    calls: int, new: int, pool: int, overdue: int, cost: int
) -> None:
    plan = refresh.plan_round(
        new=range(1_000, 1_000 + new),
        overdue=[look(key, age=DAY, since=9 * DAY) for key in range(50, 50 + overdue)],
        pool=[look(key, age=DAY, since=DAY) for key in range(pool)],
        calls=calls,
        threshold=1.0,
        calls_for_new=cost,
    )

    assert len(plan.keys) == len(set(plan.keys)) <= calls
    assert set(plan.keys).isdisjoint(plan.later)


def test_it_settles_where_the_calls_are_just_used_up() -> None:
    threshold = 1.0
    for _ in range(500):
        threshold = refresh.move_threshold(threshold, lowest_read=80.0)
    used_up = threshold
    for _ in range(500):
        threshold = refresh.move_threshold(threshold, lowest_read=None, lowest=30.0)

    assert used_up == pytest.approx(80.0, rel=1e-3)
    assert threshold == pytest.approx(30.0, rel=1e-2)


def test_it_moves_as_fast_whatever_the_time_between_rounds() -> None:
    often = 1.0
    for _ in range(3):
        often = refresh.move_threshold(often, lowest_read=50.0, seconds=20.0)

    assert refresh.move_threshold(1.0, lowest_read=50.0, seconds=60.0) == pytest.approx(often)
