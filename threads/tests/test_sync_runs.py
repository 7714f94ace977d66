"""Runs of Assistants: the tools that were called become items, and nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from projects.models import Connection
from threads import sync
from threads.models import Assistant, FileReference, Message, SyncRun, Thread
from threads.sync import Tally
from threads.tests.factories import NOW, make_connection, make_thread
from threads.tests.openai_server import OpenAIServer, thread_message

pytestmark = pytest.mark.django_db
AT = 1_763_000_000
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def connection(server: OpenAIServer) -> Connection:
    return make_connection(base_url=server.url, store="assistants")


def a_thread(connection: Connection, name: str = "thread_1") -> int:
    return make_thread(
        connection.project,
        connection=connection,
        store="assistants",
        external_id=name,
        created_at=None,
        next_refresh_at=NOW,
    ).pk


def a_run(run_id: str, **more: Any) -> dict[str, Any]:
    run = {"id": run_id, "object": "thread.run", "assistant_id": "asst_1", "model": "gpt-test"}
    return {**run, "status": "completed", "usage": USAGE, "tools": [{"type": "function"}], **more}


def a_step(step_id: str, *calls: dict[str, Any], wrote: str = "") -> dict[str, Any]:
    details: dict[str, Any] = {"type": "tool_calls", "tool_calls": list(calls)}
    if wrote:
        details = {"type": "message_creation", "message_creation": {"message_id": wrote}}
    step = {"id": step_id, "object": "thread.run.step", "created_at": AT, "status": "completed"}
    return {**step, "run_id": "run_1", "step_details": details, "usage": USAGE}


def a_function(call_id: str, name: str, output: str | None) -> dict[str, Any]:
    function = {"name": name, "arguments": '{"order": 17}', "output": output}
    return {"id": call_id, "type": "function", "function": function}


def asked(message_id: str, text: str = "Where is it?") -> dict[str, Any]:
    return thread_message(message_id, "user", text, created_at=AT)


def answered(message_id: str, run_id: str, text: str = "On its way.") -> dict[str, Any]:
    more = {"run_id": run_id, "assistant_id": "asst_1"}
    return thread_message(message_id, "assistant", text, created_at=AT, **more)


def run(connection: Connection, ids: list[int], **options: Any) -> Tally:
    connection.refresh_from_db()
    return sync.sync_batch(connection, ids, trigger=SyncRun.Trigger.MANUAL, **options)


def order(thread_id: int) -> list[str]:
    messages = Message.objects.filter(thread=thread_id).order_by("position")
    return list(messages.values_list("remote_id", flat=True))


def test_it_puts_tool_calls_before_the_message_they_led_to(
    server: OpenAIServer, connection: Connection
) -> None:
    steps = [
        a_step("step_1", a_function("call_1", "find_order", '{"state": "sent"}')),
        a_step("step_2", wrote="msg_2"),
        a_step("step_3", a_function("call_2", "close_order", None)),
        a_step("step_4", wrote="msg_3"),
    ]
    said = [asked("msg_1"), answered("msg_2", "run_1"), answered("msg_3", "run_1", "Closed.")]
    server.add_thread("thread_1", said, runs=[a_run("run_1")], steps={"run_1": steps})
    pk = a_thread(connection)

    tally = run(connection, [pk])

    assert order(pk) == [
        "msg_1",
        "step_1:call_1",
        "step_1:call_1:output",
        "msg_2",
        "step_3:call_2",
        "msg_3",
    ]
    assert tally.errors == []
    call = Message.objects.get(remote_id="step_1:call_1")
    assert (call.kind, call.role, call.name) == ("tool_call", "tool", "find_order")
    assert (call.group_id, call.model, call.type) == ("run_1", "gpt-test", "run_step.function")
    assert (call.input_tokens, call.output_tokens) == (10, 5)
    assert call.text == 'find_order\n{"order": 17}'
    assert json.loads(call.source.raw) == steps[0]
    output = Message.objects.get(remote_id="step_1:call_1:output")
    assert (output.kind, output.text) == ("tool_output", '{"state": "sent"}')


def test_it_gives_messages_the_model_and_tokens_of_their_run(
    server: OpenAIServer, connection: Connection
) -> None:
    steps = [a_step("step_1", wrote="msg_2")]
    said = [asked("msg_1"), answered("msg_2", "run_1")]
    server.add_thread("thread_1", said, runs=[a_run("run_1")], steps={"run_1": steps})
    pk = a_thread(connection)

    run(connection, [pk])

    question, answer = Message.objects.order_by("position")
    assert (question.model, question.input_tokens) == ("", None)
    assert (answer.model, answer.input_tokens, answer.output_tokens) == ("gpt-test", 10, 5)
    thread = Thread.objects.get(pk=pk)
    assert (thread.model, thread.total_tokens, thread.usage_source) == ("gpt-test", 15, "run")


def test_it_reads_code_files_and_what_it_does_not_know(
    server: OpenAIServer, connection: Connection
) -> None:
    outputs = [
        {"type": "logs", "logs": "4"},
        {"type": "image", "image": {"file_id": "file-plot"}},
    ]
    found = {"file_id": "file-book", "file_name": "book.pdf", "score": 0.9}
    found["content"] = [{"type": "text", "text": "Delivery takes two days."}]
    calls = [
        {"id": "c1", "type": "code_interpreter", "code_interpreter": {"input": "2 + 2"}},
        {"id": "c2", "type": "file_search", "file_search": {"results": [found]}},
        {"id": "c3", "type": "new_tool", "new_tool": {"what": "tomorrow"}},
        {"id": "c4", "type": "code_interpreter", "code_interpreter": None},
        "strange",
    ]
    calls[0]["code_interpreter"]["outputs"] = outputs  # type: ignore[index]
    steps = [a_step("step_1", *calls), a_step("step_2", wrote="msg_1")]  # type: ignore[arg-type]
    server.add_thread(
        "thread_1", [answered("msg_1", "run_1")], runs=[a_run("run_1")], steps={"run_1": steps}
    )

    run(connection, [a_thread(connection)])

    texts = dict(Message.objects.values_list("remote_id", "text"))
    assert texts["step_1:c1"] == "code_interpreter\n2 + 2\n\n4"
    assert texts["step_1:c2"] == "file_search\nbook.pdf\nDelivery takes two days."
    assert "tomorrow" in texts["step_1:c3"]
    assert texts["step_1:c4"] == "code_interpreter"
    files = set(FileReference.objects.values_list("file_id", flat=True))
    assert files == {"file-plot", "file-book"}


def test_it_asks_nothing_about_runs_when_nothing_is_new(
    server: OpenAIServer, connection: Connection
) -> None:
    steps = [a_step("step_1", a_function("c", "f", "1")), a_step("step_2", wrote="msg_2")]
    said = [asked("msg_1"), answered("msg_2", "run_1")]
    server.add_thread("thread_1", said, runs=[a_run("run_1")], steps={"run_1": steps})
    pk = a_thread(connection)
    run(connection, [pk])
    server.forget_calls()

    run(connection, [pk])
    Thread.objects.update(last_full_sync_at=timezone.now() - timedelta(days=8))
    weekly = run(connection, [pk])

    assert [call.path for call in server.calls] == ["/threads/thread_1/messages"] * 2
    assert (weekly.threads_changed, weekly.messages_changed) == (0, 0)
    # A list of messages without steps does not say that those are gone.
    assert not Message.objects.filter(removed_at__isnull=False).exists()


def test_it_reads_the_steps_of_new_runs_only(server: OpenAIServer, connection: Connection) -> None:
    live = server.add_thread(
        "thread_1",
        [answered("msg_1", "run_1")],
        runs=[a_run("run_1"), a_run("run_2"), a_run("run_3", tools=[])],
        steps={"run_1": [], "run_2": [a_step("step_2", a_function("c", "f", "1"))]},
    )
    pk = a_thread(connection)
    run(connection, [pk])
    server.forget_calls()
    live += [answered("msg_2", "run_2"), answered("msg_3", "run_3")]
    Thread.objects.update(last_full_sync_at=timezone.now() - timedelta(days=8))

    run(connection, [pk])

    assert [call.path for call in server.calls] == [
        "/threads/thread_1/messages",
        "/threads/thread_1/runs",
        "/threads/thread_1/runs/run_2/steps",
    ]
    assert order(pk) == ["msg_1", "step_2:c", "step_2:c:output", "msg_2", "msg_3"]


def test_it_goes_on_where_the_calls_ran_out(server: OpenAIServer, connection: Connection) -> None:
    names = [f"run_{number}" for number in range(8)]
    said = [answered(f"msg_{number}", name) for number, name in enumerate(names)]
    steps = {name: [a_step(f"step_{name}", a_function("c", "f", None))] for name in names}
    server.add_thread("thread_1", said, runs=[a_run(name) for name in names], steps=steps)
    pk = a_thread(connection)

    rounds = 0
    while Thread.objects.get(pk=pk).last_synced_at is None and rounds < 9:
        run(connection, [pk], most_calls=6)
        rounds += 1

    expected = [each for n in range(8) for each in (f"step_run_{n}:c", f"msg_{n}")]
    assert order(pk) == expected
    assert rounds < 9
    assert {server.count(f"/{name}/steps") for name in names} == {1}


@pytest.mark.parametrize("fault", ["404", "400", "403", "html", "empty"])
def test_it_takes_the_messages_of_servers_that_know_no_runs(
    server: OpenAIServer, connection: Connection, fault: str
) -> None:
    server.add_thread("thread_1", [asked("msg_1"), answered("msg_2", "run_1")])
    server.fail(fault, path="/runs")
    pk = a_thread(connection)

    tally = run(connection, [pk])

    assert order(pk) == ["msg_1", "msg_2"]
    assert (tally.errors, tally.stopped_by) == ([], None)
    assert Thread.objects.get(pk=pk).last_synced_at is not None


def test_it_gives_up_on_runs_that_fail_for_ever_and_takes_the_messages(
    server: OpenAIServer, connection: Connection
) -> None:
    server.add_thread("thread_1", [answered("msg_1", "run_1")], runs=[a_run("run_1")])
    server.fail("500", path="/runs")
    pk = a_thread(connection)

    for _ in range(4):
        run(connection, [pk])

    thread = Thread.objects.get(pk=pk)
    assert order(pk) == ["msg_1"]
    assert (thread.refresh_failures, thread.last_error) == (0, "")


def test_it_learns_the_names_of_assistants_once(
    server: OpenAIServer, connection: Connection
) -> None:
    server.objects["/assistants/asst_1"] = {"id": "asst_1", "name": "Order desk"}
    live = server.add_thread("thread_1", [answered("msg_1", "run_1")])
    pk = a_thread(connection)

    run(connection, [pk])
    live.append(answered("msg_2", "run_1"))
    run(connection, [pk])

    assert Assistant.objects.get().name == "Order desk"
    assert server.count("/assistants/asst_1") == 1


def test_it_keeps_the_name_of_an_assistant_that_was_deleted(
    server: OpenAIServer, connection: Connection
) -> None:
    live = server.add_thread("thread_1", [answered("msg_1", "run_1")])
    pk = a_thread(connection)
    run(connection, [pk])
    Assistant.objects.update(name="Order desk", fetched_at=timezone.now() - timedelta(days=8))
    live.append(answered("msg_2", "run_1"))

    run(connection, [pk])

    assert Assistant.objects.get().name == "Order desk"
