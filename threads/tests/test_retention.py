"""Nothing is deleted before its time, and nothing at all while it is on legal hold."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import AuditEvent
from monitoring.tasks import prune_expired
from projects.models import SiteSettings
from threads import actions
from threads.archive import deletion
from threads.models import Message, MessageSource, Thread
from threads.search import setup
from threads.tasks import refresh_due_threads
from threads.tests.factories import make_conversation, make_project, make_thread

pytestmark = pytest.mark.django_db


def days_ago(days: int) -> object:
    return timezone.now() - timedelta(days=days)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("prune", *arguments, stdout=out)
    return out.getvalue()


def kept() -> set[str]:
    return set(Thread.objects.values_list("external_id", flat=True))


def test_it_deletes_what_was_silent_for_longer_than_its_project_says() -> None:
    short, forever = make_project("Short", retention_days=30), make_project("Forever")
    make_thread(short, external_id="old", last_message_timestamp=days_ago(31))
    make_thread(short, external_id="young", last_message_timestamp=days_ago(29))
    make_thread(short, external_id="empty and old", created_at=days_ago(31))
    make_thread(short, external_id="undated", created_at=None)
    make_thread(forever, external_id="older", last_message_timestamp=days_ago(9_999))

    run()

    assert kept() == {"young", "undated", "older"}


def test_it_empties_the_trash_after_thirty_days() -> None:
    make_thread(external_id="old", trashed_at=days_ago(31))
    make_thread(external_id="young", trashed_at=days_ago(29))

    run()

    assert kept() == {"young"}


def test_it_keeps_what_is_on_legal_hold() -> None:
    held = make_project("Held", retention_days=1, is_held=True)
    free = make_project("Free", retention_days=1)
    make_thread(held, external_id="by its project", last_message_timestamp=days_ago(9))
    make_thread(free, external_id="itself", last_message_timestamp=days_ago(9), is_held=True)
    make_thread(held, external_id="in the trash", trashed_at=days_ago(99))
    make_thread(free, external_id="free", last_message_timestamp=days_ago(9))

    said = run()

    assert kept() == {"by its project", "itself", "in the trash"}
    assert "free: 1 thread(s)" in said
    assert "1 on legal hold stay" in said
    assert "held: 0 thread(s)" in said


def test_it_sees_a_hold_that_comes_while_it_deletes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "MESSAGES", 2)
    project = make_project(retention_days=1)
    thread = make_conversation(*"abcdefg", project=project, last_message_timestamp=days_ago(9))

    def hold_at_once(_deleted: deletion.Deleted) -> bool:
        Thread.objects.filter(pk=thread.pk).update(is_held=True)
        return True

    deleted = deletion.delete_threads([thread.pk], now=timezone.now(), keep_going=hold_at_once)

    assert (deleted.threads, deleted.messages, deleted.held) == (0, 2, 1)
    assert thread.messages.count() == 5


def test_it_counts_first_and_changes_nothing() -> None:
    project = make_project("Support", retention_days=1)
    make_thread(project, last_message_timestamp=days_ago(9), item_count=7)

    said = run("--dry-run")

    assert "support: 1 thread(s) with 7 message(s) (1 silent" in said
    assert "Nothing was deleted: 1 would be." in said
    assert Thread.objects.count() == 1
    assert not AuditEvent.objects.exists()


def test_it_takes_messages_sources_and_index_along() -> None:
    project = make_project(retention_days=1)
    thread = make_conversation("wombat", "otter", project=project)
    MessageSource.objects.create(message=thread.messages.get(position=1), raw="{}")
    other = make_conversation("badger", project=make_project("Kept"))

    run()

    assert list(Message.objects.values_list("thread_id", flat=True)) == [other.pk]
    assert not MessageSource.objects.exists()
    assert setup.problems() == []


def test_it_goes_on_after_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "MESSAGES", 2)
    project = make_project(retention_days=1)
    make_conversation(*"abcdefg", project=project, last_message_timestamp=days_ago(9))
    answers = iter([True, True, False])

    first = actions.prune_threads(now=timezone.now(), keep_going=lambda: next(answers))
    shown = Thread.objects.visible_to(None).count()
    second = actions.prune_threads(now=timezone.now())

    assert (first.threads, first.messages) == (0, 4)
    assert shown == 0  # half a thread is in the trash
    assert (second.threads, second.messages) == (1, 3)
    assert setup.problems() == []


def test_it_says_in_the_audit_log_what_went_by_itself() -> None:
    project = make_project(retention_days=30)
    make_conversation("a", "b", project=project, last_message_timestamp=days_ago(31))

    said = prune_expired()

    event = AuditEvent.objects.get(action="threads.prune")
    assert (event.actor_name, event.project_id) == ("system", project.pk)
    assert event.details == {"threads": 1, "messages": 2, "retention_days": 30}
    assert "removed 1 threads" in said


def test_it_keeps_the_trash_as_long_as_the_settings_say() -> None:
    SiteSettings(keep_trash_days=2).save()
    make_thread(external_id="old", trashed_at=days_ago(3))
    make_thread(external_id="young", trashed_at=days_ago(1))

    run()

    assert kept() == {"young"}


def test_it_shows_beforehand_what_would_go_also_by_a_rule_that_is_only_tried() -> None:
    own = make_project("Own", retention_days=30)
    make_thread(own, title="Forgotten talk", last_message_timestamp=days_ago(40))
    make_thread(own, title="Young talk", last_message_timestamp=days_ago(20))
    make_thread(make_project("Secret heron", retention_days=1), last_message_timestamp=days_ago(99))
    user = User.objects.create_user("olivia", is_staff=True)
    own.owners.add(user)
    client = Client()
    client.force_login(user)
    address = reverse("admin:threads_thread_retention")

    shown = client.get(address).content.decode()
    tried = client.get(address, {"project": own.pk, "days": 10}).content.decode()

    assert "Forgotten talk" in shown
    assert "Young talk" not in shown
    assert "Young talk" in tried
    assert "Secret heron" not in shown + tried
    own.refresh_from_db()
    assert own.retention_days == 30
    assert Thread.objects.count() == 3


def test_it_stops_smart_refresh_for_the_whole_site() -> None:
    SiteSettings(refreshes_automatically=False).save()

    assert "switched off in the settings" in refresh_due_threads()
