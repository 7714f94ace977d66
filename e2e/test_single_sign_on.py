"""Logging in with OpenID Connect in a browser: button, provider, back again, by the whole way."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from playwright.sync_api import expect

from monitoring.models import AuditEvent
from projects.accounts import roles
from projects.accounts.roles import Role
from projects.tests.test_single_sign_on import SECRET, Provider

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"
NAME = "Acme login"


class ProviderWithPage(Provider):
    """Asks who comes, in a page of its own, and sends them back with a code."""

    def do_GET(self) -> None:  # noqa: N802
        asked = parse_qs(urlsplit(self.path).query)
        if not self.path.startswith("/authorize"):
            super().do_GET()
            return
        back = {"code": "c0de", "state": asked["state"][0]}
        link = f"{asked['redirect_uri'][0]}?{urlencode(back)}".replace("&", "&amp;")
        page = f'<title>Provider</title><a href="{link}">Go on as Ada</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.fixture
def provider(settings: Settings) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ProviderWithPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    settings.THREADHUB_OIDC_DISCOVERY_URL = address
    settings.THREADHUB_OIDC_CLIENT_ID = "threadhub"
    settings.THREADHUB_OIDC_CLIENT_SECRET = SECRET
    settings.THREADHUB_OIDC_NAME = NAME
    settings.THREADHUB_OIDC_NEWCOMERS = "owner"
    Provider.asked.clear()
    Provider.person = {"sub": "42", "preferred_username": "ada", "email": "ada@example.org"}
    yield address
    server.shutdown()
    server.server_close()


def go_through(page: Page, provider: str) -> None:
    expect(page).to_have_url(re.compile(re.escape(provider)))
    page.get_by_role("link", name="Go on as Ada").click()


def test_a_newcomer_comes_in_by_the_button_with_the_role_that_is_set(
    page: Page, live_server: LiveServer, provider: str, assert_accessible: Callable[[], None]
) -> None:
    page.goto(f"{live_server.url}/admin/")
    assert_accessible()
    page.get_by_role("button", name=NAME).click()
    go_through(page, provider)

    expect(page).to_have_url(f"{live_server.url}/admin/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    ada = User.objects.get()
    assert (ada.username, ada.email, roles.of(ada)) == ("ada", "ada@example.org", Role.OWNER)
    assert SocialAccount.objects.get().user == ada
    assert AuditEvent.objects.filter(action="login", outcome="ok", actor_name="ada").exists()


def test_an_account_is_connected_and_keeps_its_role(
    page: Page, live_server: LiveServer, provider: str
) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    page.goto(f"{live_server.url}/account/login/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{live_server.url}/account/sso/")
    page.get_by_role("button", name=NAME).click()
    go_through(page, provider)
    expect(page).to_have_url(re.compile("/account/sso/"))
    page.goto(f"{live_server.url}/account/logout/")
    page.locator("main").get_by_role("button", name="Sign Out").click()

    page.goto(f"{live_server.url}/account/login/")
    page.get_by_role("button", name=NAME).click()
    go_through(page, provider)

    page.goto(f"{live_server.url}/admin/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert SocialAccount.objects.get().user == root
    assert User.objects.count() == 1
    assert roles.of(User.objects.get()) is Role.ADMINISTRATOR


def test_who_is_refused_is_told_so(
    page: Page, live_server: LiveServer, provider: str, settings: Settings
) -> None:
    settings.THREADHUB_OIDC_NEWCOMERS = "refused"
    page.goto(f"{live_server.url}/account/login/")
    page.get_by_role("button", name=NAME).click()
    go_through(page, provider)

    expect(page.locator("main")).to_contain_text(re.compile("closed", re.IGNORECASE))
    assert not User.objects.exists()
