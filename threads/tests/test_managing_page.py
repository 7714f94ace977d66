"""Those who manage a thread tag it, hold it and put it into the trash from its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from monitoring.models import AuditEvent
from projects.models import Project, Tag
from threads.models import Thread
from threads.tests.factories import make_conversation, make_project

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client: Client) -> User:
    owner = User.objects.create_user("olga", is_staff=True)
    client.force_login(owner)
    return owner


@pytest.fixture
def thread(owner: User) -> Thread:
    project = make_project("Shop")
    project.owners.add(owner)
    return make_conversation("Where is it?", project=project, title="Parcel")


def page_of(thread: Thread) -> str:
    return f"/threads/{thread.short_id}/manage/"


def post(client: Client, thread: Thread, change: str, tags: str = "") -> str:
    """Do it; return the page that follows."""
    response = client.post(page_of(thread), {"change": change, "tags": tags}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_it_puts_tags_on_and_takes_them_off(client: Client, thread: Thread) -> None:
    page = post(client, thread, "tag", "vip, late parcel")

    assert sorted(thread.tags.values_list("name", flat=True)) == ["late parcel", "vip"]
    assert 'name="tags" value="late parcel"' in page
    post(client, thread, "untag", "late parcel")
    assert list(thread.tags.values_list("name", flat=True)) == ["vip"]
    done = AuditEvent.objects.filter(action__startswith="thread.").order_by("pk")
    assert [event.action for event in done] == ["thread.tag", "thread.untag"]


def test_it_moves_to_the_trash_and_back(client: Client, thread: Thread) -> None:
    page = post(client, thread, "trash")

    assert "1 thread is in the trash." in page
    assert "deleted after 30 days" in page
    assert client.get(thread.get_absolute_url()).status_code == 404
    assert thread.get_absolute_url() + '"' not in page
    assert "1 thread is back." in post(client, thread, "restore")
    assert client.get(thread.get_absolute_url()).status_code == 200
    assert AuditEvent.objects.filter(action__in=["thread.trash", "thread.restore"]).count() == 2


def test_what_is_held_stays(client: Client, thread: Thread) -> None:
    assert "Release from legal hold" in post(client, thread, "hold")

    page = post(client, thread, "trash")

    assert "1 thread stays: it is on legal hold." in page
    thread.refresh_from_db()
    assert thread.trashed_at is None
    assert "Put on legal hold" in post(client, thread, "release")


def test_it_changes_nothing_when_it_is_read_or_asked_for_nonsense(
    client: Client, thread: Thread
) -> None:
    too_long = client.post(page_of(thread), {"change": "tag", "tags": "x" * 61})
    unknown = client.post(page_of(thread), {"change": "delete"})
    read = client.get(page_of(thread), {"change": "trash"})

    assert [too_long.status_code, unknown.status_code, read.status_code] == [400, 400, 200]
    assert "A tag has at most 60 characters." in too_long.content.decode()
    assert not Tag.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="thread.").exists()


def test_only_those_who_manage_a_thread_find_it_and_the_way_there(
    client: Client, thread: Thread
) -> None:
    member = User.objects.create_user("mia")
    thread.project.members.add(member)
    Project.objects.update(visibility=Project.Visibility.PRIVATE)
    assert page_of(thread) in client.get(thread.get_absolute_url()).content.decode()
    client.force_login(member)

    assert client.get(page_of(thread)).status_code == 404
    assert client.post(page_of(thread), {"change": "trash"}).status_code == 404
    assert page_of(thread) not in client.get(thread.get_absolute_url()).content.decode()
    client.logout()
    assert client.post(page_of(thread), {"change": "trash"}).status_code == 302
    thread.refresh_from_db()
    assert thread.trashed_at is None
