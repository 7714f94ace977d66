"""Search keys: free, in the order of time, cheap in bulk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from threads.models import Message
from threads.search import keys
from threads.tests.factories import NOW, make_message, make_thread


def _archive(times: list[datetime]) -> list[int]:
    thread = make_thread()
    given = keys.allocate(times)
    Message.objects.bulk_create(
        Message(
            thread=thread,
            project_id=thread.project_id,
            position=position,
            remote_id=f"m{position}",
            role="user",
            created_at=moment,
            search_key=key,
        )
        for position, (moment, key) in enumerate(zip(times, given, strict=True), start=1)
    )
    return given


def test_it_counts_eighths_of_seconds_since_2020() -> None:
    assert keys.key_for(datetime(2020, 1, 1, tzinfo=UTC)) == 0
    assert keys.key_for(datetime(2020, 1, 1, 0, 0, 2, 999_999, tzinfo=UTC)) == 16
    assert keys.key_for(datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC)) == -8
    assert keys.time_of(keys.key_for(NOW) + 5) == NOW


def test_it_refuses_times_without_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        keys.key_for(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.django_db
def test_it_keeps_the_order_of_positions_within_a_second() -> None:
    times = [NOW, NOW, NOW - timedelta(seconds=5), NOW, NOW + timedelta(seconds=1)]

    given = keys.allocate(times)

    base = keys.key_for(NOW)
    assert given == [base, base + 1, base - 40, base + 2, base + 8]


@pytest.mark.django_db
def test_it_goes_round_keys_that_are_taken() -> None:
    thread = make_thread()
    make_message(thread, created_at=NOW)
    make_message(thread, created_at=NOW, search_key=keys.key_for(NOW) + 2)

    given = keys.allocate([NOW, NOW, NOW])

    base = keys.key_for(NOW)
    assert given == [base + 1, base + 3, base + 4]


@pytest.mark.django_db
def test_it_spills_into_the_next_seconds_in_few_queries() -> None:
    first = _archive([NOW] * 3_000)
    base = keys.key_for(NOW)
    # One query for the windows, four that narrow the end of the run, one for the free space
    # behind it; a lock before them on PostgreSQL.
    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = keys.allocate([NOW] * 2_000)

    assert first == list(range(base, base + 3_000))
    assert second == list(range(base + 3_000, base + 5_000))
    assert len(queries) <= 9


@pytest.mark.django_db
def test_it_meets_no_key_of_a_later_second_when_it_spills() -> None:
    later = _archive([NOW + timedelta(seconds=2)] * 8)

    given = keys.allocate([NOW] * 40 + [NOW + timedelta(seconds=1)] * 10)

    assert len(set(given) | set(later)) == 58
    assert given == sorted(given)


@pytest.mark.django_db
def test_it_gives_every_message_a_key_whatever_the_times_are() -> None:
    times = [NOW + timedelta(seconds=(number * 7919) % 97) for number in range(900)]
    _archive(times)

    given = keys.allocate(times)

    taken = set(Message.objects.values_list("search_key", flat=True))
    assert len(set(given)) == 900
    assert not taken & set(given)


@pytest.mark.django_db(transaction=True)
def test_it_wants_the_transaction_that_writes() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        keys.allocate([NOW])
