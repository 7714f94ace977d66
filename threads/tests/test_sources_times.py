"""Times as servers write them, and those that stand in ids."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from threads.sources import Credentials, open_source
from threads.sources.times import moment, moments_in_ids
from threads.tests.openai_server import KEY, OpenAIServer, text_item


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_763_000_000, datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)),
        (1_763_000_000.5, datetime(2025, 11, 13, 2, 13, 20, 500_000, tzinfo=UTC)),
        (1_763_000_000_500, datetime(2025, 11, 13, 2, 13, 20, 500_000, tzinfo=UTC)),
        (1_763_000_000_500_000, datetime(2025, 11, 13, 2, 13, 20, 500_000, tzinfo=UTC)),
        ("1763000000", datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)),
        ("2025-11-13T03:13:20+01:00", datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)),
        ("2025-11-13T02:13:20Z", datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)),
        ("2025-11-13T02:13:20", datetime(2025, 11, 13, 2, 13, 20, tzinfo=UTC)),
        (0, None),
        (-5, None),
        (10**40, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ("soon", None),
        ("9999-12-31T23:59:59-12:00", None),
        ([], None),
    ],
)
def test_it_reads_times_as_servers_write_them(value: object, expected: datetime | None) -> None:
    assert moment(value) == expected


def with_time(prefix: str, seconds: int, *, digits: int = 48) -> str:
    """Return an id in the layout of OpenAI's."""
    time = f"{seconds:08x}"
    return prefix + (time + "a" * 40 if digits == 48 else "b" * 18 + time + "c" * 24)


NOW = datetime(2026, 11, 23, tzinfo=UTC)


BEGAN = 1_763_000_000


@pytest.mark.parametrize("digits", [48, 50])
def test_it_reads_times_in_ids_that_fit_their_conversation(digits: int) -> None:
    conversation = with_time("conv_", BEGAN, digits=digits)
    items = [with_time("msg_", BEGAN + n, digits=digits) for n in (0, 5)]

    moments = moments_in_ids([*items, "hash-1"], conversation_id=conversation, now=NOW)

    assert [each and each.timestamp() for each in moments] == [BEGAN, BEGAN + 5, None]


@pytest.mark.parametrize(
    ("conversation", "items"),
    [
        ("conv_1", [BEGAN]),
        (with_time("conv_", 0xF0000000), [BEGAN]),
        (with_time("conv_", 0x10000000), [BEGAN]),
        (with_time("conv_", BEGAN), [BEGAN, BEGAN - 61]),
        (with_time("conv_", BEGAN), [BEGAN, int(NOW.timestamp()) + 61]),
        (with_time("conv_", BEGAN), [BEGAN, 0xFFFFFFFF]),
    ],
)
def test_it_reads_no_times_in_ids_that_contradict_each_other(
    conversation: str, items: list[int]
) -> None:
    ids = [with_time("msg_", seconds) for seconds in items]

    moments = moments_in_ids(ids, conversation_id=conversation, now=NOW)

    assert moments == [None] * len(ids)


def test_it_says_that_a_time_is_read_from_an_id(server: OpenAIServer) -> None:
    conversation = with_time("conv_", BEGAN)
    items = [text_item(with_time("msg_", BEGAN + 9), "user", "hello")]
    server.add_conversation(conversation, items)

    with closing(open_source("conversations", Credentials(KEY, server.url))) as source:
        message = source.messages(conversation).items[0]

    assert message.time_source == "id"
    assert message.created_at == datetime.fromtimestamp(BEGAN + 9, tz=UTC)
