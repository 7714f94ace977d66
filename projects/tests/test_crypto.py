"""Sealed secrets open in their own row only, and every change to them is noticed."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from django.core.checks import Warning as CheckWarning
from pytest_django import Settings

from projects import keys
from projects.checks import master_key_is_set
from projects.crypto import BadFormat, NoMasterKey, SecretBox, Tampered, UnknownKey

OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(100, 132))).decode()
ROW = ("projects_connection.sealed_key", "6f1d9c1e-2b8a-4a3f-9d64-0b4e7f1c2a55")
SECRET = "sk-proj-0123456789abcdefghij"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_$"
# Sealed once with OLD for ROW: what was stored by an older release must stay readable.
KNOWN_TOKEN = (
    "th1$9fdd5f75$A_jWJs-mez_g48wG_CmZ4w5bW-fKgVcjQLJ6zrP_I3Emy_lSzZuecsgRrMlKfocmCpaDNR3QxfY"
)


def test_it_opens_what_an_older_release_sealed() -> None:
    assert SecretBox(OLD).decrypt(KNOWN_TOKEN, for_=ROW) == SECRET


@pytest.mark.parametrize("text", [SECRET, "", "schlüssel 鑰匙", "x" * 10_000])
def test_it_opens_what_it_sealed(text: str) -> None:
    box = SecretBox(OLD)

    token = box.encrypt(text, for_=ROW)

    assert box.decrypt(token, for_=ROW) == text
    assert not text or text not in token


def test_it_seals_the_same_text_differently_each_time() -> None:
    box = SecretBox(OLD)

    assert box.encrypt(SECRET, for_=ROW) != box.encrypt(SECRET, for_=ROW)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((ROW[0], "00000000-0000-4000-8000-000000000000"), id="another row"),
        pytest.param(("projects_connection.name", ROW[1]), id="another column"),
        pytest.param((*ROW, ""), id="one part more"),
    ],
)
def test_it_opens_in_its_own_row_only(other: tuple[str, ...]) -> None:
    with pytest.raises(Tampered):
        SecretBox(OLD).decrypt(KNOWN_TOKEN, for_=other)


def test_it_notices_every_change_of_a_single_character() -> None:
    box = SecretBox(OLD)
    changed = [
        KNOWN_TOKEN[:place] + letter + KNOWN_TOKEN[place + 1 :]
        for place in range(len(KNOWN_TOKEN))
        for letter in LETTERS
        if letter != KNOWN_TOKEN[place]
    ]

    for token in changed:
        with pytest.raises((BadFormat, Tampered, UnknownKey)):
            box.decrypt(token, for_=ROW)


def test_it_notices_every_truncation() -> None:
    box = SecretBox(OLD)

    for length in range(len(KNOWN_TOKEN)):
        with pytest.raises((BadFormat, Tampered)):
            box.decrypt(KNOWN_TOKEN[:length], for_=ROW)


@pytest.mark.parametrize("text", ["", SECRET, "gAAAAABm", "th1$", KNOWN_TOKEN + "\n"])
def test_it_refuses_what_is_no_token(text: str) -> None:
    with pytest.raises(BadFormat):
        SecretBox(OLD).decrypt(text, for_=ROW)


def test_it_names_the_key_that_is_missing() -> None:
    with pytest.raises(UnknownKey) as raised:
        SecretBox(NEW).decrypt(KNOWN_TOKEN, for_=ROW)

    assert raised.value.key_id == KNOWN_TOKEN.split("$")[1]
    assert raised.value.key_id in str(raised.value)


def test_it_rotates_to_the_newest_key() -> None:
    both = SecretBox(f"{NEW}, {OLD}")

    opened = both.decrypt(KNOWN_TOKEN, for_=ROW)
    resealed = both.encrypt(opened, for_=ROW)

    assert both.needs_rotation(KNOWN_TOKEN) is True
    assert both.needs_rotation(resealed) is False
    assert SecretBox(NEW).decrypt(resealed, for_=ROW) == SECRET


@pytest.mark.parametrize(
    ("configured", "reason"),
    [
        pytest.param("", "No master key", id="empty"),
        pytest.param(" , ", "No master key", id="only commas"),
        pytest.param("not base64!", "not base64", id="no base64"),
        pytest.param(base64.b64encode(bytes(range(16))).decode(), "16 bytes", id="short"),
        pytest.param(base64.b64encode(bytes(range(64))).decode(), "64 bytes", id="long"),
        pytest.param(base64.b64encode(b"a" * 32).decode(), "not random", id="one letter"),
        pytest.param(base64.b64encode(b"\0\1\2\3" * 8).decode(), "not random", id="pattern"),
        pytest.param(f"{NEW},{base64.b64encode(b'a' * 32).decode()}", "not random", id="second"),
    ],
)
def test_it_refuses_weak_keys(configured: str, reason: str) -> None:
    with pytest.raises(NoMasterKey, match=reason):
        SecretBox(configured)


def test_it_takes_keys_with_the_web_alphabet_and_without_padding() -> None:
    raw = bytes(range(224, 256))
    usual = base64.b64encode(raw).decode()
    other = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    assert SecretBox(usual).key_id == SecretBox(other).key_id


def test_it_shows_no_key_in_its_representation() -> None:
    box = SecretBox(OLD)

    assert OLD not in repr(box)
    assert repr(box) == f"SecretBox({box.key_id})"


def test_it_finds_equal_secrets_by_fingerprint() -> None:
    box = SecretBox(OLD)

    assert box.fingerprint(SECRET) == box.fingerprint(SECRET)
    assert box.fingerprint(SECRET) != box.fingerprint(SECRET + "x")
    assert box.fingerprint(SECRET) != SecretBox(NEW).fingerprint(SECRET)


def test_it_reads_keys_from_a_file(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{NEW}\n{OLD}\n")
    settings.THREADHUB_ENCRYPTION_KEYS_FILE = str(file)

    assert keys.secret_box().decrypt(KNOWN_TOKEN, for_=ROW) == SECRET
    assert keys.secret_box().needs_rotation(KNOWN_TOKEN)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_it_says_when_the_file_cannot_be_read(
    tmp_path: Path, settings: Settings, content: bytes | None
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    settings.THREADHUB_ENCRYPTION_KEYS_FILE = str(file)

    with pytest.raises(NoMasterKey, match="cannot be read"):
        keys.secret_box()


def test_it_warns_the_operator_without_a_master_key(settings: Settings) -> None:
    settings.THREADHUB_ENCRYPTION_KEYS_FILE = ""
    settings.THREADHUB_ENCRYPTION_KEYS = ""
    without = master_key_is_set()
    settings.THREADHUB_ENCRYPTION_KEYS = OLD
    with_key = master_key_is_set()

    assert [(message.id, type(message)) for message in without] == [
        ("threadhub.W010", CheckWarning)
    ]
    assert with_key == []
