"""Who goes on although they are refused is banned, longer each time; nobody else is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from monitoring.models import Offence, RequestBan
from projects.models import SiteSettings
from threadhub.lib import offences
from threadhub.lib.offences import Kind

pytestmark = pytest.mark.django_db
ADDRESS = "192.0.2.7"


@pytest.fixture(autouse=True)
def _commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.db.transaction.on_commit", lambda call, **_: call())


def rules(**changes: Any) -> None:
    few = {"ban_after_limits": 3, "ban_after_answers": 3, "ban_after_logins": 3}
    SiteSettings(**few | changes).remember()


def make_request(address: str, *, user: User | None, forwarded_for: str) -> HttpRequest:
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    request = RequestFactory().get("/", REMOTE_ADDR=address, headers=headers)
    request.user = user or AnonymousUser()
    return request


def offend(
    times: int = 3,
    address: str = ADDRESS,
    kind: Kind = Kind.LIMIT,
    *,
    user: User | None = None,
    forwarded_for: str = "",
) -> None:
    for _ in range(times):
        request = make_request(address, user=user, forwarded_for=forwarded_for)
        offences.note(request, kind, what="search")


def banned() -> list[str]:
    return list(RequestBan.objects.standing(timezone.now()).values_list("network", flat=True))


@pytest.mark.parametrize("kind", list(Kind))
def test_it_bans_after_as_many_as_the_settings_say(kind: Kind) -> None:
    rules()

    offend(2, kind=kind)
    before = banned()
    offend(1, kind=kind)

    assert (before, banned()) == ([], [ADDRESS])
    made = RequestBan.objects.get()
    assert made.is_automatic
    assert made.reason.endswith(": 3 in 10 minutes")
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == timedelta(minutes=15)


def test_it_does_not_add_up_different_kinds_or_addresses() -> None:
    rules()

    offend(2, kind=Kind.LIMIT)
    offend(2, kind=Kind.LOGIN)
    offend(2, "192.0.2.8")

    assert banned() == []


def test_it_bans_the_whole_line_of_an_ipv6_address() -> None:
    rules()

    for number in range(3):
        offend(1, f"2001:db8:1:2::{number}")

    assert banned() == ["2001:db8:1:2::/64"]


def test_it_bans_longer_each_time() -> None:
    rules()
    minutes = []

    for _ in range(4):
        offend()
        made = RequestBan.objects.standing(timezone.now()).get()
        assert made.expires_at is not None
        minutes.append((made.expires_at - made.created_at).total_seconds() / 60)
        RequestBan.objects.filter(pk=made.pk).update(lifted_at=timezone.now())

    assert minutes == [15, 60, 240, 960]


@pytest.mark.parametrize(
    "changes", [{"bans_automatically": False}, {"ban_after_limits": 0}, {"never_banned": ADDRESS}]
)
def test_it_bans_nobody_where_the_settings_say_so(changes: dict[str, Any]) -> None:
    rules(**changes)

    offend(10)

    assert banned() == []
    assert Offence.objects.get().count == 10


def test_it_holds_against_nobody_what_this_machine_does() -> None:
    rules()

    for address in ("127.0.0.1", "::1", ""):
        offend(10, address)

    assert banned() == []
    assert not Offence.objects.exists()


def test_it_spares_the_address_of_somebody_who_is_signed_in() -> None:
    rules()

    offend(10, user=User.objects.create_user("ada"))

    assert banned() == []
    assert Offence.objects.get().count == 10


def test_it_spares_a_proxy_that_nobody_told_us_to_trust(settings: Any) -> None:
    rules()

    offend(10, "10.0.0.1", forwarded_for="198.51.100.1")
    proxy = banned()
    offend(10, "1.2.3.4", forwarded_for="198.51.100.1")
    settings.THREADHUB_TRUSTED_PROXIES = 1
    offend(10, "10.0.0.1", forwarded_for=ADDRESS)

    assert (proxy, sorted(banned())) == ([], ["1.2.3.4", ADDRESS])


def test_it_keeps_the_database_out_of_a_flood() -> None:
    rules(bans_automatically=False)

    offend(450)

    assert Offence.objects.get().count == 400  # one by one to 100, then by the hundred


# What counts.


def test_too_many_requests_are_an_offence() -> None:
    rules(rate_search="1/h")
    client = Client(REMOTE_ADDR=ADDRESS)

    statuses = [client.get("/?q=a").status_code for _ in range(5)]

    assert statuses == [200, 429, 429, 429, 403]
    assert Offence.objects.get().what == "search"


def test_wrong_passwords_and_tokens_are_an_offence() -> None:
    rules(ban_after_logins=2)
    client = Client(REMOTE_ADDR=ADDRESS)

    client.post("/admin/login/", {"username": "ada", "password": "x"})
    first = client.get("/api/v1/me", headers={"Authorization": "Bearer th_guess"})
    second = client.get("/api/v1/me", headers={"Authorization": "Bearer th_guess"})

    assert (first.status_code, second.status_code) == (401, 403)


def test_wrong_answers_are_an_offence_and_late_ones_are_not() -> None:
    rules(ban_after_answers=2)
    client = Client(REMOTE_ADDR=ADDRESS)

    def answer(token: str) -> int:
        body = {"query": "a", "captcha_token": token, "captcha_answer": "wrong"}
        path = "/api/v1/fresh-searches"
        return client.post(path, body, content_type="application/json").status_code

    none = [answer("") for _ in range(3)]
    for _ in range(2):
        answer(client.get("/api/v1/captcha").json()["token"])

    assert none == [403] * 3
    assert banned() == [ADDRESS]
