"""The commands that people script: their exit statuses, their sentences, what they change."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from projects.models import Connection, Project
from threads import actions
from threads.models import Message, SyncRun, Thread
from threads.tests.factories import make_connection, make_project, make_thread
from threads.tests.openai_server import KEY, OpenAIServer, text_item

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def manage(*arguments: Any) -> tuple[str, str]:
    """Run a command; return what it wrote to standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_adds_a_project_and_changes_it_the_second_time() -> None:
    User.objects.create_user("ann")

    slug, _ = manage("add_project", "Support desk", "--visibility", "public", "--owner", "ann")
    again, _ = manage("add_project", "Support desk", "--tag", "vip", "--visibility", "private")

    project = Project.objects.get()
    assert slug == again == "support-desk\n"
    assert project.visibility == "private"
    assert [user.username for user in project.owners.all()] == ["ann"]
    assert [tag.name for tag in project.tags.all()] == ["vip"]


def test_it_names_the_owner_that_does_not_exist() -> None:
    with pytest.raises(CommandError, match="no user 'nobody'"):
        manage("add_project", "Support", "--owner", "nobody")

    assert not Project.objects.exists()


def add_connection(monkeypatch: pytest.MonkeyPatch, key: str, *arguments: str) -> tuple[str, str]:
    monkeypatch.setenv("SOME_KEY", key)
    store = ("--store", "conversations", "--api-key-env", "SOME_KEY")
    return manage("add_connection", "support", *store, *arguments)


def test_it_adds_a_connection_and_tests_it(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project()

    out, err = add_connection(monkeypatch, KEY, "--base-url", server.url)

    connection = Connection.objects.get()
    assert connection.state == Connection.State.WORKING
    assert connection.open_key() == KEY
    assert "work" in out
    assert KEY not in out + err + connection.sealed_key


def test_it_keeps_a_connection_whose_key_is_refused_and_fails(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project()

    with pytest.raises(CommandError, match="does not work") as raised:
        add_connection(monkeypatch, "sk-wrong-wrong-wrong", "--base-url", server.url)

    assert raised.value.returncode == 1
    assert "sk-wrong" not in str(raised.value)
    assert Connection.objects.get().state == Connection.State.DENIED


def test_it_reads_the_key_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    make_project()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\n"))

    manage("add_connection", "support", "--store", "assistants", "--no-check")

    assert Connection.objects.get().open_key() == KEY


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--base-url", "ftp://x"], 2, "URL"),
        (["--azure-endpoint", "https://x.example"], 2, "version"),
        (["--calls-per-minute", "0"], 2, "calls"),
        (["--api-key-env", "NOT_SET"], 2, "NOT_SET"),
    ],
)
def test_it_refuses_a_connection_that_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, words: str
) -> None:
    make_project()

    with pytest.raises(CommandError, match=words) as raised:
        add_connection(monkeypatch, KEY, "--no-check", *arguments)

    assert raised.value.returncode == status
    assert not Connection.objects.exists()


def registered(server: OpenAIServer, *names: str) -> Connection:
    connection = make_connection(base_url=server.url)
    for name in names:
        server.add_conversation(name, [text_item(f"{name}_m", "user", "hello")])
    actions.add_thread_ids(connection.project, connection, names, by=None)
    return connection


def test_it_syncs_and_sums_up(server: OpenAIServer) -> None:
    registered(server, "conv_a", "conv_b")

    out, err = manage("sync_threads", "--project", "support")

    assert out.startswith("2 threads read, 2 new messages, 0 changed; 4 calls made, 0 avoided;")
    assert err == ""  # no bar where nobody looks
    assert SyncRun.objects.get().trigger == "command"


def test_it_syncs_one_thread_by_either_of_its_ids(server: OpenAIServer) -> None:
    registered(server, "conv_a", "conv_b")
    short_id = Thread.objects.get(external_id="conv_b").short_id

    manage("sync_threads", "--thread", "conv_a")
    read = set(Thread.objects.exclude(last_synced_at=None).values_list("external_id", flat=True))
    manage("sync_threads", "--thread", short_id)

    assert read == {"conv_a"}
    assert Message.objects.count() == 2


def test_it_stops_at_its_budget(server: OpenAIServer) -> None:
    registered(server, *(f"conv_{number}" for number in range(9)))

    out, _ = manage("sync_threads", "--budget", "5")
    first = server.count()
    finished = Thread.objects.filter(last_synced_at__isnull=False).count()
    manage("sync_threads")

    assert first == 5
    assert "5 calls made" in out
    # Two calls a thread, none of the first five again; and a look at those that were finished.
    assert server.count() == 18 + finished
    assert Message.objects.count() == 9


def test_it_reads_a_new_thread_by_its_id_at_the_store(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url)
    make_connection(connection.project, base_url=server.url, store="assistants")
    server.add_conversation("conv_new", [text_item("m1", "user", "hello")])
    slug = connection.project.slug

    out, _ = manage("sync_threads", "--project", slug, "--thread", "conv_new")

    assert "1 threads read, 1 new messages" in out
    assert Thread.objects.get().connection == connection
    with pytest.raises(CommandError, match="has 2 connections"):
        manage("sync_threads", "--project", slug, "--thread", "17")
    with pytest.raises(CommandError, match="There is no thread 'conv_other'"):
        manage("sync_threads", "--thread", "conv_other")


def test_it_fails_when_a_thread_could_not_be_read(server: OpenAIServer) -> None:
    registered(server, "conv_a")
    server.remove("/conversations/conv_a")

    with pytest.raises(CommandError, match="no such thread"):
        manage("sync_threads")


def test_it_tries_again_by_force_what_was_put_off(server: OpenAIServer) -> None:
    registered(server, "conv_a")
    Thread.objects.update(refresh_not_before=timezone.now() + timedelta(days=1))

    manage("sync_threads")
    before = server.count()
    manage("sync_threads", "--force")

    assert (before, server.count()) == (0, 2)


@pytest.mark.parametrize(
    "arguments", [["--project", "nothing"], ["--thread", "nothing"], ["--budget", "0"]]
)
def test_it_says_what_it_cannot_find(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        manage("sync_threads", *arguments)


def test_it_imports_files_and_reports(tmp_path: Path) -> None:
    make_project()
    path, report = tmp_path / "a.jsonl", tmp_path / "report.json"
    good = {"id": "t1", "messages": [{"role": "user", "content": "hi"}]}
    path.write_text(json.dumps(good) + "\n{\n")

    with pytest.raises(CommandError, match="1 lines were refused"):
        manage("import_threads", path, "--project", "support", "--report", report)

    (known,) = json.loads(report.read_text()).values()
    assert (known["threads_new"], known["messages_new"]) == (1, 1)
    assert known["problems"][0]["line"] == 2
    assert Thread.objects.get().external_id == "t1"


def test_it_rehearses_an_import(tmp_path: Path) -> None:
    make_project()
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}]}')

    out, _ = manage("import_threads", path, "--project", "support", "--dry-run")

    assert "1 would be new" in out
    assert not Thread.objects.exists()


def test_it_looks_at_all_files_before_the_first(tmp_path: Path) -> None:
    make_project()
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": []}')

    with pytest.raises(CommandError, match=r"missing\.jsonl cannot be read"):
        manage("import_threads", path, tmp_path / "missing.jsonl", "--project", "support")

    assert not Thread.objects.exists()


# Ids and the sample.


def test_it_registers_ids_and_says_what_became_of_each() -> None:
    connection = make_connection()
    project = connection.project
    other = make_connection(project)
    make_thread(project, connection=connection, external_id="known")
    make_thread(project, connection=other, external_id="elsewhere")
    make_thread(project, connection=None, external_id="from-a-file")

    added = actions.add_thread_ids(
        project,
        connection,
        ["new", " new ", "known", "elsewhere", "from-a-file", "no id!", "..", ""],
        by=None,
        remarks={"new": "look here"},
    )

    assert (added.added, added.known, added.adopted) == (["new"], ["known"], ["from-a-file"])
    assert set(added.refused) == {"elsewhere", "no id!", ".."}
    thread = Thread.objects.get(external_id="new")
    assert (thread.remark, thread.connection) == ("look here", connection)
    assert Thread.objects.get(external_id="from-a-file").connection == connection


def test_it_registers_no_ids_with_another_projects_connection() -> None:
    with pytest.raises(actions.Refused, match="another project"):
        actions.add_thread_ids(make_project("Other"), make_connection(), ["a"], by=None)


def test_it_loads_the_sample_once_and_removes_it() -> None:
    mine = make_thread()
    now = timezone.now()

    project = actions.load_sample(now=now)
    again = actions.load_sample()

    threads = Thread.objects.filter(project=project)
    newest = threads.order_by("-last_message_timestamp").first()
    assert again == project
    assert (project.visibility, project.is_sample) == ("public", True)
    assert threads.count() >= 100
    assert newest is not None
    assert newest.last_message_timestamp is not None
    assert 0 <= (now - newest.last_message_timestamp).total_seconds() < 86_400
    assert actions.remove_sample() >= 100
    assert list(Thread.objects.all()) == [mine]
