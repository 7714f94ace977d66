"""What leaves the house masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.exports.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to jane.doe+x@mail.example.org!", "write to [e-mail]!"),
        ("（聯絡me@example.org）", "（聯絡[e-mail]）"),
        ("card 4242 4242 4242 4242 please", "card [card …4242] please"),
        ("4000-0566-5566-5556", "[card …5556]"),
        ("call +49 30 901820 now", "call [phone] now"),
        ("電話 0912-345-678", "電話 [phone]"),
        ("(call 02/2345 6789)", "(call [phone])"),
        ("key sk-proj-abcdefghijklmnopqrstuv", "key [key]"),
        ("token eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "token [key]"),
    ],
)
def test_it_masks(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 4242 4242 4242 4243",  # the checksum is wrong
        "0000 0000 0000 0000",
        "on 01.02.2026 and 2026-11-23",
        "invoice RE-2026-0188, order A-58213",
        "3f2a9c10-8d6e-4b7a-9f00-1c2d3e4f5a6b",
        "version 3.11.7, 192.168.0.1",
        "1,234,567 tokens in 0.125 s",
        "user@host and a @mention",
    ],
)
def test_it_leaves_other_numbers_alone(text: str) -> None:
    assert mask(text) == text


@given(st.text())
def test_it_masks_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@pytest.mark.timeout(60)  # a quadratic expression would need hours, a linear one a second
@pytest.mark.parametrize("piece", ["a", "a@", "0-", "a.", "@", "sk-", "+1 "])
def test_it_reads_hostile_text_to_the_end(piece: str) -> None:
    hostile = piece * 100_000

    assert mask(hostile)
