"""Single sign-on with OpenID Connect, against a provider on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.core import checks
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from projects.accounts import roles, second_factor
from projects.accounts.roles import Role
from projects.models import SiteSettings

SECRET = "cAnArY-client-secret"

pytestmark = pytest.mark.django_db


class Provider(BaseHTTPRequestHandler):
    """Answers as a provider does; `person` is who logs in there, `asked` what it was asked."""

    person: dict[str, Any] = {}
    asked: list[dict[str, list[str]]] = []

    def answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        base = f"http://{self.headers['Host']}"
        if self.path.endswith("/.well-known/openid-configuration"):
            self.answer(
                {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/authorize",
                    "token_endpoint": f"{base}/token",
                    "userinfo_endpoint": f"{base}/userinfo",
                    "jwks_uri": f"{base}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                }
            )
        else:
            self.answer(self.person)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append(parse_qs(self.rfile.read(length).decode()))
        self.answer({"access_token": "at", "token_type": "Bearer", "id_token": self.id_token()})

    def id_token(self) -> str:
        claims = {
            "iss": f"http://{self.headers['Host']}",
            "aud": "threadhub",
            "iat": 1,
            "exp": 2**40,
            **self.person,
        }
        parts = [{"alg": "RS256", "kid": "1"}, claims]
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
        return ".".join([*(part.rstrip("=") for part in coded), "c2ln"])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def provider(settings: Settings) -> Iterator[type[Provider]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.THREADHUB_OIDC_DISCOVERY_URL = f"http://127.0.0.1:{server.server_port}"
    settings.THREADHUB_OIDC_CLIENT_ID = "threadhub"
    settings.THREADHUB_OIDC_CLIENT_SECRET = SECRET
    Provider.asked.clear()
    Provider.person = {"sub": "42", "preferred_username": "ada", "email": "ada@example.org"}
    yield Provider
    server.shutdown()
    server.server_close()


def come_through(client: Client, code: str = "c0de") -> Any:
    """Log in at the provider and come back."""
    address = "/account/oidc/sso/login/"
    client.get(address)
    leaving = client.post(address)
    there = urlsplit(leaving.context["address"])
    state = parse_qs(there.query)["state"][0]
    return client.get(f"{address}callback/?code={code}&state={state}")


def test_it_is_off_unless_it_is_configured(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):  # no table is asked for providers
        page = client.get("/account/login/").content.decode()

    assert "Single sign-on" not in page
    assert client.get("/account/oidc/sso/login/").status_code == 404


def test_a_newcomer_gets_an_account_with_the_role_that_is_set(
    client: Client, provider: type[Provider], settings: Settings
) -> None:
    settings.THREADHUB_OIDC_NEWCOMERS = "owner"

    page = client.get("/account/login/").content.decode()
    came = come_through(client)

    assert "Single sign-on" in page
    # A form, so that no page in between has to ask whether the reader means it.
    assert '<form method="post" action="/account/oidc/sso/login/?process=login' in page
    assert came.status_code == 302
    ada = User.objects.get()
    assert (ada.username, ada.email, roles.of(ada)) == ("ada", "ada@example.org", Role.OWNER)
    assert not ada.has_usable_password()
    assert client.get("/account/").status_code == 200
    (asked,) = provider.asked
    assert asked["client_secret"] == [SECRET]
    assert "code_verifier" in asked
    assert not SocialToken.objects.exists()


def test_the_browser_is_sent_by_a_page_that_the_policy_allows(
    client: Client, provider: type[Provider]
) -> None:
    leaving = client.post("/account/oidc/sso/login/")

    assert leaving.status_code == 200  # a redirect of a form would be held to our own addresses
    assert SECRET not in leaving.content.decode()
    there = leaving.context["address"]
    assert there.startswith("http://127.0.0.1:")
    assert "code_challenge=" in there


def test_it_comes_back_to_the_same_account_whatever_it_is_called(
    provider: type[Provider],
) -> None:
    come_through(Client())
    provider.person |= {"preferred_username": "ada.l", "email": "ada.l@example.org"}
    client = Client()
    come_through(client)

    assert User.objects.count() == SocialAccount.objects.count() == 1
    assert client.get("/account/").status_code == 200


def test_an_address_alone_joins_no_account(client: Client, provider: type[Provider]) -> None:
    root = User.objects.create_superuser("root", "ada@example.org", "correct horse battery")

    come_through(client)

    assert not SocialAccount.objects.filter(user=root).exists()
    assert client.get("/admin/").status_code == 302


def test_nobody_new_comes_in_where_that_is_refused(
    client: Client, provider: type[Provider], settings: Settings
) -> None:
    settings.THREADHUB_OIDC_NEWCOMERS = "refused"

    come_through(client)

    assert not User.objects.exists()


def test_a_forged_answer_logs_nobody_in(client: Client, provider: type[Provider]) -> None:
    client.post("/account/oidc/sso/login/")

    came = client.get("/account/oidc/sso/login/callback/?code=c0de&state=forged")

    assert came.status_code in {401, 403}
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "person",
    [
        {},
        {"email": "ada@example.org"},
        {"sub": None},
        {"sub": ""},
        {"sub": "4" * 300},
        {"sub": "4\x002"},
        {"sub": ["42"]},
        {"sub": True},
    ],
)
def test_a_provider_that_does_not_say_who_it_is_logs_nobody_in(
    client: Client, provider: type[Provider], person: dict[str, Any]
) -> None:
    provider.person = person

    came = come_through(client)

    assert came.status_code == 401
    assert "Login Failure" in came.content.decode()
    assert not User.objects.exists()


def test_a_number_names_a_person_too(client: Client, provider: type[Provider]) -> None:
    provider.person |= {"sub": 42}

    come_through(client)

    assert SocialAccount.objects.get().uid == "42"


def test_the_provider_asks_for_the_second_factor(
    client: Client, provider: type[Provider], settings: Settings
) -> None:
    settings.THREADHUB_OIDC_NEWCOMERS = "owner"
    SiteSettings(second_factor="staff").save()

    come_through(client)

    assert not second_factor.is_missing(User.objects.get())
    assert client.get("/saved/").status_code == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"THREADHUB_OIDC_CLIENT_ID": "x"}, ["threadhub.W012"]),
        ({"THREADHUB_OIDC_NEWCOMERS": "administrator"}, ["threadhub.E013"]),
        ({}, []),
    ],
)
def test_half_a_configuration_is_said(
    settings: Settings, given: dict[str, str], expected: list[str]
) -> None:
    for name, value in given.items():
        setattr(settings, name, value)

    found = checks.run_checks(tags=[checks.Tags.security])

    assert [each.id for each in found if str(each.id) in {"threadhub.W012", "threadhub.E013"}] == (
        expected
    )
