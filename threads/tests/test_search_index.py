"""The index follows the archive, whoever writes, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from projects.models import Tag
from threads.models import Assistant, Message, Thread
from threads.search import keys, setup
from threads.tests.factories import NOW, make_conversation, make_message, make_project, make_thread

pytestmark = pytest.mark.django_db


def _change_text(thread: Thread) -> None:
    message = thread.messages.get(position=1)
    message.text = "Changed café 退款 parseHttpResponse v3.1"
    message.save()


def _update_in_bulk(thread: Thread) -> None:
    Message.objects.filter(thread=thread).update(text="all the same", role="tool")


def _bulk_create(thread: Thread) -> None:
    Message.objects.bulk_create(
        Message(
            thread=thread,
            project_id=thread.project_id,
            position=100 + number,
            remote_id=f"bulk{number}",
            role="assistant",
            kind="tool_call" if number % 2 else "message",
            features=number,
            text=f"bulk {number}",
            search_key=key,
        )
        for number, key in enumerate(keys.allocate([NOW] * 20))
    )


def _move_to_other_project(thread: Thread) -> None:
    project = make_project("Other")
    thread.project = project
    thread.save()
    thread.messages.update(project=project)


def _move_key(thread: Thread) -> None:
    message = thread.messages.get(position=2)
    message.search_key += 100_000
    message.save()


def _trash(thread: Thread) -> None:
    thread.trashed_at = NOW
    thread.save(update_fields=["trashed_at"])


def _trash_write_restore(thread: Thread) -> None:
    _trash(thread)
    make_message(thread, "written while in the trash")
    thread.messages.filter(position=1).delete()
    thread.messages.filter(position=2).update(text="changed while in the trash")
    thread.trashed_at = None
    thread.save(update_fields=["trashed_at"])


def _delete_from_trash(thread: Thread) -> None:
    _trash(thread)
    thread.delete()


def _tag(thread: Thread) -> None:
    tag = Tag.objects.create(name="urgent")
    thread.tags.add(tag)
    tag.name = "calm"
    tag.save()
    other = make_thread(thread.project)
    other.tags.add(tag)
    tag.delete()


def _name_assistant(thread: Thread) -> None:
    assistant = Assistant.objects.create(project=thread.project, external_id="asst_1")
    thread.assistant = assistant
    thread.remark = "Look at this"
    thread.created_at = None
    thread.save()
    assistant.name = "Order desk"
    assistant.save()


def _delete_assistant(thread: Thread) -> None:
    _name_assistant(thread)
    Assistant.objects.all().delete()


@pytest.mark.parametrize(
    "change",
    [
        _change_text,
        _update_in_bulk,
        _bulk_create,
        _move_to_other_project,
        _move_key,
        _trash,
        _trash_write_restore,
        _delete_from_trash,
        _tag,
        _name_assistant,
        _delete_assistant,
        lambda thread: thread.messages.filter(position=1).delete(),
        lambda thread: thread.delete(),
        lambda thread: thread.project.delete(),
        lambda thread: Message.objects.all().delete(),
    ],
)
def test_it_agrees_with_the_archive_after(change: Callable[[Thread], object]) -> None:
    make_conversation("Where is my refund?", "On its way: 退款", title="Money back")
    thread = make_conversation("first words", "second wordsInCamelCase", title="Title")

    change(thread)

    assert setup.problems() == []


def test_it_follows_raw_deletes_of_threads_before_their_messages() -> None:
    thread = make_conversation("one", "two")
    trashed = make_conversation("three", "four", trashed_at=NOW)

    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for pk in (thread.pk, trashed.pk):
            cursor.execute("DELETE FROM threads_thread WHERE id = %s", [pk])
            cursor.execute("DELETE FROM threads_message WHERE thread_id = %s", [pk])

    assert setup.problems() == []


def test_it_changes_nothing_when_the_transaction_is_rolled_back() -> None:
    thread = make_conversation("kept")

    with transaction.atomic():
        make_message(thread, "never was")
        transaction.set_rollback(True)

    assert setup.problems() == []


def test_it_tells_when_index_and_archive_differ() -> None:
    make_conversation("Where is my refund?", title="Money back")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER search_message_update")
            cursor.execute("DROP TRIGGER search_thread_update")
        else:
            cursor.execute("DROP TRIGGER search_message_write ON threads_message")
            cursor.execute("DROP TRIGGER search_thread_write ON threads_thread")
    Message.objects.update(text="Something else")
    Thread.objects.update(title="Other")

    found = " ".join(setup.problems())

    assert "search_message" in found
    assert "search_thread" in found


def test_it_is_made_anew_beside_the_old_one() -> None:
    make_conversation("Where is my refund?", "On its way: 退款", title="Money back")
    make_conversation("in the trash", trashed_at=NOW)
    seen: list[int] = []

    def write_meanwhile(count: int) -> None:
        seen.append(count)
        thread = make_conversation("arrived while the index was made", title="New")
        thread.messages.update(text="and changed at once")
        Message.objects.filter(text__startswith="Where").delete()

    setup.rebuild(progress=write_meanwhile)

    assert seen[0] == 3
    assert setup.problems() == []
    make_conversation("after the swap")
    assert setup.problems() == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="FTS5 has these settings")
@pytest.mark.parametrize("is_new", [True, False])
def test_it_merges_what_is_written_as_usual_after_everything_was_indexed_at_once(
    monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    monkeypatch.setattr("threads.search.sqlite._BATCH", 1)
    monkeypatch.setattr("threads.search.sqlite._FIRST", 1)
    make_conversation("Where is my refund?", "On its way.")
    if is_new:
        setup.keeper(connection).drop(connection)

    setup.rebuild()

    assert setup.problems() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT k, v FROM search_message_config WHERE k LIKE '%merge'")
        assert dict(cursor.fetchall()) == {"automerge": 4, "crisismerge": 16}


def test_it_is_taken_away_before_a_migration_and_made_again_afterwards() -> None:
    make_conversation("Where is my refund?", title="Money back")
    keeper = setup.keeper(connection)

    class Plan:
        app_label = "threads"

    setup._before_migrate("default", plan=[(Plan(), False)])
    assert keeper.version(connection) == ""
    # Nothing stands in the way of SQLite's remaking a table.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE threads_message RENAME TO threads_message_old")
        cursor.execute("ALTER TABLE threads_message_old RENAME TO threads_message")
    setup._after_migrate("default")
    setup._after_migrate("default")

    assert keeper.version(connection) == keeper.SCHEMA
    assert setup.problems() == []


def test_it_is_left_alone_by_migrations_of_other_apps() -> None:
    class Plan:
        app_label = "auth"

    setup._before_migrate("default", plan=[(Plan(), False)])

    assert setup.keeper(connection).version(connection)


def test_it_warns_when_another_version_made_the_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_meta SET value = 'old' WHERE name = 'version'")

    (warning,) = setup.check_index(None, databases=["default"])

    assert warning.id == "threads.W001"
    setup.rebuild()
    assert setup.check_index(None, databases=["default"]) == []


def test_the_command_checks_and_rebuilds() -> None:
    make_conversation("Where is my refund?", title="Money back")
    out = StringIO()

    call_command("rebuild_index", stdout=out)
    call_command("rebuild_index", "--check", stdout=out)

    assert "1 message" in out.getvalue()
    assert "agree" in out.getvalue()
