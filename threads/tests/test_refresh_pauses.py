"""Waiting: for the guarantee, for a full reading, after failures and refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from threads import refresh

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_it_spreads_the_guarantee_so_that_an_import_does_not_come_back_at_once() -> None:
    limits = {
        refresh.guarantee(f"conv_{number}", threads=1_000, calls_per_minute=60)
        for number in range(200)
    }

    assert min(limits) >= timedelta(days=7) * 0.75
    assert max(limits) <= timedelta(days=7) * 1.25
    assert len(limits) == 200


def test_it_promises_no_more_than_the_calls_can_keep() -> None:
    limit = refresh.guarantee("conv_1", threads=1_000_000, calls_per_minute=60)

    assert limit > timedelta(days=40)


def test_it_reads_small_threads_in_full_each_week_and_large_ones_each_month() -> None:
    week_ago, month_ago = NOW - timedelta(days=8), NOW - timedelta(days=31)

    due = {
        (items, last): refresh.is_full_read_due(items=items, last_full_at=last, now=NOW)
        for items in (5, 500)
        for last in (None, NOW, week_ago, month_ago)
    }

    assert [key for key, value in due.items() if value] == [
        (5, week_ago),
        (5, month_ago),
        (500, month_ago),
    ]


def test_it_backs_off_with_jitter_and_never_for_more_than_six_hours() -> None:
    waits = [refresh.retry_at(n, now=NOW, chance=lambda: 1.0) - NOW for n in (1, 2, 3, 40)]

    assert waits == [
        timedelta(minutes=2),
        timedelta(minutes=4),
        timedelta(minutes=8),
        timedelta(hours=6),
    ]
    assert refresh.retry_at(9, now=NOW, chance=lambda: 0.0) == NOW + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("given_seconds", "pause"),
    [(None, 20), (0.0, 1), (7.5, 7.5), (1e12, 86_400), (float("inf"), 20), (float("nan"), 20)],
)
def test_it_pauses_as_long_as_the_server_asks(given_seconds: float | None, pause: float) -> None:
    until = refresh.pause_until(given_seconds, now=NOW)

    assert until == NOW + timedelta(seconds=pause)


def test_it_halves_the_rate_and_takes_it_up_again_in_twenty_minutes() -> None:
    rate: float | None = refresh.slower(None, full=60)
    halved = rate
    minutes = 0
    while rate is not None:
        rate, minutes = refresh.recovered(rate, full=60), minutes + 1

    assert halved == 30.0
    assert minutes == 10
    assert refresh.slower(0.5, full=60) == 60 / 64
