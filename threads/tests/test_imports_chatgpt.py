"""ChatGPT exports: trees, kinds of content, broken conversations, and the way into the archive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from projects.models import Project
from threads.archive import ImportReport, ingest
from threads.exports.base import Options
from threads.exports.jsonl import write as write_jsonl
from threads.exports.records import records
from threads.imports import Place, reader
from threads.models import Message, Thread
from threads.tests.chatgpt import AT, conversation, node, read, read_one, zipped
from threads.tests.factories import make_project

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_it_reads_the_shown_line_first_and_then_the_branches(tmp_path: Path) -> None:
    talk = conversation(
        node("root", None, is_root=True),
        node("q", "root", "Which one?"),
        node("a-old", "q", "The red one.", role="assistant", at=AT + 10),
        node("thanks", "a-old", "Thanks!", at=AT + 20),
        node("q-edited", "root", "Which of the two?", at=AT + 5),
        node("a-new", "q", "The blue one.", role="assistant", at=AT + 30),
    )

    item = read_one(tmp_path, talk)

    said = [(message.branch, message.role, message.text) for message in item.messages]
    assert said == [
        (0, "user", "Which one?"),
        (0, "assistant", "The blue one."),
        (1, "user", "Which of the two?"),
        (2, "assistant", "The red one."),
        (2, "user", "Thanks!"),
    ]
    assert item.thread.remote_id == "conv-1"
    assert item.thread.title == "A talk"


@pytest.mark.parametrize("current", [None, "nowhere", 7])
def test_it_ends_at_the_newest_leaf_where_no_node_is_current(tmp_path: Path, current: Any) -> None:
    talk = conversation(
        node("q", None, "Question"),
        node("late", "q", "Second answer", role="assistant", at=AT + 50),
        node("early", "q", "First answer", role="assistant", at=AT + 10),
        current_node=current,
    )

    item = read_one(tmp_path, talk)

    assert [m.text for m in item.messages if m.branch == 0] == ["Question", "Second answer"]


def test_it_keeps_every_message_of_trees_with_cycles_and_holes(tmp_path: Path) -> None:
    talk = conversation(
        node("a", "c", "one"),
        node("b", "a", "two"),
        node("c", "b", "three"),
        node("orphan", "gone", "four", at=None),
        node("self", "self", "five"),
    )

    item = read_one(tmp_path, talk)

    assert sorted(m.text for m in item.messages) == ["five", "four", "one", "three", "two"]


def test_it_tells_the_kinds_of_content_apart(tmp_path: Path) -> None:
    code = {"content_type": "code", "language": "python", "text": "print(1)"}
    output = {"content_type": "execution_output", "text": "1"}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Plan", "content": "Add."}]}
    strange = {"content_type": "hologram", "beam": {"angle": 7}}
    context = {"content_type": "user_editable_context", "user_profile": "Likes tea."}
    talk = conversation(
        node("s", None, role="system", metadata={"is_visually_hidden_from_conversation": True}),
        node("p", "s", content=context),
        node("q", "p", "Add them"),
        node("t", "q", role="assistant", content=thoughts),
        node("c", "t", role="assistant", content=code, recipient="python"),
        node("o", "c", role="tool", name="python", content=output),
        node("x", "o", role="assistant", content=strange),
    )

    item = read_one(tmp_path, talk)

    kinds = [(m.role, m.kind, m.name, m.is_hidden, m.text) for m in item.messages]
    assert kinds == [
        ("system", "message", "", True, ""),
        ("user", "message", "", True, "Likes tea."),
        ("user", "message", "", False, "Add them"),
        ("assistant", "reasoning", "", False, "Plan\nAdd."),
        ("assistant", "tool_call", "python", False, "print(1)"),
        ("tool", "tool_output", "python", False, "1"),
        ("assistant", "message", "", False, '{"beam": {"angle": 7}}'),
    ]


def test_it_strips_the_marks_of_citations_and_keeps_them_in_the_raw_json(tmp_path: Path) -> None:
    text = "Tea is old.\ue200cite\ue202turn0search0\ue201 Very old【4:0†source】."
    source = {"type": "webpage", "items": [{"url": "https://tea.example/", "title": "Tea"}]}
    metadata = {"content_references": [source]}

    item = read_one(
        tmp_path, conversation(node("a", None, text, role="assistant", metadata=metadata))
    )

    (message,) = item.messages
    assert message.text == "Tea is old. Very old."
    assert "turn0search0" in message.raw
    assert message.parts[0].annotations[0]["url"] == "https://tea.example/"


def test_it_keeps_images_and_attached_files_as_references(tmp_path: Path) -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-Abc1"}
    content = {"content_type": "multimodal_text", "parts": [picture, "What is this?"]}
    attached = [
        {"id": "file-Abc1", "name": "cat.png", "mimeType": "image/png"},
        {"id": "file-Pdf2", "name": "a.pdf", "mimeType": "application/pdf"},
    ]

    item = read_one(
        tmp_path, conversation(node("q", None, content=content, metadata={"attachments": attached}))
    )

    (message,) = item.messages
    assert message.text == "What is this?"
    assert [(part.kind, part.file_id, part.text) for part in message.parts] == [
        ("image", "file-Abc1", ""),
        ("text", "", "What is this?"),
        ("file", "file-Pdf2", "a.pdf"),
    ]


def test_it_reads_split_exports_in_a_folder_and_passes_over_litter(tmp_path: Path) -> None:
    files = {
        "My export/conversations-010.json": [conversation(node("c", None, "third"), id="3")],
        "My export/conversations-000.json": [conversation(node("a", None, "first"), id="1")],
        "My export/conversations-001.json": [conversation(node("b", None, "second"), id="2")],
        "__MACOSX/My export/._conversations-000.json": b"\0\5\26\7",
        "My export/shared_conversations.json": [{"id": "x"}],
        "My export/chat.html": "<html>",
    }

    threads, problems = read(zipped(tmp_path, files))

    assert [item.thread.remote_id for item in threads] == ["1", "2", "3"]
    assert [item.place.line for item in threads] == [1, 2, 3]
    assert not problems


def test_it_names_each_broken_conversation_and_imports_the_rest(tmp_path: Path) -> None:
    good = json.dumps(conversation(node("q", None, "Fine"), id="good"))
    half = conversation(node("q", None, "Fine"), node("bad", "q"), id="half")
    half["mapping"]["bad"]["message"] = "not an object"
    bodies = [good, '{"id": "x", "mapping": 3}', "7", '{"a": NaN, "mapping": {}}', json.dumps(half)]
    path = zipped(tmp_path, {"conversations.json": f"[{','.join(bodies)}"})

    threads, problems = read(path)

    assert [item.thread.remote_id for item in threads] == ["good", "half"]
    assert [problem.split(" of ")[0] for problem in problems] == [
        *("Conversation 2", "Conversation 3", "Conversation 4", "Conversation 5", "Conversation 6")
    ]
    assert "1 of its messages cannot be read (bad)" in problems[3]
    assert "breaks off" in problems[4]


def test_it_imports_a_conversation_with_no_times_at_all(tmp_path: Path) -> None:
    talk = conversation(node("q", None, "When?", at=None), create_time=None, title=None)

    item = read_one(tmp_path, talk)

    assert item.thread.created_at is None
    assert item.messages[0].created_at is None


def test_it_goes_on_after_the_conversation_where_it_stopped(tmp_path: Path) -> None:
    talks = [conversation(node("q", None, str(n)), id=str(n)) for n in range(4)]
    path = zipped(
        tmp_path, {"conversations-000.json": talks[:2], "conversations-001.json": talks[2:]}
    )

    threads, _ = read(path, start=Place(line=3, offset=17))

    assert [item.thread.remote_id for item in threads] == ["3"]


def test_it_goes_on_when_one_file_of_the_zip_is_damaged(tmp_path: Path) -> None:
    talks = [conversation(node("q", None, "x" * 2_000), id=str(n)) for n in range(2)]
    files = {"conversations-000.json": talks[:1], "conversations-001.json": talks[1:]}
    path = zipped(tmp_path, files)
    content = bytearray(path.read_bytes())
    content[70:90] = b"\xff" * 20
    path.write_bytes(content)

    threads, problems = read(path)

    assert [item.thread.remote_id for item in threads] == ["1"]
    assert "conversations-000.json is damaged" in problems[0]


# Into the archive.


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


def test_it_changes_nothing_the_second_time(tmp_path: Path, project: Project) -> None:
    talk = conversation(
        node("q", None, "Which?"),
        node("a", "q", "Red.", role="assistant"),
        node("b", "q", "Blue.", role="assistant", at=AT + 9),
    )
    path = zipped(tmp_path, {"conversations.json": [talk]})
    first, second = ImportReport(), ImportReport()

    ingest(reader(path)(path), project=project, now=NOW, report=first)
    ingest(reader(path)(path), project=project, now=NOW, report=second)

    assert (first.threads_new, first.messages_new) == (1, 3)
    assert (second.threads_unchanged, second.messages_new, second.messages_changed) == (1, 0, 0)
    thread = Thread.objects.get()
    assert thread.message_count == 2  # the branch is no part of the shown conversation
    assert Message.objects.filter(branch=1).get().text == "Red."


def test_it_changes_nothing_when_its_own_export_comes_back(
    tmp_path: Path, project: Project
) -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_9"}
    content = {"content_type": "multimodal_text", "parts": [picture, "What is this?"]}
    cited = {"citations": [{"metadata": {"url": "https://tea.example/", "title": "Tea"}}]}
    talk = conversation(
        node("q", None, content=content),
        node("t", "q", role="tool", name="browser", at=None),
        node("a", "t", "A cat.", role="assistant", metadata=cited | {"model_slug": "gpt-5"}),
    )
    path = zipped(tmp_path, {"conversations.json": [talk]})
    ingest(reader(path)(path), project=project, now=NOW, report=ImportReport())
    exported = tmp_path / "again.jsonl"
    with exported.open("wb") as file:
        pks = list(Thread.objects.values_list("pk", flat=True))
        write_jsonl(records(pks, with_source=True), file, Options())
    report = ImportReport()

    ingest(reader(exported)(exported), project=project, now=NOW, report=report)

    assert (report.threads_unchanged, report.problem_count) == (1, 0), exported.read_text()
