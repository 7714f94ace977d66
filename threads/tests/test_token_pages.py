"""People make and revoke their own API tokens; administrators revoke everybody's."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from monitoring.models import AuditEvent
from projects.models import ApiToken

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str = "ada") -> User:
    user = User.objects.create_user(name)
    client.force_login(user)
    return user


def make(client: Client, **changes: object) -> str:
    form = {"name": "nightly", "scopes": ["read", "export"], "days": "30"} | changes
    return client.post("/account/tokens/", form).content.decode()


def text_on(page: str) -> str:
    found = re.search(r"<code>(th_[\w-]{40,})</code>", page)
    assert found is not None
    return found[1]


def test_it_shows_a_new_token_once(client: Client) -> None:
    sign_in(client)

    text = text_on(make(client))
    later = client.get("/account/tokens/").content.decode()

    assert "nightly" in later
    assert text not in later
    token = ApiToken.objects.get()
    assert token.scopes == ["export", "read"]
    assert 29 <= (token.expires_at - timezone.now()).days <= 30
    event = AuditEvent.objects.get(action="apitoken.add")
    assert text not in str(event.details) + event.target_label


def test_it_works_until_it_is_revoked(client: Client) -> None:
    sign_in(client)
    headers = {"Authorization": f"Bearer {text_on(make(client))}"}

    before = Client().get("/api/v1/me", headers=headers)
    client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    after = Client().get("/api/v1/me", headers=headers)

    assert (before.status_code, after.status_code) == (200, 401)


def test_nobody_revokes_the_token_of_another(client: Client) -> None:
    sign_in(client)
    make(client)
    sign_in(client, "bob")

    response = client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")

    assert response.status_code == 404
    assert ApiToken.objects.get().revoked_at is None
    assert "nightly" not in client.get("/account/tokens/").content.decode()


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"days": 1}]
)
def test_it_makes_none_that_is_not_described(client: Client, changes: dict[str, object]) -> None:
    sign_in(client)

    page = make(client, **changes)

    assert 'role="alert"' in page
    assert not ApiToken.objects.exists()


def test_visitors_sign_in_first(client: Client) -> None:
    assert client.get("/account/tokens/")["Location"].startswith("/account/login/")


def test_administrators_revoke_every_token(client: Client) -> None:
    sign_in(client)
    make(client)
    token = ApiToken.objects.get()
    client.force_login(User.objects.create_superuser("eve"))

    page = client.get("/admin/projects/apitoken/").content.decode()
    client.post("/admin/projects/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert token.prefix in page
    assert token.revoked_at is not None
    assert AuditEvent.objects.filter(action="apitoken.revoke").count() == 1
    assert client.get("/admin/projects/apitoken/add/").status_code == 403
