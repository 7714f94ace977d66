"""Passwords of the predecessor: they open the account once, and are hashed anew."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import User

from projects.hashers import WerkzeugPasswordHasher

# Written by Werkzeug 3 for this password.
PASSWORD = "correct horse"
SCRYPT = (
    "scrypt:32768:8:1$JYqPYVzq3VnYGzkI$901bbfa34bbd3803577780e0d57b92860cb7f2ceae7fd0d3d89e537e4e"
    "5fc0e4b381b0e4f30ff5c4f968b7847aa472a6520bc273507e5e0325b2e3b482ebf820"
)
SHA256 = (
    "pbkdf2:sha256:1000$MWYBIFIbb73m3oMG"
    "$ab19b6373873bcb957a28b8b2906f63f6b1eb7e2408f89909e55c90770cf21a3"
)
SHA512 = (
    "pbkdf2:sha512:1000$g9ROd96Qkm6BiXwg$b4d6420d94c023b01971f64df77ad689cb591e920bbfc6da1efe31c8"
    "cf6b48dd54b97c365e3282727e65221be3acc6ae5164cfaaccd77d69a410cb58d58d02fe"
)


@pytest.mark.parametrize("given", [SCRYPT, SHA256, SHA512])
def test_it_checks_what_werkzeug_wrote(given: str) -> None:
    encoded = WerkzeugPasswordHasher.adopt(given)

    assert check_password(PASSWORD, encoded)
    assert not check_password("wrong horse", encoded)
    assert len(encoded) <= 128  # what the column holds


@pytest.mark.django_db
def test_it_is_replaced_at_the_first_login() -> None:
    User.objects.create(username="ada", password=WerkzeugPasswordHasher.adopt(SHA256))

    assert authenticate(username="ada", password="wrong") is None
    assert authenticate(username="ada", password=PASSWORD) is not None

    stored = User.objects.get().password
    assert not stored.startswith("werkzeug")
    assert check_password(PASSWORD, stored)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "plain",
        "scrypt:32768:8:1$salt",
        "scrypt:32768:8:1$$" + "00" * 64,
        "scrypt:32768:8:1$salt$nothex",
        "scrypt:32768:8:1$salt$00",
        "scrypt:33554432:8:1$salt$" + "00" * 64,  # 32 GB of memory at each login
        "pbkdf2:sha256:99999999$salt$" + "00" * 32,  # a minute at each login
        "pbkdf2:md5:1000$salt$" + "00" * 32,
        "md5$salt$" + "00" * 16,
        "scrypt:32768:8:1$" + "s" * 90 + "$" + "00" * 64,
    ],
)
def test_it_refuses_hashes_that_it_cannot_check(given: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is nobody's business
        WerkzeugPasswordHasher.adopt(given)
