"""Other people's JSON: Assistants dumps, batches, training examples; and telling formats apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from threads.imports import ImportedThread, Problem, UnreadableFile, reader
from threads.imports.detect import detect


def message(identity: str, text: str, at: int, **fields: Any) -> dict[str, Any]:
    """A message as the Assistants API sends it."""
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    made = {"id": identity, "object": "thread.message", "thread_id": "thread_1", "created_at": at}
    return made | {"role": "user", "content": content, "run_id": None} | fields


def save(tmp_path: Path, content: Any, *, indent: int | None = None) -> Path:
    path = tmp_path / "dump.json"
    text = content if isinstance(content, str) else json.dumps(content, indent=indent)
    path.write_text(text, "utf-8")
    return path


def read(path: Path, form: str = "auto") -> tuple[list[ImportedThread], list[str]]:
    items = list(reader(path, form)(path))
    problems = [item.message for item in items if isinstance(item, Problem)]
    return [item for item in items if isinstance(item, ImportedThread)], problems


QUESTION = message("msg_1", "How much?", 1_770_000_000)
ANSWER = message(
    *("msg_2", "Ten.", 1_770_000_005), role="assistant", run_id="run_1", assistant_id="asst_7"
)
THREAD = {"id": "thread_1", "object": "thread", "created_at": 1_770_000_000, "metadata": {}}
RUNS = [
    {"id": "run_1", "usage": {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}},
    {"id": "run_2", "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}},
]
NEWEST_FIRST = {"object": "list", "data": [ANSWER, QUESTION], "has_more": False}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "dump",
    [
        {"thread": THREAD, "messages": NEWEST_FIRST, "runs": {"object": "list", "data": RUNS}},
        [{"thread": THREAD, "messages": [QUESTION, ANSWER], "runs": RUNS}],
        {**THREAD, "messages": [ANSWER, QUESTION], "runs": RUNS},
        NEWEST_FIRST,
        [QUESTION, ANSWER],
    ],
)
def test_it_reads_a_thread_of_the_assistants_api(
    tmp_path: Path, dump: Any, indent: int | None
) -> None:
    threads, problems = read(save(tmp_path, dump, indent=indent))

    (item,) = threads
    assert not problems
    assert (item.thread.remote_id, item.thread.store) == ("thread_1", "assistants")
    said = [(m.remote_id, m.text, m.group_id, m.assistant_id) for m in item.messages]
    assert said == [("msg_1", "How much?", "", ""), ("msg_2", "Ten.", "run_1", "asst_7")]


def test_it_adds_up_what_the_runs_cost(tmp_path: Path) -> None:
    dump = {"thread": THREAD, "messages": [QUESTION], "runs": RUNS}

    (item,), _ = read(save(tmp_path, dump))

    usage = item.thread.usage
    assert usage is not None
    assert (usage.input, usage.output, usage.total, usage.source) == (40, 5, 45, "run")


def test_it_keeps_the_order_of_messages_of_one_second(tmp_path: Path) -> None:
    same = [message(f"msg_{n}", str(n), 1_770_000_000) for n in range(3)]
    late = message("msg_late", "last", 1_770_000_009)

    (item,), _ = read(save(tmp_path, {"object": "list", "data": [late, *reversed(same)]}))

    assert [m.text for m in item.messages] == ["0", "1", "2", "last"]


def test_it_parts_messages_by_their_threads(tmp_path: Path) -> None:
    other = message("msg_9", "Elsewhere", 1_770_000_000, thread_id="thread_2")

    threads, _ = read(save(tmp_path, [QUESTION, ANSWER, other]))

    found = [(item.thread.remote_id, len(item.messages), item.place.line) for item in threads]
    assert found == [("thread_1", 2, 2), ("thread_2", 1, 3)]


def test_it_keeps_attached_files(tmp_path: Path) -> None:
    with_file = QUESTION | {"attachments": [{"file_id": "file-1", "tools": []}]}

    (item,), _ = read(save(tmp_path, [with_file]))

    assert [(part.kind, part.file_id) for part in item.messages[0].parts] == [
        ("text", ""),
        ("file", "file-1"),
    ]


def test_it_reads_batch_results_as_completions_and_names_failed_ones(tmp_path: Path) -> None:
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": "gpt-5-mini",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Blue."}},
            {"index": 1, "message": {"role": "assistant", "content": "Red."}},
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    answer = {"status_code": 200, "body": completion}
    lines = [
        {"id": "b1", "custom_id": "sky", "response": answer, "error": None},
        {"id": "b2", "custom_id": "sea", "response": None, "error": {"message": "too late"}},
    ]
    path = save(tmp_path, "\n".join(map(json.dumps, lines)))

    threads, problems = read(path)

    (item,) = threads
    assert (item.thread.remote_id, item.thread.title) == ("chatcmpl-1", "sky")
    said = [(m.text, m.branch, m.model, m.input_tokens) for m in item.messages]
    assert said == [("Blue.", 0, "gpt-5-mini", 9), ("Red.", 1, "gpt-5-mini", None)]
    assert problems == ["There is no list of messages."]


def test_it_reads_batch_requests_and_training_examples(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Sky?"}]
    lines = [
        {"custom_id": "sky", "method": "POST", "url": "/v1", "body": {"messages": asked}},
        {"messages": [*asked, {"role": "assistant", "content": "Blue.", "weight": 1}]},
        {
            "input": {"messages": asked},
            "preferred_output": [{"role": "assistant", "content": "Blue."}],
            "non_preferred_output": [{"role": "assistant", "content": "Red."}],
        },
    ]
    path = save(tmp_path, "\r\n\r\n".join(map(json.dumps, lines)))

    threads, problems = read(path)

    assert not problems
    assert [[(m.text, m.branch) for m in item.messages] for item in threads] == [
        [("Sky?", 0)],
        [("Sky?", 0), ("Blue.", 0)],
        [("Sky?", 0), ("Blue.", 0), ("Red.", 1)],
    ]
    assert threads[0].thread.title == "sky"


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('{"id": "a", "messages": []}\n{"id": "b", "messages": []}', "jsonl"),
        ('\ufeff{"id": "a", "messages": []}', "jsonl"),
        ('{\n "id": "a",\n "messages": []}', "assistants"),
        ('{\n "title": "a",\n "mapping": {}}', "chatgpt"),
        ('[{"title": "a", "mapping": {}}]', "chatgpt"),
        ('  [\n{"object": "thread"}]', "assistants"),
        ("thread_id,remark\nthread_1,hello", "ids"),
        ("thread_1\nthread_2\n", "ids"),
        ("SQLite format 3\0", "predecessor"),
    ],
)
def test_it_tells_formats_apart(tmp_path: Path, content: str, form: str) -> None:
    assert detect(save(tmp_path, content)) == form


def test_it_says_that_a_format_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="auto, jsonl, chatgpt, assistants"):
        reader(save(tmp_path, "{}"), "word")
