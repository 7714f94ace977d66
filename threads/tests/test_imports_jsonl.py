"""JSON Lines in: what is right comes in whole, what is wrong is named with its line."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from threads import archive
from threads.imports import ImportedThread, Place, Problem, UnreadableFile, jsonl, reader
from threads.imports.jsonl import read_jsonl
from threads.models import Message, Thread
from threads.sources import Part, embedded_file
from threads.sources.embedded import embedded_id
from threads.tests.factories import NOW, make_project

WriteFile = Callable[..., Path]
PICTURE = "data:image/png;base64," + base64.b64encode(b"a picture" * 40).decode()


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write_file(*lines: Any, name: str = "threads.jsonl", end: str = "\n") -> Path:
        path = tmp_path / name
        texts = [line if isinstance(line, str | bytes) else json.dumps(line) for line in lines]
        path.write_bytes(
            b"".join((t if isinstance(t, bytes) else t.encode()) + end.encode() for t in texts)
        )
        return path

    return write_file


def record(identity: str = "conv_1", *texts: str, **fields: Any) -> dict[str, Any]:
    messages = [
        {"id": f"{identity}_{number}", "role": "user", "content": text}
        for number, text in enumerate(texts or ("hello",))
    ]
    return {"id": identity, "messages": messages} | fields


def bring(path: Path, project: Project, *, is_dry_run: bool = False) -> archive.ImportReport:
    report = archive.ImportReport(is_dry_run=is_dry_run)
    archive.ingest(read_jsonl(path), project=project, now=NOW, report=report)
    return report


def only(path: Path) -> ImportedThread:
    (item,) = read_jsonl(path)
    assert isinstance(item, ImportedThread), item
    return item


def test_it_reads_all_that_the_format_can_say(write: WriteFile) -> None:
    line = record(
        title="A title",
        created_at=1_760_000_000,
        user="u1",
        source="conversations",
        remark="look",
        tags=["vip"],
        metadata={"k": "v"},
    )
    line["messages"] = [
        {"id": "a", "role": "user", "content": [{"type": "text", "text": "hi"}], "name": "Ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "find", "arguments": '{"q": 1}'}}],
            "created_at": "2026-01-02T03:04:05+01:00",
            "model": "gpt-x",
            "usage": {"input_tokens": 3, "output_tokens": 4},
        },
        {"role": "tool", "content": "found it"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "something_new", "x": 1},
            ],
        },
    ]

    item = only(write(line))

    thread, (first, call, output, last) = item.thread, item.messages
    assert (thread.title, thread.end_user, thread.store, thread.remark, thread.tags) == (
        "A title",
        "u1",
        "conversations",
        "look",
        ("vip",),
    )
    assert thread.created_at == datetime.fromtimestamp(1_760_000_000, tz=UTC)
    assert (first.remote_id, first.text, first.parts, first.name) == ("a", "hi", (), "Ann")
    assert (call.kind, call.name, call.model) == ("tool_call", "find", "gpt-x")
    assert call.text == 'find\n{"q": 1}'
    assert (call.input_tokens, call.output_tokens) == (3, 4)
    assert call.created_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert (output.role, output.kind) == ("tool", "tool_output")
    assert last.parts[1] == Part("image", url="https://example.org/a.png")
    assert (last.parts[2].kind, last.text) == ("unknown", "see")


def test_it_takes_what_a_message_says_and_what_it_calls_apart(write: WriteFile) -> None:
    calls = [
        {"id": "c1", "function": {"name": "find", "arguments": '{"q": 1}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "draw", "input": "a cat"}},
    ]
    usage = {"input_tokens": 3, "output_tokens": 4}
    both = {"id": "m1", "role": "assistant", "content": "I look.", "tool_calls": calls}

    said, called = only(write(record(messages=[both | {"usage": usage}]))).messages

    assert (said.remote_id, said.kind, said.text, said.parts) == ("m1", "message", "I look.", ())
    assert (said.input_tokens, called.input_tokens) == (3, None)
    assert (called.remote_id, called.kind, called.name) == ("m1:calls", "tool_call", "find, draw")
    assert called.text == 'find, draw\n{"q": 1}\na cat'
    assert [part.kind for part in called.parts] == ["json", "json"]


def test_it_names_calls_after_their_message_where_that_has_no_id(write: WriteFile) -> None:
    both = {"role": "assistant", "content": "I look.", "tool_calls": [{"function": {"name": "f"}}]}

    messages = only(write(record(messages=[both, both]))).messages
    ids = [message.remote_id for message in messages]

    assert len(set(ids)) == 4
    assert ids[1::2] == [f"{identity}:calls" for identity in ids[::2]]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "input_image", "image_url": PICTURE},
        {"type": "image", "url": PICTURE},
        {"type": "file", "file": {"file_data": PICTURE}},
    ],
)
def test_it_names_files_that_stand_in_a_message(write: WriteFile, part: dict[str, Any]) -> None:
    line = record(messages=[{"role": "user", "content": [{"type": "text", "text": "See"}, part]}])

    (message,) = only(write(line)).messages

    found = message.parts[1]
    assert (found.url, found.mime, found.file_id) == ("", "image/png", embedded_id(PICTURE))
    assert embedded_file(message.raw, found.file_id) == b"a picture" * 40


def test_it_gives_messages_without_an_id_one_that_stays(write: WriteFile) -> None:
    said = [{"role": "user", "content": "ok"}, {"role": "user", "content": "ok"}]
    first = only(write({"id": "t", "messages": said}))
    longer = only(write({"id": "t", "messages": [*said, {"role": "user", "content": "more"}]}))

    ids = [message.remote_id for message in first.messages]

    assert len(set(ids)) == 2
    assert [message.remote_id for message in longer.messages][:2] == ids


def test_it_gives_a_thread_without_an_id_one_of_its_content(write: WriteFile) -> None:
    plain = {"messages": [{"role": "user", "content": "ok"}]}
    turned = '{"messages": [{"content":"ok",  "role":"user"}]}'

    assert only(write(plain)).thread.remote_id == only(write(turned)).thread.remote_id
    assert only(write(plain)).thread.remote_id.startswith("import-")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n \t \n"])
def test_it_reads_any_line_ending_and_a_byte_order_mark(write: WriteFile, end: str) -> None:
    path = write(record("a"), record("b"), end=end)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())

    items = list(read_jsonl(path))

    assert [item.thread.remote_id for item in items if isinstance(item, ImportedThread)] == [
        "a",
        "b",
    ]


WRONG: list[tuple[Any, str]] = [
    ("{", "not JSON"),
    ('{"messages": [}', "not JSON"),
    ("[1]", "no JSON object"),
    ("NaN", "not JSON"),
    ('{"messages": [{"role": "user", "content": NaN}]}', "NaN is not JSON"),
    ("[" * 100_000, "nested too deeply"),
    ('{"x": ' + "9" * 5_000 + "}", "thousands of digits"),
    (b'{"id": "\xff"}', "not UTF-8"),
    ({}, "no list of messages"),
    ({"messages": "x"}, "no list of messages"),
    (record(created_at="yesterday"), "not a time: 'yesterday'"),
    (record(created_at=1e300), "not a time"),
    (record(created_at=True), "must be a time"),
    (record(title=1), "title must be text"),
    (record(metadata=[1]), "metadata must be an object"),
    (record(tags="vip"), "tags must be a list"),
    (record(identity="x" * 201), "longer than 200"),
    (record(identity=" x "), "spaces around it"),
    ({"messages": [1]}, "Message 1 is no JSON object"),
    ({"messages": [{"content": "x"}]}, "Message 1 has no role"),
    ({"messages": [{"role": "user", "content": 1}]}, "text or a list of parts"),
    ({"messages": [{"role": "user", "content": [1]}]}, "neither text nor an object"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "has no text"),
    (
        {"messages": [{"role": "user", "tool_calls": {}}, {"role": "user", "tool_calls": "x"}]},
        "tool_calls",
    ),
    ({"messages": [{"role": "user", "usage": {"input_tokens": -1}}]}, "whole number"),
    ({"messages": [{"role": "user", "kind": "thing"}]}, "'thing' is not known"),
    ({"messages": [{"id": "a", "role": "user"}, {"id": "a", "role": "user"}]}, "one before it"),
]


@pytest.mark.parametrize(("line", "reason"), WRONG)
def test_it_names_a_wrong_line_and_goes_on(write: WriteFile, line: Any, reason: str) -> None:
    path = write(record("before"), line, record("after"))

    before, wrong, after = read_jsonl(path)

    assert isinstance(wrong, Problem)
    assert wrong.place.line == 2
    assert reason in wrong.message
    assert wrong.message.endswith(".")
    assert isinstance(before, ImportedThread)
    assert isinstance(after, ImportedThread)


def test_it_skips_a_line_that_is_too_long_without_reading_it(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1_000)
    path = write(record("a"), record("b", "x" * 5_000), record("c"))

    _, wrong, last = read_jsonl(path)

    assert isinstance(wrong, Problem)
    assert "longer than" in wrong.message
    assert isinstance(last, ImportedThread)
    assert last.place == Place(3, path.stat().st_size)


def test_it_refuses_a_line_that_is_a_multiple_of_its_length_in_memory(write: WriteFile) -> None:
    values = '{"id": "x", "messages": [' + ", ".join(["{}"] * 130_000) + "]}"
    text = record("text", "{}, " * 130_000)  # the same signs, in a string
    path = write(record("before"), values, text)

    before, wrong, last = read_jsonl(path)

    assert isinstance(before, ImportedThread)
    assert isinstance(wrong, Problem)
    assert wrong.message == "It holds too many values to be read at once."
    assert isinstance(last, ImportedThread)


def test_it_goes_on_where_it_was(write: WriteFile) -> None:
    path = write(record("a"), "{", record("c"))
    first, *rest = read_jsonl(path)

    again = list(read_jsonl(path, start=first.place))

    assert again == rest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\xff\xfe{", "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text"),
    ],
)
def test_it_says_what_a_file_of_another_kind_is(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)

    with pytest.raises(UnreadableFile, match=reason):
        reader(path)


def test_it_says_that_there_is_no_such_file_or_format(write: WriteFile, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        reader(tmp_path / "nothing")
    with pytest.raises(UnreadableFile, match="not known"):
        reader(write(record()), "papyrus")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_it_survives_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(content)

    items = list(read_jsonl(path))

    assert all(isinstance(item, Problem | ImportedThread) for item in items)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "role", "content", "type", "text"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(JSON, max_size=3), title=JSON, created_at=JSON)
def test_it_takes_or_names_any_json(
    tmp_path: Path, messages: list[Any], title: Any, created_at: Any
) -> None:
    path = tmp_path / "any.jsonl"
    line = {"messages": messages, "title": title, "created_at": created_at}
    path.write_text(json.dumps(line))

    (item,) = read_jsonl(path)

    assert isinstance(item, Problem | ImportedThread)


@pytest.mark.django_db
def test_it_changes_nothing_the_second_time(write: WriteFile) -> None:
    project = make_project()
    path = write(record("a", "one", "two", tags=["vip"]), record("b"), "{")

    first, second = bring(path, project), bring(path, project)

    assert (first.threads_new, first.messages_new, first.problem_count) == (2, 3, 1)
    assert (second.threads_new, second.threads_changed, second.threads_unchanged) == (0, 0, 2)
    assert (second.messages_new, second.messages_changed) == (0, 0)
    assert first.problems == [{"line": 3, "message": first.problems[0]["message"]}]


@pytest.mark.django_db
def test_it_rehearses_with_the_same_numbers_and_writes_nothing(write: WriteFile) -> None:
    project = make_project()
    bring(write(record("a", "one", "two")), project)
    path = write(record("a", "one", "new words", "three"), record("b"), "{", name="next.jsonl")

    rehearsal = bring(path, project, is_dry_run=True)
    texts = set(Message.objects.values_list("text", flat=True))
    real = bring(path, project)

    assert texts == {"one", "two"}
    assert rehearsal.as_json() | {"is_dry_run": False} == real.as_json()
    assert (real.threads_new, real.threads_changed) == (1, 1)
    assert (real.messages_new, real.messages_changed) == (2, 1)


@pytest.mark.django_db
def test_it_rehearses_a_file_that_names_a_thread_twice(write: WriteFile) -> None:
    project = make_project()
    path = write(record("a", "one"), record("a", "one", "two"), record("a", "one"))

    rehearsal = bring(path, project, is_dry_run=True)
    real = bring(path, project)

    assert rehearsal.as_json() | {"is_dry_run": False} == real.as_json()
    assert (real.threads_new, real.threads_changed, real.messages_new) == (1, 1, 2)


@pytest.mark.django_db
def test_it_shows_an_imported_thread_as_what_it_is(write: WriteFile) -> None:
    bring(write(record("a", source="assistants"), record("b")), make_project())

    states = Thread.objects.order_by("external_id").values_list("store", "upstream_state")
    assert list(states) == [("assistants", "imported"), ("import", "imported")]
    assert not Thread.objects.filter(connection__isnull=False).exists()
