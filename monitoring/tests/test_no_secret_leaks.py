"""A day of logging in: no password, code, token or secret is anywhere but where it belongs.

`threads/tests/test_no_key_leaks.py` does the same with an API key of a connection.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from projects.models import ApiToken
from projects.tests.test_accounts import code_of
from threadhub.tests.logged import everything_logged
from threads.models import SavedSearch
from threads.tests.test_no_key_leaks import database_text

PASSWORD, NEW_PASSWORD = "cAnArY-pass-1", "cAnArY-pass-2"
CLIENT_SECRET = "cAnArY-oidc-secret"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the console shows it."""
    with everything_logged(logging.INFO) as stream:
        yield stream


@pytest.mark.parametrize("debug", [False, True])
def test_it_shows_no_secret_of_accounts_in_a_days_work(  # noqa: PLR0915 - a day is long
    log: io.StringIO, settings: Settings, debug: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = debug
    settings.THREADHUB_OIDC_DISCOVERY_URL = "http://127.0.0.1:9"  # nobody answers there
    settings.THREADHUB_OIDC_CLIENT_ID = "threadhub"
    settings.THREADHUB_OIDC_CLIENT_SECRET = CLIENT_SECRET
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client, seen = Client(raise_request_exception=False), list[str]()

    def page(address: str, **posted: str) -> str:
        answer = client.post(address, posted) if posted else client.get(address)
        text = f"{answer.headers} {b''.join(answer).decode()}"
        seen.append(text)
        return text

    # Logging in, badly and well; the second factor is set up, and its secrets shown this once.
    page("/account/login/", login="root", password=f"{PASSWORD}x")
    page("/account/login/", login="root", password=PASSWORD)
    activate = "/account/second-factor/totp/activate/"
    secret = client.get(activate).context["form"].secret
    page(activate, code=code_of(secret))
    shown = client.get("/account/second-factor/recovery-codes/").content.decode()
    codes = re.findall(r"\b\d{8}\b", shown[shown.index("<textarea") : shown.index("</textarea")])
    client.post("/account/logout/")
    page("/account/login/", login="root", password=PASSWORD)
    page("/account/second-factor/authenticate/", code="000000")
    page("/account/second-factor/authenticate/", code=codes[0])
    change = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    page("/account/password/change/", oldpassword=f"{PASSWORD}x", **change)
    page("/account/password/change/", oldpassword=PASSWORD, **change)
    page("/account/password/reset/", email="root@example.org")
    _row, token = ApiToken.issue(
        root, name="robot", scopes=["read"], now=timezone.now(), life=timedelta(days=1)
    )
    client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    feed = SavedSearch.objects.create(
        owner=root, name="x", query="x", feed_token=SavedSearch.new_token()
    )
    client.get(reverse("threads:feed", args=[feed.feed_token]))
    call_command("rotate_keys")
    page("/account/oidc/sso/login/", process="login")

    # Something of ours breaks with a password in its hands.
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("cannot log anybody in")

    with monkeypatch.context() as patched:
        patched.setattr("projects.accounts.adapters.AccountAdapter.pre_authenticate", broken)
        page("/account/reauthenticate/", password=NEW_PASSWORD)
        Client(raise_request_exception=False).post(
            "/account/login/", {"login": "root", "password": NEW_PASSWORD}
        )

    # People look at everything.
    addresses = [reverse(f"admin:{name}_changelist") for name in ("auth_user", "projects_apitoken")]
    addresses += [reverse("admin:monitoring_auditevent_changelist"), reverse("admin:index")]
    addresses += [
        reverse(f"admin:auth_user_{view}", args=[root.pk])
        for view in ("change", "history", "delete")
    ]
    addresses += [reverse("admin:monitoring_auditevent_download"), "/readyz", "/metrics"]
    addresses += [f"/account/{name}" for name in ("", "second-factor/", "sessions/", "tokens/")]
    addresses += ["/api/v1/me", "/admin/threads/savedsearch/"]
    for address in addresses:
        page(address)

    assert len(codes) == 10
    assert Authenticator.objects.filter(type="totp").exists()
    link = re.search(r"/key/(\S+)/", str(mail.outbox[-1].body))
    assert link is not None
    secrets: dict[str, str] = {
        "a password": PASSWORD,
        "a new password": NEW_PASSWORD,
        "the app": secret,
    }
    secrets |= {"a recovery code": codes[1], "the provider's secret": CLIENT_SECRET}
    secrets |= {"a token": token, "a reset link": str(link[1])}
    places = {"pages": "\n".join(seen), "the log": log.getvalue(), "the database": database_text()}
    leaks = [
        (name, place)
        for name, secret in secrets.items()
        for place, text in places.items()
        if secret in text
    ]
    assert leaks == []
    assert str(feed.feed_token) not in places["the log"]
