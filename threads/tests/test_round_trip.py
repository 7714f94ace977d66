"""What is exported as JSON Lines comes in again: here without a change, elsewhere the same."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from projects.models import Project
from threads.models import Message, Thread
from threads.tests.factories import make_project

pytestmark = pytest.mark.django_db

EVERYTHING = {
    "id": "conv_1",
    "title": "Refund",
    "created_at": "2026-01-05T09:00:00.250000+02:00",
    "user": "u-7",
    "source": "conversations",
    "remark": "late\nagain",
    "tags": ["shop", "vip"],
    "metadata": {"team": "a", "deep": {"list": [1, None, "ü"]}},
    "messages": [
        {"id": "m1", "role": "user", "content": "=1+1\r\n退款", "created_at": 1767603600.5},
        {
            "id": "m2",
            "role": "assistant",
            "content": [
                {"type": "text", "text": "See", "annotations": [{"type": "url_citation"}]},
                {"type": "image", "file_id": "file-1", "name": "cat.png", "mime": "image/png"},
                {"type": "refusal", "refusal": "No."},
                {"type": "strange", "x": [1]},
            ],
            "model": "gpt-x",
            "usage": {"input_tokens": 7, "output_tokens": 0},
            "assistant_id": "asst_1",
            "group_id": "run_1",
            "status": "incomplete",
        },
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
        {"role": "tool", "name": "f", "content": "12", "is_hidden": True},
        {"role": "assistant", "content": "Other", "branch": 2, "kind": "reasoning", "type": "r"},
    ],
}
DUMP = {
    "thread": {"id": "thread_1", "object": "thread", "created_at": 1_700_000_000},
    "messages": [
        {
            "id": "msg_1",
            "object": "thread.message",
            "thread_id": "thread_1",
            "created_at": 1_700_000_001,
            "role": "assistant",
            "assistant_id": "asst_2",
            "run_id": "run_2",
            "content": [
                {"type": "text", "text": {"value": "Hi", "annotations": []}},
                {"type": "image_file", "image_file": {"file_id": "file-9"}},
            ],
            "attachments": [{"file_id": "file-8"}],
        }
    ],
    "runs": [{"usage": {"prompt_tokens": 5, "completion_tokens": 6}}],
}
PREFERENCE = {
    "input": {"messages": [{"role": "user", "content": "Best?"}]},
    "preferred_output": [{"role": "assistant", "content": "A"}],
    "non_preferred_output": [{"role": "assistant", "content": "B"}],
}
TALK = {
    "id": "talk",
    "title": "Tree",
    "current_node": "b",
    "mapping": {
        "a": {"id": "a", "parent": None, "children": ["b", "c"]}
        | {
            "message": {
                "id": "ma",
                "author": {"role": "user"},
                "create_time": 1_760_000_000.125,
                "content": {
                    "content_type": "multimodal_text",
                    "parts": [
                        {
                            "content_type": "image_asset_pointer",
                            "asset_pointer": "file-service://file-A",
                        },
                        "What is it?",
                    ],
                },
            }
        },
        "b": {"id": "b", "parent": "a", "children": []}
        | {
            "message": {
                "id": "mb",
                "author": {"role": "assistant"},
                "content": {"content_type": "text", "parts": ["A cat\ue200cite\ue202t0\ue201."]},
                "metadata": {"model_slug": "gpt-y", "is_visually_hidden_from_conversation": True},
            }
        },
        "c": {"id": "c", "parent": "a", "children": []}
        | {
            "message": {
                "id": "mc",
                "author": {"role": "tool", "name": "python"},
                "content": {"content_type": "execution_output", "text": "42"},
                "status": "finished_successfully",
            }
        },
    },
}


def jsonl(record: dict[str, Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "in.jsonl"
        path.write_text(json.dumps(record) + "\n", "utf-8")
        return path

    return write


def chatgpt(folder: Path) -> Path:
    path = folder / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps([TALK]))
    return path


def predecessor(folder: Path) -> Path:
    path = folder / "app.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE projects (id TEXT, name TEXT);
        CREATE TABLE threads (id INTEGER, thread_id TEXT, project_id TEXT, remark TEXT);
        CREATE TABLE messages (
            id INTEGER, thread_id INTEGER, role TEXT, content TEXT, created_at INTEGER,
            assistant_id TEXT
        );
        INSERT INTO projects VALUES ('p', 'Support');
        INSERT INTO threads VALUES (1, 'thread_a', 'p', 'call back');
        INSERT INTO messages VALUES
            (1, 1, 'user', 'Where is it?', 1760000000, NULL),
            (2, 1, 'assistant', 'Here: ![photo](/file/file-A?group_id=p)', 1760000005, 'asst_1'),
            (3, 1, 'user', 'ok', 1760000009, NULL),
            (4, 1, 'user', 'ok', 1760000009, NULL);
        """
    )
    connection.close()
    return path


# Each of its own archive: ids, addresses, times of archiving; the hash follows from the rest.
_OWN = {"id", "thread_id", "project_id", "short_id", "archived_at", "search_key", "assistant_id"}


def said(project: Project) -> list[dict[str, Any]]:
    """Return what a project holds, without what is each archive's own."""
    rows = Message.objects.filter(thread__project=project).select_related("assistant", "source")
    return [
        {column.attname: getattr(row, column.attname) for column in Message._meta.concrete_fields}
        | {"thread": row.thread.external_id, "parts": row.source.parts}
        | {"assistant": row.assistant and row.assistant.external_id}
        for row in rows.order_by("thread__external_id", "position")
    ]


def threads(project: Project) -> list[dict[str, Any]]:
    rows = Thread.objects.filter(project=project).order_by("external_id")
    return [
        {column.attname: getattr(row, column.attname) for column in Thread._meta.concrete_fields}
        | {"tags": sorted(row.tags.values_list("name", flat=True))}
        | {"assistant": row.assistant and row.assistant.external_id}
        for row in rows
    ]


def without_own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in _OWN} for row in rows]


def bring(path: Path, project: Project, report: Path, form: str = "auto") -> dict[str, Any]:
    call_command("import_threads", str(path), project=project.slug, format=form, report=str(report))
    (counts,) = json.loads(report.read_text("utf-8")).values()
    return dict(counts)


@pytest.mark.parametrize(
    "make",
    [jsonl(EVERYTHING), jsonl(DUMP), jsonl(PREFERENCE), chatgpt, predecessor],
    ids=["interchange", "assistants", "preference", "chatgpt", "predecessor"],
)
def test_it_comes_back_as_it_went(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    here = make_project("Here", slug="here")
    there = make_project("There", slug="there")
    bring(make(tmp_path), here, tmp_path / "report.json")
    before = said(here), threads(here)
    out = tmp_path / "out.jsonl"
    call_command("export_threads", project=["here"], format="jsonl", output=str(out))

    again = bring(out, here, tmp_path / "again.json", "jsonl")
    elsewhere = bring(out, there, tmp_path / "elsewhere.json", "jsonl")

    assert (again["threads_new"], again["threads_changed"], again["problem_count"]) == (0, 0, 0)
    assert (said(here), threads(here)) == before
    assert elsewhere["threads_new"] == len(before[1])
    assert without_own(said(there)) == without_own(before[0])
    assert without_own(threads(there)) == without_own(before[1])
