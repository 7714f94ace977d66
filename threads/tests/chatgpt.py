"""ChatGPT exports for tests: nodes, conversations and zips, and what is read from them."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threads.imports import ImportedThread, Problem
from threads.imports.chatgpt import read_chatgpt

AT = datetime(2026, 2, 1, 9, 0, tzinfo=UTC).timestamp()


def node(name: str, parent: str | None, text: str = "", /, **fields: Any) -> dict[str, Any]:
    """A node with a text message of the user, unless `fields` say otherwise."""
    message: dict[str, Any] | None = {
        "id": f"m-{name}",
        "author": {"role": fields.pop("role", "user"), "name": fields.pop("name", None)},
        "create_time": fields.pop("at", AT),
        "content": fields.pop("content", {"content_type": "text", "parts": [text]}),
        "metadata": fields.pop("metadata", {}),
        "recipient": fields.pop("recipient", "all"),
    }
    if fields.pop("is_root", False):
        message = None
    return {"id": name, "message": message, "parent": parent, "children": [], **fields}


def conversation(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    mapping = {each["id"]: each for each in nodes}
    for each in nodes:
        if each["parent"] in mapping:
            mapping[each["parent"]]["children"].append(each["id"])
    made = {"id": "conv-1", "title": "A talk", "create_time": AT, "mapping": mapping}
    made["current_node"] = nodes[-1]["id"] if nodes else None
    return made | fields


def zipped(tmp_path: Path, files: dict[str, Any]) -> Path:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            text = content if isinstance(content, bytes | str) else json.dumps(content)
            archive.writestr(name, text)
    return path


def read(path: Path, **options: Any) -> tuple[list[ImportedThread], list[str]]:
    items = list(read_chatgpt(path, **options))
    problems = [item.message for item in items if isinstance(item, Problem)]
    return [item for item in items if isinstance(item, ImportedThread)], problems


def read_one(tmp_path: Path, talk: dict[str, Any]) -> ImportedThread:
    threads, problems = read(zipped(tmp_path, {"conversations.json": [talk]}))
    assert not problems
    (thread,) = threads
    return thread
