"""The predecessor's database: everything comes along, once, from every version of its schema."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Model

from monitoring import chain
from monitoring.models import AuditEvent, CarriedOver, RequestBan, SystemMetric
from monitoring.predecessor import Report, carry_over
from monitoring.tests.predecessor_file import AT, PASSWORD, SECRET_KEY, build, rows
from projects.models import Connection, Project, Tag
from threadhub.lib import audit
from threads import archive
from threads.imports import UnreadableFile
from threads.models import Assistant, Bookmark, Message, SyncRun, Thread
from threads.sources import RemoteMessage, RemoteThread

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TABLES: list[type[Model]] = [
    *(User, Project, Tag, Connection, Thread, Message, Assistant, Bookmark, AuditEvent),
    *(SystemMetric, SyncRun, CarriedOver),
]
# What the versions had not yet, from the newest to the oldest.
REFRESH = [
    *("threads.last_synced_at", "threads.last_message_timestamp", "threads.stale_refresh_count"),
    *("threads.refresh_priority", "threads.message_count"),
]
TOKENS = ["threads.total_tokens", "sys_metrics.total_managed_tokens"]
BOOKMARKS = ["user_bookmarks"]
KEYS = ["projects.api_key_hash", "projects.version", "users.password_hint"]
ASSISTANTS = ["messages.assistant_id", "assistants"]
LOGS = ["refresh_history", "sys_metrics", "search_history", "ip_bans", "login_attempts"]
SCHEMAS = [
    [],
    BOOKMARKS,
    BOOKMARKS + TOKENS,
    BOOKMARKS + TOKENS + REFRESH,
    BOOKMARKS + TOKENS + REFRESH + KEYS,
    BOOKMARKS + TOKENS + REFRESH + KEYS + ASSISTANTS,
    BOOKMARKS + TOKENS + REFRESH + KEYS + ASSISTANTS + LOGS + ["audit_logs", "system_settings"],
    ["threads.remark", "threads.created_at", "messages.created_at", "users.email", "tags"],
    ["users", "project_owners", "project_tags", "projects.is_visible", "projects.api_key"],
]


def bring(path: Path, **options: Any) -> Report:
    given: dict[str, Any] = {"now": NOW, "secret_key": SECRET_KEY}
    return carry_over(path, **given | options)


def state() -> dict[str, list[dict[str, Any]]]:
    """Everything in the tables, to compare before and after."""
    return {
        table.__name__: list(table._default_manager.order_by("pk").values()) for table in TABLES
    }


def test_it_brings_everything(tmp_path: Path) -> None:
    bring(build(tmp_path / "app.db"))

    project = Project.objects.get(name="Support")
    assert project.visibility == Project.Visibility.PUBLIC
    assert [user.username for user in project.owners.all()] == ["李明"]
    assert [tag.name for tag in project.tags.all()] == ["urgent"]
    assert Project.objects.get(name="內部").visibility == Project.Visibility.PRIVATE
    keys = {each.project.name: each.open_key() for each in Connection.objects.all()}
    assert keys == {"Support": "sk-first-0123456789", "內部": "sk-plain-0123456789"}

    thread = Thread.objects.get(project=project, external_id="thread_a")
    assert thread.remark == "call back"
    # Written at 16:53:20 in UTC+8.
    assert thread.created_at == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert thread.connection == Connection.objects.get(project=project)
    said = list(thread.messages.order_by("position").values_list("role", "text"))
    assert said == [
        ("user", "Where is my parcel?"),
        ("assistant", "Here:"),
        ("user", "ok"),
        ("user", "ok"),
    ]
    picture = thread.messages.get(position=2)
    assert picture.created_at == datetime.fromtimestamp(AT + 5, UTC)
    assert picture.source.parts[1] == {"kind": "image", "text": "photo", "file_id": "file-Abc"}
    assert str(picture.assistant) == "Parcel helper"
    mark = Bookmark.objects.get()
    assert (mark.user.username, mark.thread.external_id) == ("李明", "thread_b")

    actions = AuditEvent.objects.filter(action="predecessor.login").order_by("at")
    assert [(e.actor_name, e.outcome, e.ip) for e in actions] == [
        ("ada", "ok", "192.0.2.7"),
        ("eve", "failed", ""),
    ]
    assert actions[0].at == datetime(2025, 10, 9, 2, 0, tzinfo=UTC)
    search = AuditEvent.objects.get(action="predecessor.search")
    assert search.details == {"query": "parcel", "matches": 3.0, "scanned": 40.0}
    metric = SystemMetric.objects.get()
    assert (metric.memory_used_bytes, metric.total_tokens) == (1_610_612_736, 12)
    run = SyncRun.objects.get()
    assert (run.threads_read, run.threads_changed, run.duration_seconds) == (2, 1, 12.5)
    ban = RequestBan.objects.get()
    assert (ban.network, ban.reason, ban.expires_at) == ("192.0.2.66", "guessing", None)


def test_what_it_brings_becomes_part_of_the_audit_logs_chain(tmp_path: Path) -> None:
    audit.record(action="before")

    bring(build(tmp_path / "app.db"))
    audit.record(action="after")

    assert AuditEvent.objects.get(action="predecessor.import").details["threads"] == 3
    verdict = chain.verify()
    assert (verdict.problem, verdict.count) == ("", AuditEvent.objects.count())
    assert verdict.count >= 6


def test_it_lets_people_in_with_their_old_passwords(tmp_path: Path) -> None:
    bring(build(tmp_path / "app.db"))

    administrator = authenticate(username="ada", password=PASSWORD)
    owner = authenticate(username="李明", password=PASSWORD)

    assert isinstance(administrator, User)
    assert isinstance(owner, User)
    assert administrator.is_superuser
    assert (owner.is_superuser, owner.is_staff) == (False, True)


@pytest.mark.parametrize("without", SCHEMAS, ids=lambda names: f"{len(names)} missing")
def test_it_takes_every_schema_once_and_rehearses_it_exactly(
    tmp_path: Path, without: list[str]
) -> None:
    path = build(tmp_path / "app.db", without=without)
    before = state()

    rehearsal = bring(path, is_dry_run=True)
    after_rehearsal = state()
    first = bring(path)
    after_first = state()
    again = bring(path, is_dry_run=True)
    second = bring(path)

    assert after_rehearsal == before
    assert rehearsal.counts == first.counts
    assert first.of("messages").new == 6
    assert (again.new_count, second.new_count) == (0, 0)
    assert state() == after_first
    for name in without:
        if name != "login_attempts" and "." not in name:
            assert name in first.notes[0]


def test_it_says_what_it_cannot_bring(tmp_path: Path) -> None:
    report = bring(build(tmp_path / "app.db"), secret_key="")

    notes = "\n".join(report.notes)
    assert "Support came without its API key (the SECRET_KEY of the old installation" in notes
    assert "refresh_days (3)" in notes
    assert "sk-global" not in notes
    support = Connection.objects.get(project__name="Support")
    assert (support.has_key, support.is_enabled) == (False, False)


@pytest.mark.parametrize(
    ("name", "value", "is_on"),
    [
        ("refresh_schedule", '{"enabled": false, "days": 3, "hour": 4}', False),
        ("refresh_schedule", '{"enabled": true, "days": 3}', True),
        ("auto_refresh_enabled", "false", False),
        ("auto_refresh_enabled", "0", False),
        ("auto_refresh_enabled", "off", False),
        ("refresh_schedule", "[[[", True),
        ("theme_enabled", "false", True),
    ],
)
def test_it_refreshes_by_itself_only_where_the_old_installation_did(
    tmp_path: Path, name: str, value: str, is_on: bool
) -> None:
    given = rows() | {"system_settings": [{"key": name, "value": value}]}
    path = build(tmp_path / "app.db", given)

    report = bring(path)
    again = bring(path)

    assert set(Connection.objects.values_list("is_refreshed", flat=True)) == {is_on}
    is_carried = "enabled" in name + value and not name.startswith("theme")
    assert report.of("settings").new == is_carried
    assert report.of("settings").left_out == (not is_carried)
    assert any("switched off in the connections" in note for note in report.notes) is not is_on
    assert again.new_count == 0


def test_it_keeps_out_whom_the_predecessor_kept_out(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db")
    with sqlite3.connect(path) as file:
        file.executemany(
            "INSERT INTO ip_bans VALUES (?, ?, ?)",
            [
                ("198.51.100.7", "for a while", int(NOW.timestamp()) + 60),
                ("198.51.100.8", "long ago", int(NOW.timestamp()) - 60),
                ("127.0.0.1", "a slip", -1),
                ("unknown", "", -1),
            ],
        )
    file.close()

    report = bring(path)
    RequestBan.objects.filter(network="192.0.2.66").update(lifted_at=NOW)
    again = bring(path)

    until = dict(RequestBan.objects.filter(lifted_at=None).values_list("network", "expires_at"))
    assert until == {"198.51.100.7": NOW + timedelta(seconds=60)}
    assert (report.of("bans").new, report.of("bans").left_out) == (2, 3)
    assert (again.of("bans").new, again.of("bans").known) == (0, 2)
    notes = "\n".join(report.notes)
    assert "The ban of 198.51.100.8 had ended" in notes
    assert "The ban of 127.0.0.1 is not carried over: This is the server's own" in notes
    assert "The ban of unknown is not carried over: it is no address." in notes


def test_it_says_that_the_secret_key_is_another_one(tmp_path: Path) -> None:
    report = bring(build(tmp_path / "app.db"), secret_key="something else")

    assert any("another SECRET_KEY" in note for note in report.notes)
    assert not Connection.objects.get(project__name="Support").has_key


def test_it_leaves_an_account_of_the_same_name_as_it_is(tmp_path: Path) -> None:
    here = User.objects.create_user("ada", password="my own password")

    report = bring(build(tmp_path / "app.db"))

    here.refresh_from_db()
    assert here.check_password("my own password")
    assert not here.is_superuser
    assert any("named ada was here already" in note for note in report.notes)


def test_it_does_not_mix_a_project_with_one_of_the_same_name(tmp_path: Path) -> None:
    ours = Project.objects.create(name="Support", slug="support")

    bring(build(tmp_path / "app.db"))

    assert not ours.threads.exists()
    assert Project.objects.filter(name="Support").count() == 2


def test_it_finds_what_it_brought_after_everything_was_renamed(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db")
    bring(path)
    Project.objects.filter(name="Support").update(name="Customers", slug="customers")
    User.objects.filter(username="ada").update(username="ada.lovelace")

    report = bring(path)

    assert report.new_count == 0


# A later sync.


def from_store(identity: str, role: str, text: str, at: int) -> RemoteMessage:
    return RemoteMessage(
        remote_id=identity,
        role=role,
        text=text,
        created_at=datetime.fromtimestamp(at, UTC),
        time_source="given",
        raw=json.dumps({"id": identity}),
    )


STORED = [
    from_store("msg_1", "user", "Where is  my parcel?", AT),
    from_store("msg_2", "assistant", "Here: look at the photo.", AT + 5),
    from_store("msg_3", "user", "ok", AT + 9),
    from_store("msg_4", "user", "ok", AT + 9),
    from_store("msg_5", "user", "One more thing", AT + 60),
]


def sync(thread: Thread) -> archive.Stored:
    return archive.store(
        STORED,
        project=thread.project,
        external_id=thread.external_id,
        remote=RemoteThread(thread.external_id),
        connection=thread.connection,
        now=NOW,
    )


def test_a_later_sync_recognises_the_messages(tmp_path: Path) -> None:
    bring(build(tmp_path / "app.db"))
    thread = Thread.objects.get(project__name="Support", external_id="thread_a")

    stored = sync(thread)

    assert (stored.messages_new, stored.messages_changed) == (1, 4)
    found = list(thread.messages.order_by("position").values_list("remote_id", "position"))
    assert found == [(f"msg_{number}", number) for number in range(1, 6)]
    assert not thread.messages.filter(edited_at__isnull=False).exists()
    thread.refresh_from_db()
    assert thread.message_count == 5


def test_an_import_after_the_sync_recognises_them_too(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db")
    bring(path)
    thread = Thread.objects.get(project__name="Support", external_id="thread_a")
    sync(thread)
    before = state()

    report = bring(path)

    assert report.new_count == 0
    assert state() == before


# Files that are none, or mean harm.


def test_it_refuses_other_files(tmp_path: Path) -> None:
    text = tmp_path / "app.db"
    text.write_text("hello")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER)")
    connection.close()

    for path in (text, other, tmp_path / "missing.db"):
        with pytest.raises(UnreadableFile):
            bring(path)


def test_it_reads_no_views(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db", without=["users"])
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIEW users AS SELECT 'u' AS id, 'root' AS username")
    connection.close()

    bring(path)

    assert not User.objects.exists()


def test_it_takes_odd_values_without_failing(tmp_path: Path) -> None:
    given = rows()
    given["users"][0] |= {"username": "", "created_at": "yesterday"}
    given["projects"][0] |= {"name": None, "api_key": "two words", "created_at": "x"}
    given["threads"][0] |= {"created_at": "not a time", "thread_id": None}
    given["threads"][1] |= {"thread_id": "x" * 300}
    given["messages"][4] |= {"role": None, "content": None, "created_at": 1e30}
    given["sys_metrics"][0] |= {"timestamp": None}
    given["audit_logs"][0] |= {"timestamp": "soon", "user_name": "n" * 500}
    given["refresh_history"][0] |= {"duration": -4, "log_json": "[[[", "total_scanned": "many"}
    path = build(tmp_path / "app.db", given)

    report = bring(path)

    assert report.of("threads").left_out == 2
    assert Message.objects.get().text == "Internal"


# The command.


def test_the_command_prints_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tmp_path / "app.db")
    monkeypatch.setenv("OLD_KEY", SECRET_KEY)
    out, err, report = StringIO(), StringIO(), tmp_path / "report.json"

    call_command(
        *("import_predecessor", str(path), "--secret-key-env", "OLD_KEY"),
        *("--report", str(report)),
        stdout=out,
        stderr=err,
    )

    assert "threads: 3 new, 0 here already" in out.getvalue()
    assert "bans: 1 new" in out.getvalue()
    assert "The setting refresh_days" in err.getvalue()
    assert json.loads(report.read_text("utf-8"))["counts"]["messages"]["new"] == 6
    assert SECRET_KEY not in out.getvalue() + err.getvalue() + report.read_text("utf-8")


def test_the_command_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    path = build(tmp_path / "app.db")

    with pytest.raises(CommandError, match="is empty"):
        call_command("import_predecessor", str(path), "--secret-key-env", "NO_SUCH_NAME")
    with pytest.raises(CommandError, match="time zone"):
        call_command("import_predecessor", str(path), "--time-zone", "Mars/Base")
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_predecessor", str(tmp_path / "no.db"))
