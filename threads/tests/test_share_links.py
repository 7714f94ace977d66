"""Share links: one thread for whoever holds the link, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from monitoring.models import AuditEvent
from projects.models import Project
from threads.models import ShareLink, Thread
from threads.tests.factories import make_conversation, make_message, make_project

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("olga", is_staff=True)


@pytest.fixture
def thread(owner: User) -> Thread:
    project = make_project("Secret project", visibility=Project.Visibility.PRIVATE)
    project.owners.add(owner)
    return make_conversation(
        "Where is it?",
        "See [there](https://shop.example/x)",
        project=project,
        title="Parcel",
        remark="internal remark",
        metadata={"internal": "metadata"},
    )


def share(client: Client, thread: Thread, **fields: str) -> str:
    """Make a link as a signed-in owner; return its path."""
    fields = {"note": "Ms Lin", "days": "7"} | fields
    page = client.post(f"{thread.get_absolute_url()}share/", fields).content.decode()
    found = re.search(r"http://testserver(/shared/[\w-]+/)", page)
    assert found
    return found[1]


def test_it_shows_the_thread_and_nothing_else(client: Client, owner: User, thread: Thread) -> None:
    client.force_login(owner)
    path = share(client, thread)
    client.logout()

    answer = client.get(path)
    page = answer.content.decode()

    assert "Where is it?" in page
    assert 'href="https://shop.example/x"' in page
    for hidden in ("internal remark", "metadata", "Secret project", thread.external_id):
        assert hidden not in page
    links = set(re.findall(r'href="([^"#][^"]*)"', page))
    assert {link for link in links if not link.startswith("/static/")} == {"https://shop.example/x"}
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "no-store" in answer["Cache-Control"]
    assert client.get(thread.get_absolute_url()).status_code == 404


def test_it_keeps_only_a_hash_and_shows_the_link_once(
    client: Client, owner: User, thread: Thread
) -> None:
    client.force_login(owner)
    secret = share(client, thread).split("/")[2]

    link = ShareLink.objects.get()

    assert secret not in str(vars(link))
    again = client.get(f"{thread.get_absolute_url()}share/").content.decode()
    assert "Ms Lin" in again
    assert secret not in again


def test_it_stops_when_revoked_or_expired(client: Client, owner: User, thread: Thread) -> None:
    client.force_login(owner)
    revoked, expired = share(client, thread), share(client, thread)
    first, last = ShareLink.objects.order_by("pk")

    answer = client.post(f"{thread.get_absolute_url()}share/{first.pk}/revoke/")
    ShareLink.objects.filter(pk=last.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert answer.status_code == 302
    assert client.get(revoked).status_code == 404
    assert client.get(expired).status_code == 404
    assert client.get("/shared/made-up/").status_code == 404


@pytest.mark.parametrize("loss", ["rights", "account", "trash"])
def test_it_gives_no_more_than_its_maker_may_give(
    client: Client, owner: User, thread: Thread, loss: str
) -> None:
    client.force_login(owner)
    path = share(client, thread)
    assert client.get(path).status_code == 200

    if loss == "rights":
        thread.project.owners.remove(owner)
    elif loss == "account":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    else:
        Thread.objects.filter(pk=thread.pk).update(trashed_at=timezone.now())

    assert client.get(path).status_code == 404


def test_it_is_made_and_revoked_only_by_those_who_manage_the_thread(
    client: Client, owner: User, thread: Thread
) -> None:
    client.force_login(owner)
    share(client, thread)
    link = ShareLink.objects.get()
    member = User.objects.create_user("mia")
    thread.project.members.add(member)
    thread.project.visibility = Project.Visibility.MEMBERS
    thread.project.save()
    address = f"{thread.get_absolute_url()}share/"

    client.force_login(member)

    assert client.get(thread.get_absolute_url()).status_code == 200
    assert address not in client.get(thread.get_absolute_url()).content.decode()
    assert client.get(address).status_code == 404
    assert client.post(address, {"days": "7"}).status_code == 404
    assert client.post(f"{address}{link.pk}/revoke/").status_code == 404
    client.force_login(owner)
    assert address in client.get(thread.get_absolute_url()).content.decode()


def test_it_is_on_the_audit_log_from_the_first_to_the_last(
    client: Client, owner: User, thread: Thread
) -> None:
    client.force_login(owner)
    path = share(client, thread)
    client.logout()
    client.get(path)
    client.get(path, {"page": "1"})
    client.force_login(owner)
    link = ShareLink.objects.get()
    client.post(f"{thread.get_absolute_url()}share/{link.pk}/revoke/")

    events = AuditEvent.objects.filter(action__startswith="thread.").order_by("pk")

    assert [event.action for event in events] == ["thread.share", "thread.read", "thread.unshare"]
    assert events[1].details["via"] == "share link"
    assert path.split("/")[2] not in str(list(events.values()))
    assert link.opened_count == 1


def test_it_pages_a_long_thread(client: Client, owner: User, thread: Thread) -> None:
    make_message(thread, "the last word", position=450)
    client.force_login(owner)
    path = share(client, thread)

    assert "Part 1 of 3" in client.get(path).content.decode()
    assert "the last word" in client.get(path, {"page": "3"}).content.decode()


def test_it_refuses_a_life_that_is_no_choice(client: Client, owner: User, thread: Thread) -> None:
    client.force_login(owner)

    answer = client.post(f"{thread.get_absolute_url()}share/", {"days": "9999"})

    assert answer.status_code == 400
    assert not ShareLink.objects.exists()
