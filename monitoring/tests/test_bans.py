"""Banned addresses get nothing but a sentence: at once, everywhere, and not a second longer."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from monitoring import banned
from monitoring.actions import Refused, ban, lift_ban, unban
from monitoring.models import AuditEvent, Offence, RequestBan
from monitoring.retention import forget_offences
from projects.models import SiteSettings
from threadhub.lib.networks import network_of

pytestmark = pytest.mark.django_db
ADDRESS = "192.0.2.7"
FORM = {"lasts": "60", "reason": "asks too much"}


@pytest.fixture(autouse=True)
def _commits(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Any:
    """Tell the processes at the end of each test's own commits, as a real one would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        yield


def make_ban(network: str = ADDRESS, **changes: Any) -> RequestBan:
    now = timezone.now()
    asked = {"by": None, "now": now, "until": now + timedelta(hours=1)} | changes
    return ban(network_of(network), **asked)


def status(address: str = ADDRESS, path: str = "/", **headers: str) -> int:
    return Client().get(path, REMOTE_ADDR=address, headers=headers).status_code


# What is refused.


@pytest.mark.parametrize(
    ("network", "refused", "let_in"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.77/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.2.1", "192.0.3.1"),
        ("2001:db8:1:2::/64", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"),
        ("2001:db8::5", "2001:0db8:0:0::5", "2001:db8::6"),
    ],
)
def test_it_refuses_the_network_and_nobody_else(network: str, refused: str, let_in: str) -> None:
    make_ban(network)

    assert (status(refused), status(let_in)) == (403, 200)


def test_it_says_until_when_and_names_the_request() -> None:
    with time_machine.travel(datetime(2026, 3, 20, 15, 0, tzinfo=UTC), tick=False):
        make_ban()

        page = Client().get("/", REMOTE_ADDR=ADDRESS)
        answer = Client().get("/api/v1/me", REMOTE_ADDR=ADDRESS)

    text = page.content.decode()
    assert "2026-03-20 16:00 UTC" in text
    assert "60 minutes" in text
    assert page["X-Request-ID"] in text
    assert "no-store" in page["Cache-Control"]
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "banned")
    assert "until 2026-03-20 16:00 UTC" in error["message"]
    assert answer["X-Request-ID"] in error["message"]


def test_it_speaks_the_language_of_whoever_is_banned() -> None:
    make_ban()

    page = Client().get("/", REMOTE_ADDR=ADDRESS, headers={"Accept-Language": "zh-hant"})

    assert '<html lang="zh-hant">' in page.content.decode()


def test_it_ends_to_the_second() -> None:
    begin = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
    with time_machine.travel(begin, tick=False) as clock:
        make_ban(until=begin + timedelta(minutes=15))

        clock.move_to(begin + timedelta(minutes=14, seconds=59))
        before = status()
        clock.move_to(begin + timedelta(minutes=15))

        assert (before, status()) == (403, 200)


def test_it_looks_at_the_address_that_the_proxies_vouch_for(settings: Any) -> None:
    make_ban()

    told = status("10.0.0.1", **{"X-Forwarded-For": ADDRESS})
    settings.THREADHUB_TRUSTED_PROXIES = 1
    seen = status("10.0.0.1", **{"X-Forwarded-For": f"198.51.100.1, {ADDRESS}"})
    invented = status("10.0.0.1", **{"X-Forwarded-For": f"{ADDRESS}, 198.51.100.1"})

    assert (told, seen, invented) == (200, 403, 200)


def test_it_costs_others_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_ban()
    status("198.51.100.1", "/healthz")  # which reads the bans

    with django_assert_num_queries(0):
        assert status("198.51.100.1", "/healthz") == 200
        assert status(ADDRESS, "/healthz") == 403


def test_it_is_heard_of_by_processes_that_knew_the_bans_before() -> None:
    status()
    known = banned._known

    made = make_ban()
    banned._known = known  # as in a process that did not make the ban
    refused = status()
    lift_ban(made, by=None, now=timezone.now())

    assert (refused, status()) == (403, 200)


def test_it_survives_an_emptied_cache() -> None:
    make_ban()
    cache.clear()

    assert status() == 403


def test_it_answers_without_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(
        "monitoring.models.bans.RequestBanQuerySet.standing",
        lambda self, now: (_ for _ in ()).throw(OSError("away")),
    )

    assert status(path="/healthz") == 200


# What cannot be banned by a slip.


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("127.0.0.1", "own address"),
        ("127.0.0.0/8", "own address"),
        ("::1", "own address"),
        ("0.0.0.0/32", "own address"),
        ("::ffff:127.0.0.1", "own address"),
        ("0.0.0.0/0", "too large"),
        ("::/0", "too large"),
        ("198.51.100.0/24", "You are there yourself"),
        ("203.0.113.9", "never banned"),
        ("203.0.112.0/20", "never banned"),
    ],
)
def test_it_refuses_a_ban_that_would_hit_the_wrong_one(network: str, sentence: str) -> None:
    SiteSettings(never_banned="2001:db8::/32\n203.0.113.0/24").remember()

    with pytest.raises(Refused, match=sentence):
        make_ban(network, own_address="198.51.100.4")

    assert not RequestBan.objects.exists()


def test_a_second_ban_replaces_the_first() -> None:
    first = make_ban(until=None)

    second = make_ban(until=timezone.now() + timedelta(minutes=5))

    first.refresh_from_db()
    assert first.lifted_at is not None
    assert list(RequestBan.objects.standing(timezone.now())) == [second]


def test_both_ends_are_on_record() -> None:
    ada = User.objects.create_user("ada")

    lift_ban(make_ban(by=ada, reason="scraping"), by=ada, now=timezone.now())

    events = AuditEvent.objects.filter(action__startswith="ban.").order_by("pk")
    assert [(e.action, e.actor, e.target_label) for e in events] == [
        ("ban.add", ada, ADDRESS),
        ("ban.lift", ada, ADDRESS),
    ]
    assert events[0].details["reason"] == "scraping"


# The way back in.


@pytest.mark.parametrize("named", [ADDRESS, "192.0.2.0/24", "192.0.2.200"])
def test_unban_lifts_what_keeps_an_address_out(named: str) -> None:
    make_ban("192.0.2.0/24")
    make_ban("198.51.100.1")
    output = io.StringIO()

    call_command("unban", named, stdout=output)

    assert output.getvalue() == "Lifted the ban of 192.0.2.0/24.\n"
    assert (status(), status("198.51.100.1")) == (200, 403)


def test_unban_lifts_them_all() -> None:
    make_ban()
    make_ban("192.0.2.0/24")

    call_command("unban", "--all", stdout=io.StringIO())

    assert status() == 200


@pytest.mark.parametrize(
    ("arguments", "returncode"),
    [([], 2), (["192.0.2.9", "--all"], 2), (["nowhere"], 2), ([ADDRESS], 1)],
)
def test_unban_says_what_it_cannot_do(arguments: list[str], returncode: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("unban", *arguments)

    assert caught.value.returncode == returncode


def test_a_lifted_ban_is_not_lifted_again() -> None:
    make_ban()

    assert len(unban(network_of(ADDRESS), by=None, now=timezone.now())) == 1
    assert unban(network_of(ADDRESS), by=None, now=timezone.now()) == []


def test_it_forgets_what_is_long_over() -> None:
    long_ago = timezone.now() - timedelta(days=400)
    make_ban(now=long_ago, until=long_ago + timedelta(days=1))
    standing = make_ban("198.51.100.1", now=long_ago, until=None)
    Offence.add(network_of(ADDRESS), "limit", what="search", now=long_ago, by=1)

    forget_offences(timezone.now())

    assert list(RequestBan.objects.all()) == [standing]
    assert not Offence.objects.exists()


# In the console.


@pytest.fixture
def console() -> Client:
    client = Client(REMOTE_ADDR="198.51.100.4")
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_an_administrator_bans_a_network_and_lifts_it(console: Client) -> None:
    added = console.post("/admin/monitoring/requestban/add/", FORM | {"network": "192.0.2.0/24"})
    made = RequestBan.objects.get()
    refused = status()
    page = console.get("/admin/monitoring/requestban/").content.decode()
    form = {"action": "lift", "_selected_action": made.pk}
    console.post("/admin/monitoring/requestban/", form)

    assert added.status_code == 302
    assert (made.network, made.reason, made.is_automatic) == (
        "192.0.2.0/24",
        "asks too much",
        False,
    )
    assert made.created_by is not None
    assert "Banned" in page
    assert (refused, status()) == (403, 200)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("nowhere", "is no address and no network"),
        ("127.0.0.1", "own address"),
        ("198.51.100.0/24", "You are there yourself"),
    ],
)
def test_the_form_says_what_is_wrong(console: Client, network: str, sentence: str) -> None:
    page = console.post("/admin/monitoring/requestban/add/", FORM | {"network": network})

    assert sentence in page.content.decode()
    assert not RequestBan.objects.exists()


def test_a_ban_is_not_deleted_or_changed(console: Client) -> None:
    made = make_ban()

    console.post(f"/admin/monitoring/requestban/{made.pk}/change/", {"network": "192.0.2.99"})
    answer = console.post(f"/admin/monitoring/requestban/{made.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert RequestBan.objects.get().network == ADDRESS


def test_the_page_of_offenders_shows_what_they_did_and_bans(console: Client) -> None:
    now = timezone.now()
    network = network_of(ADDRESS)
    Offence.add(network, "limit", what="search", now=now, by=40)
    Offence.add(network, "login", what="", now=now - timedelta(hours=5), by=2)
    Offence.add(network_of("192.0.2.99"), "captcha", what="", now=now - timedelta(hours=5), by=90)
    Offence.add(network_of("192.0.2.100"), "captcha", what="", now=now - timedelta(days=2), by=9)

    page = console.get("/admin/monitoring/offence/").content.decode()
    console.post("/admin/monitoring/offence/", {"address": ADDRESS})
    after = console.get("/admin/monitoring/offence/").content.decode()

    assert page.index(ADDRESS) < page.index("192.0.2.99")  # more in the last hour
    assert "192.0.2.100" not in page
    assert "(<code>search</code>): 40" in page
    assert "42" in page
    assert status() == 403
    assert "Banned until" in after


@pytest.mark.parametrize("address", ["198.51.100.4", "127.0.0.1", "", "x"])
def test_one_click_bans_no_wrong_one(console: Client, address: str) -> None:
    console.post("/admin/monitoring/offence/", {"address": address})

    assert not RequestBan.objects.exists()


def test_the_page_of_offenders_costs_as_much_for_many(
    console: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        Offence.add(network_of(f"192.0.2.{number}"), "limit", what="", now=timezone.now(), by=1)

    # session, user; the standing bans; the offences
    with django_assert_num_queries(4):
        console.get("/admin/monitoring/offence/")


@pytest.mark.parametrize("model", ["requestban", "offence"])
def test_owners_of_projects_ban_nobody(model: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("olivia", is_staff=True))

    assert client.get(f"/admin/monitoring/{model}/").status_code == 403
    assert client.post(f"/admin/monitoring/{model}/", {"address": ADDRESS}).status_code == 403


def test_the_list_of_logins_shows_those_that_failed(console: Client) -> None:
    Client().post("/admin/login/", {"username": "mallory", "password": "x"}, REMOTE_ADDR=ADDRESS)

    page = console.get("/admin/monitoring/loginattempt/").content.decode()

    assert "mallory" in page
    assert ADDRESS in page
    assert "Refused" in page
    assert "audit.export" not in page
