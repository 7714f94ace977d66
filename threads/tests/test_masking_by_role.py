"""Who reads addresses, numbers and keys in clear: by the site's rule and each project's own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.utils import timezone

from projects.masking import covered_for
from projects.models import Project, SiteSettings
from threads.exports import ExportOrder, make, select
from threads.models import MessageSource, Thread
from threads.tests.factories import make_conversation, make_project

pytestmark = pytest.mark.django_db

SECRET = "eve@example.com"


@pytest.fixture
def thread() -> Thread:
    project = make_project("Open", visibility="public")
    made = make_conversation(
        f"umbrella for {SECRET}",
        "tool",
        project=project,
        title=f"Talk with {SECRET}",
        remark=f"call {SECRET}",
        end_user=SECRET,
        metadata={SECRET: [f"account {SECRET}"]},
        item_count=2,
    )
    for message in made.messages.all():
        MessageSource.objects.create(
            message=message,
            raw=json.dumps({"text": f"raw {SECRET}"}),
            parts=[{"kind": "text", "text": message.text}],
        )
    return made


def site(rule: str) -> None:
    SiteSettings(masking=rule).save()


def client_of(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def member(project: Project, name: str = "mia") -> User:
    user = User.objects.create_user(name)
    project.members.add(user)
    return user


def owner(project: Project) -> User:
    user = User.objects.create_user("olivia", is_staff=True)
    project.owners.add(user)
    return user


def everything_seen(client: Client, thread: Thread) -> dict[str, str]:
    """Return what a reader gets of a thread by every address."""
    base, api = thread.get_absolute_url(), f"/api/v1/threads/{thread.short_id}"
    addresses = {
        "page": base,
        "marked page": f"{base}?q=umbrella",
        "print": f"{base}print/",
        "source": f"{base}messages/1/source/",
        "results": "/?q=umbrella",
        "api thread": api,
        "api messages": f"{api}/messages",
        "api search": "/api/v1/threads?q=umbrella",
        "suggestions": "/suggest/?q=user:eve",
        "api suggestions": "/api/v1/suggestions?q=user:eve",
    }
    seen = {}
    for name, address in addresses.items():
        answer = client.get(address)
        seen[name] = answer.content.decode() if answer.status_code == 200 else ""
    return seen


def leaks(seen: dict[str, str]) -> set[str]:
    return {name for name, text in seen.items() if SECRET in text}


def test_it_masks_nothing_unless_somebody_says_so(thread: Thread) -> None:
    assert {"page", "results", "api messages"} <= leaks(everything_seen(client_of(None), thread))


def test_it_masks_for_visitors_everywhere(thread: Thread) -> None:
    site("visitors")

    seen = everything_seen(client_of(None), thread)
    of_member = everything_seen(client_of(member(thread.project)), thread)

    assert leaks(seen) == set()
    for name in ("page", "results", "print", "api thread", "api messages", "api search"):
        assert "[e-mail]" in seen[name], name
    assert "<mark>umbrella</mark>" in seen["api search"].replace("\\u003C", "<")
    assert {"page", "results", "api messages"} <= leaks(of_member)


def test_it_masks_for_all_who_do_not_manage_the_project(thread: Thread) -> None:
    site("readers")

    assert leaks(everything_seen(client_of(member(thread.project)), thread)) == set()
    assert "page" in leaks(everything_seen(client_of(owner(thread.project)), thread))
    root = User.objects.create_superuser("root")
    assert "api messages" in leaks(everything_seen(client_of(root), thread))


@pytest.mark.parametrize(
    ("of_site", "of_project", "visitor", "reader"),
    [
        ("nobody", "", False, False),
        ("nobody", "visitors", True, False),
        ("nobody", "readers", True, True),
        ("visitors", "", True, False),
        ("visitors", "readers", True, True),
        ("readers", "visitors", True, True),  # a project asks for more, not for less
    ],
)
def test_it_lets_the_stricter_rule_hold(
    thread: Thread, of_site: str, of_project: str, visitor: bool, reader: bool
) -> None:
    project = thread.project
    user, manager = member(project), owner(project)
    site(of_site)
    project.masking = of_project
    project.save()

    assert (project.pk in covered_for(AnonymousUser())) is visitor
    assert (project.pk in covered_for(user)) is reader
    assert project.pk not in covered_for(manager)
    assert project.pk not in covered_for(None)


def test_it_holds_from_the_moment_it_is_saved(thread: Thread) -> None:
    client = client_of(None)
    before = SECRET in client.get(thread.get_absolute_url()).content.decode()
    thread.project.masking = "visitors"
    thread.project.save()
    between = SECRET in client.get(thread.get_absolute_url()).content.decode()
    thread.project.masking = ""
    thread.project.save()

    assert (before, between) == (True, False)
    assert SECRET in client.get(thread.get_absolute_url()).content.decode()


@pytest.mark.parametrize("form", ["jsonl", "md", "html", "csv", "xlsx"])
def test_it_masks_exports_whatever_was_ticked(thread: Thread, form: str, tmp_path: Path) -> None:
    site("readers")
    user = member(thread.project)
    order = ExportOrder(form=form, thread_ids=(thread.short_id,), masked=False)
    within = Project.objects.visible_to(user)
    selected = select(order, within=within, now=timezone.now(), allow_scans=True)

    make(order, tmp_path / "file", selected, by=user, now=timezone.now())

    content = (tmp_path / "file").read_bytes()
    if form == "xlsx":
        with zipfile.ZipFile(tmp_path / "file") as book:
            content = b"".join(book.read(name) for name in book.namelist())
    assert SECRET.encode() not in content
    assert b"[e-mail]" in content


def test_it_changes_nothing_that_is_kept(thread: Thread) -> None:
    site("visitors")

    everything_seen(client_of(None), thread)

    thread.refresh_from_db()
    assert thread.end_user == SECRET
    assert SECRET in thread.messages.get(position=1).text
