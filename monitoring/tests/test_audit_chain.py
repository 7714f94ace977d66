"""The audit log is only added to, and tells when somebody went around that."""

from __future__ import annotations

import csv
import io
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from monitoring import chain
from monitoring.models import AppendOnly, AuditEvent
from projects.models import Project
from threadhub.lib import audit
from threads.models import Thread

pytestmark = pytest.mark.django_db


def record(count: int = 3) -> list[AuditEvent]:
    for number in range(count):
        audit.record(action="test.step", number=number, word="ü")
    return list(AuditEvent.objects.order_by("pk"))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def change(event: AuditEvent, **columns: object) -> None:
    """Change a row as somebody with the database in their hands would."""
    AuditEvent._base_manager.filter(pk=event.pk).update(**columns)


def test_it_finds_an_untouched_log_in_order() -> None:
    last = record(3)[-1]

    said = run()

    assert said.startswith("3 row(s), all as they were written.")
    assert last.row_hash in said


@pytest.mark.parametrize(
    "column", ["actor_name", "action", "details", "at", "outcome", "project_id", "ip"]
)
def test_it_names_a_row_that_was_changed(column: str) -> None:
    event = record(3)[1]
    value = {"details": {"number": 9}, "at": event.at + timedelta(seconds=1), "project_id": 7}
    change(event, **{column: value.get(column, "x")})

    with pytest.raises(CommandError, match=rf"row {event.pk}: it was changed") as caught:
        run()

    assert caught.value.returncode == 1


def test_it_names_the_row_after_one_that_was_removed() -> None:
    events = record(3)
    AuditEvent._base_manager.filter(pk=events[1].pk).delete()

    with pytest.raises(CommandError, match=f"row {events[2].pk}: a row before it"):
        run()


def test_it_notices_a_row_that_was_hashed_anew() -> None:
    events = record(3)
    events[1].action = "test.forged"
    change(events[1], action="test.forged", row_hash=chain.row_hash(events[1]))

    with pytest.raises(CommandError, match=f"row {events[2].pk}"):
        run()


def test_it_misses_rows_cut_off_at_the_end_when_their_hash_was_noted() -> None:
    events = record(3)
    noted = events[-1].row_hash
    assert run("--expect", noted)
    AuditEvent._base_manager.filter(pk=events[-1].pk).delete()

    with pytest.raises(CommandError, match="rows at its end were removed"):
        run("--expect", noted)


def test_it_refuses_to_change_or_delete_rows() -> None:
    event = record(1)[0]
    event.action = "test.forged"

    with pytest.raises(AppendOnly):
        event.save()
    with pytest.raises(AppendOnly):
        event.delete()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.update(action="test.forged")
    with pytest.raises(AppendOnly):
        AuditEvent.objects.all().delete()

    assert run()


def test_it_outlives_the_account() -> None:
    user = User.objects.create_user("olivia")
    audit.record(action="test.step", actor=user)

    user.delete()

    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name) == (None, "olivia")
    assert run()


def test_it_keeps_neither_secrets_nor_what_no_database_takes() -> None:
    audit.record(action="search", query="who leaked sk-proj-0123456789abcdef \x00\ud800?")

    (event,) = AuditEvent.objects.all()

    assert event.details["query"] == "who leaked [secret] \ufffd??"
    assert run()


def test_it_is_cheap_to_write(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    record(1)
    expected = 3 if connection.vendor == "postgresql" else 2

    # The last hash and the new row (and PostgreSQL's lock).
    with django_assert_num_queries(expected):
        chain.append(AuditEvent(actor_name="x", action="test.step"))


@pytest.mark.django_db(transaction=True)
def test_it_is_one_chain_when_many_write_at_once() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Threads cannot share SQLite's memory; the whole suite runs on PostgreSQL too.")

    def write() -> None:
        record(10)
        connection.close()

    writers = [threading.Thread(target=write) for _number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert chain.verify().count == 60
    assert chain.verify().broken_id is None


def test_it_notes_who_read_what_is_not_public_once() -> None:
    client, user = Client(), User.objects.create_superuser("root")
    client.force_login(user)
    private = Project.objects.create(name="Private", slug="private", visibility="private")
    public = Project.objects.create(name="Public", slug="public", visibility="public")
    secret = Thread.objects.create(project=private, external_id="a", store="import")
    known = Thread.objects.create(project=public, external_id="b", store="import")
    for thread in (secret, secret, known):
        client.get(thread.get_absolute_url(), REMOTE_ADDR="192.0.2.7")
    client.get(reverse("admin:threads_thread_change", args=[secret.pk]))

    (event,) = AuditEvent.objects.filter(action="thread.read")

    assert (event.actor_name, event.target_id) == ("root", str(secret.pk))
    assert (event.project_id, event.ip) == (private.pk, "192.0.2.7")


def test_it_notes_searches_of_accounts_and_of_no_visitor() -> None:
    visitor, client = Client(), Client()
    client.force_login(User.objects.create_user("olivia"))

    for one in (visitor, client):
        one.get("/", {"q": "wombat"})
        one.get("/api/v1/threads", {"q": "otter"})

    events = AuditEvent.objects.filter(action="search").order_by("pk")
    assert [(event.actor_name, event.details["query"]) for event in events] == [
        ("olivia", "wombat"),
        ("olivia", "otter"),
    ]
    assert events[0].details["threads"] == 0


def test_it_sends_the_log_as_a_spreadsheet_that_computes_nothing() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    audit.record(action="search", target="=HYPERLINK(1)")
    audit.record(action="other")

    answer = client.get(reverse("admin:monitoring_auditevent_download"), {"q": "search"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))

    assert [row["action"] for row in rows] == ["search"]
    assert rows[0]["target_label"] == "'=HYPERLINK(1)"
    assert AuditEvent.objects.filter(action="audit.export", actor_name="root").exists()


def test_it_shows_to_the_second_when_something_was_done() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    event = record(1)[-1]

    page = client.get(reverse("admin:monitoring_auditevent_changelist")).content.decode()

    assert f">{timezone.localtime(event.at):%Y-%m-%d %H:%M:%S}<" in page


def test_it_sends_the_log_to_nobody_else() -> None:
    client = Client()
    client.force_login(User.objects.create_user("olivia", is_staff=True))

    assert client.get(reverse("admin:monitoring_auditevent_download")).status_code == 403
