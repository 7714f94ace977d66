"""Logging in: passwords, second factors, their limits, and how long a session lasts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from monitoring.models import AuditEvent
from projects.accounts import second_factor
from projects.hashers import WerkzeugPasswordHasher
from projects.models import SiteSettings

PASSWORD = "correct horse battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", "ada@example.org", PASSWORD)


def log_in(client: Client, password: str = PASSWORD, **more: Any) -> Any:
    form = {"login": "ada", "password": password} | more
    return client.post("/account/login/", form)


def code_of(secret: str, *, steps_ahead: int = 0) -> str:
    """Return what an app shows now, or some half minutes from now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps_ahead)))


def give_app(user: User) -> list[str]:
    """Set an app up; return the recovery codes."""
    Authenticator.objects.create(
        user=user, type="totp", data={"secret": second_factor.seal(SECRET)}
    )
    kept = Authenticator.objects.create(
        user=user,
        type="recovery_codes",
        data={"seed": second_factor.seal("ab" * 40), "used_mask": 0},
    )
    codes: list[str] = kept.wrap().get_unused_codes()
    return codes


def is_logged_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def actions() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "outcome"))


def test_the_console_sends_people_to_the_login_and_takes_them_back(
    client: Client, ada: User
) -> None:
    first = client.get("/admin/threads/thread/?q=x", follow=True)
    after = log_in(client, next="/admin/threads/thread/?q=x")

    assert first.redirect_chain[-1][0].startswith("/account/login/?next=")
    assert after["Location"] == "/admin/threads/thread/?q=x"


def test_it_never_leads_to_another_site(client: Client, ada: User) -> None:
    assert log_in(client, next="https://evil.example/")["Location"] == "/"


def test_programs_log_in_at_the_admins_own_address(client: Client, ada: User) -> None:
    form = {"username": "ada", "password": PASSWORD, "next": "/admin/"}

    assert client.post("/admin/login/", form)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_whoever_may_not_open_the_console_is_told_so(client: Client) -> None:
    client.force_login(User.objects.create_user("bob"))

    answers = [client.get(address, follow=True) for address in ("/admin/", "/admin/login/")]

    assert [answer.status_code for answer in answers] == [403, 403]


def test_nobody_signs_up(client: Client) -> None:
    form = {"username": "eve", "email": "", "password1": PASSWORD, "password2": PASSWORD}

    client.post("/account/signup/", form)

    assert not User.objects.exists()


def test_switched_off_accounts_stay_out(client: Client, ada: User) -> None:
    User.objects.update(is_active=False)

    assert log_in(client).status_code == 200
    assert not is_logged_in(client)


def test_passwords_of_the_predecessor_log_in_and_are_hashed_anew(
    client: Client, ada: User, settings: Settings
) -> None:
    ada.password = WerkzeugPasswordHasher().encode(PASSWORD, "salt")
    ada.save()

    assert log_in(client).status_code == 302
    assert not User.objects.get().password.startswith("werkzeug")


def test_logins_are_on_the_audit_log(client: Client, ada: User) -> None:
    log_in(client, "wrong")
    log_in(client)
    client.post("/account/logout/")

    assert actions() == [("login", "refused"), ("login", "ok"), ("logout", "ok")]


def test_visitors_cost_no_query_more(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    SiteSettings(second_factor="staff").save()

    with django_assert_num_queries(0):  # neither accounts nor sessions are looked at
        assert client.get("/help/search/").status_code == 200


def test_members_and_staff_cost_two_queries(
    client: Client, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(ada)
    client.get("/help/search/")

    with django_assert_num_queries(2):  # the session and its account, as without second factors
        client.get("/help/search/")


def test_a_new_password_follows_the_rules_and_ends_other_sessions(ada: User) -> None:
    here, elsewhere = Client(), Client()
    log_in(here)
    log_in(elsewhere)
    address, new = "/account/password/change/", "a much longer password"

    refused = [
        here.post(address, {"oldpassword": PASSWORD, "password1": word, "password2": word})
        for word in ("short", "1234567890", "password123", "ada@example.org")
    ]
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    here.post(address, form)

    assert [answer.status_code for answer in refused] == [200, 200, 200, 200]
    assert User.objects.get().check_password(new)
    assert is_logged_in(here)
    assert not is_logged_in(elsewhere)
    assert ("account.password.changed", "ok") in actions()


def test_a_forgotten_password_is_mended_by_mail(client: Client, ada: User) -> None:
    client.post("/account/password/reset/", {"email": "ada@example.org"})
    client.post("/account/password/reset/", {"email": "nobody@example.org"})

    link = next(line for line in mail.outbox[0].body.split() if "/key/" in line)
    assert link.startswith("http://127.0.0.1:8000/account/")
    form_page = client.get(link.removeprefix("http://127.0.0.1:8000"))["Location"]
    new = "a much longer password"
    client.post(form_page, {"password1": new, "password2": new})
    assert User.objects.get().check_password(new)
    assert "sign up" not in mail.outbox[1].body


def test_an_address_that_was_changed_resets_no_password(client: Client, ada: User) -> None:
    client.post("/account/password/reset/", {"email": "ada@example.org"})
    User.objects.get().save()
    ada.email = "new@example.org"
    ada.save()

    client.post("/account/password/reset/", {"email": "ada@example.org"})

    assert "No account has this address" in mail.outbox[1].body


def test_no_mail_ends_on_the_terminal(
    client: Client, ada: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    client.post("/account/password/reset/", {"email": "ada@example.org"})

    assert "/key/" not in capsys.readouterr().out
    assert b"sends no mail" in client.get("/account/password/reset/").content


@pytest.mark.django_db(transaction=True)  # it is told of after the commit
def test_the_app_is_set_up_with_a_code_and_its_secret_is_sealed(client: Client, ada: User) -> None:
    log_in(client)
    address = "/account/second-factor/totp/activate/"
    secret = client.get(address).context["form"].secret

    client.post(address, {"code": code_of(secret)})

    kept = Authenticator.objects.get(type="totp").data["secret"]
    assert kept.startswith("th1$")
    assert second_factor.unseal(kept) == secret
    seed = Authenticator.objects.get(type="recovery_codes").data["seed"]
    assert seed.startswith("th1$")
    assert ("account.second_factor.added", "ok") in actions()


def test_the_password_alone_does_not_log_in_then(client: Client, ada: User) -> None:
    give_app(ada)

    asked = log_in(client, next="/admin/")

    assert asked["Location"].startswith("/account/second-factor/authenticate/")
    assert not is_logged_in(client)
    logged_in = client.post(asked["Location"], {"code": code_of(SECRET)})
    assert logged_in["Location"] == "/admin/"
    assert is_logged_in(client)


def test_a_code_and_a_recovery_code_work_once(ada: User) -> None:
    code = code_of(SECRET)
    recovery_code = give_app(ada)[0]
    again = []

    for given in (code, code, recovery_code, recovery_code):
        client = Client()
        log_in(client)
        client.post("/account/second-factor/authenticate/", {"code": given})
        again.append(is_logged_in(client))

    assert again == [True, False, True, False]


def test_wrong_codes_lock_the_account_like_wrong_passwords(ada: User) -> None:
    SiteSettings(rate_login_account="3/h", rate_login="100/h").save()
    give_app(ada)
    client = Client()
    log_in(client)
    address = "/account/second-factor/authenticate/"

    wrong = [client.post(address, {"code": "000000"}).status_code for _ in range(3)]

    assert wrong == [200, 200, 200]
    assert client.post(address, {"code": code_of(SECRET)}).status_code == 429
    assert log_in(Client()).status_code == 429
    refusals = AuditEvent.objects.filter(action="login", outcome="refused")
    assert [event.details["method"] for event in refusals] == ["totp"] * 3


@pytest.mark.parametrize(
    ("required", "person", "leads_to_set_up"),
    [
        ("optional", "administrator", False),
        ("administrators", "administrator", True),
        ("administrators", "owner", False),
        ("staff", "owner", True),
        ("staff", "member", False),
    ],
)
def test_people_are_led_to_set_one_up_where_it_is_required(
    client: Client, ada: User, required: str, person: str, leads_to_set_up: bool
) -> None:
    ada.is_superuser, ada.is_staff = person == "administrator", person != "member"
    ada.save()
    SiteSettings(second_factor=required).save()
    log_in(client)

    page, api = client.get("/saved/"), client.get("/api/v1/me")

    led = page.status_code == 302 and page["Location"].endswith("/totp/activate/")
    assert led is leads_to_set_up
    assert (api.status_code == 403) is leads_to_set_up
    assert client.get("/account/second-factor/totp/activate/").status_code == 200
    give_app(ada)
    assert client.get("/saved/").status_code == 200


def test_the_last_one_stays_while_it_is_required(client: Client, ada: User) -> None:
    give_app(ada)
    SiteSettings(second_factor="staff").save()
    asked = log_in(client)
    client.post(asked["Location"], {"code": code_of(SECRET)})

    client.post("/account/second-factor/totp/deactivate/")
    assert second_factor.factors_of(ada).count() == 1

    SiteSettings(second_factor="optional").save()
    client.post("/account/second-factor/totp/deactivate/")
    assert not Authenticator.objects.exists()  # recovery codes go with it


def test_a_lost_phone_is_helped_from_the_shell(
    client: Client, ada: User, capsys: pytest.CaptureFixture[str]
) -> None:
    give_app(ada)

    call_command("reset_second_factor", "ada")

    assert "1 second factor(s) taken off ada" in capsys.readouterr().out
    assert log_in(client)["Location"] == "/"
    with pytest.raises(CommandError, match="no account named bob"):
        call_command("reset_second_factor", "bob")


def test_a_lost_master_key_is_said_and_opens_nothing(
    client: Client, ada: User, settings: Settings
) -> None:
    codes = give_app(ada)
    settings.THREADHUB_ENCRYPTION_KEYS = "uUNtX3pZPTWkAO8ofEXFoEaxaaZ5BaxUo3gK7HOEZzM="
    log_in(client)

    page = client.post("/account/second-factor/authenticate/", {"code": codes[0]})

    assert page.status_code == 503
    assert "reset_second_factor" in page.content.decode()
    assert not is_logged_in(client)


def test_a_session_lasts_as_long_as_is_set_and_anew_for_who_stays(
    client: Client, ada: User
) -> None:
    SiteSettings(session_hours=2).save()
    before = timezone.now()
    log_in(client)
    ends_at = client.session.get_expiry_date()
    page = client.get("/").content.decode()

    SiteSettings(session_hours=5).save()
    answer = client.post("/account/stay/").json()

    assert timedelta(hours=2) <= ends_at - before < timedelta(hours=2, minutes=1)
    assert f'data-session-end="{ends_at.isoformat()[:13]}' in page
    assert client.session.get_expiry_date().isoformat() == answer["ends_at"]
    assert client.session.get_expiry_date() - ends_at > timedelta(hours=2, minutes=59)


def test_sessions_are_listed_and_end_one_by_one_or_all_at_once(ada: User) -> None:
    here, phone, desk = Client(HTTP_USER_AGENT="X Firefox/1 Windows"), Client(), Client()
    for client in (here, phone, desk):
        log_in(client)
    mallory = Client()
    mallory.force_login(User.objects.create_user("mallory"))
    _here, second, _desk = UserSession.objects.order_by("pk")

    listed = here.get("/account/sessions/").content.decode()
    stolen = mallory.post(f"/account/sessions/{second.pk}/end/")
    here.post(f"/account/sessions/{second.pk}/end/")

    assert "Firefox, Windows" in listed
    assert stolen.status_code == 404
    assert [is_logged_in(client) for client in (here, phone, desk)] == [True, False, True]
    here.post("/account/sessions/")
    assert [is_logged_in(client) for client in (here, desk)] == [True, False]
    here.post("/account/sessions/end/")
    assert not is_logged_in(here)
