"""Whatever is wrong in a file: it is named, the rest comes in, once, as it was rehearsed."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projects.models import Project
from threads.archive import ImportReport, ingest
from threads.imports import ImportedThread, Problem, UnreadableFile, reader
from threads.models import Message, Thread
from threads.tests.chatgpt import conversation, node
from threads.tests.factories import NOW, make_project

within_a_test = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_times = st.none() | st.integers(1_500_000_000, 1_900_000_000) | st.just("2026-01-05T09:00:00Z")
_texts = st.none() | st.text(max_size=20)


def bring(path: Path, project: Project, *, is_dry_run: bool = False) -> ImportReport:
    report = ImportReport(is_dry_run=is_dry_run)
    ingest(reader(path)(path), project=project, now=NOW, report=report)
    return report


def numbers(report: ImportReport) -> dict[str, Any]:
    return report.as_json() | {"is_dry_run": None}


def archived() -> list[tuple[Any, ...]]:
    rows = Message.objects.order_by("thread__external_id", "position")
    return list(rows.values_list("thread__external_id", "thread__title", "remote_id", "text"))


def check(path: Path) -> tuple[ImportReport, list[tuple[Any, ...]]]:
    """Rehearse, import and import again; return the report and what is in the archive."""
    with transaction.atomic():
        project = make_project()
        rehearsal = bring(path, project, is_dry_run=True)
        assert not Thread.objects.exists()
        report = bring(path, project)
        assert numbers(rehearsal) == numbers(report)
        first = archived()
        again = bring(path, project)
        assert again.problems == report.problems
        assert archived() == first
        transaction.set_rollback(True)
    return report, first


# JSON Lines: good threads between anything that is none.


@st.composite
def _threads(draw: st.DrawFn) -> dict[str, Any]:
    messages = st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool"]), "content": _texts},
        optional={"created_at": _times, "model": st.sampled_from(["", "gpt-5"])},
    )
    said = draw(st.lists(messages, max_size=4))
    for number, message in enumerate(said):
        if draw(st.booleans()):
            message["id"] = f"m{number}"
    made = {"id": draw(st.sampled_from("abcdef")), "messages": said}
    return made | draw(st.fixed_dictionaries({}, optional={"created_at": _times, "title": _texts}))


_WRONG = (
    *(b"{", b"[]", b"null", b"NaN", b'{"messages": 1}', b"\xff\xfe", b"\0", b"[" * 2_000),
    *(b'{"messages": [{"role": 1}]}', b'{"messages": [{"role": "user", "created_at": {}}]}'),
    b'{"id": "x", "messages": [{"id": "a", "role": "user"}, {"id": "a", "role": "user"}]}',
    b'{"id": "x", "messages": [{"role": "user", "created_at": 1e300}]}',
    b'{"messages": [{"role": "user", "content": "x"}',
)


@within_a_test
@given(
    lines=st.lists(_threads() | st.sampled_from(_WRONG), min_size=1, max_size=8),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
@pytest.mark.django_db
def test_it_brings_each_good_line_and_names_each_wrong_one(
    tmp_path: Path, lines: list[dict[str, Any] | bytes], end: bytes
) -> None:
    path = tmp_path / "mixed.jsonl"
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b'{"id": "first", "messages": []}' + end + end.join(texts) + end)
    good = {"first"} | {str(line["id"]) for line in lines if isinstance(line, dict)}
    wrong = [number for number, line in enumerate(lines, 2) if isinstance(line, bytes)]

    report, rows = check(path)

    assert [problem["line"] for problem in report.problems] == wrong
    assert all(problem["message"].endswith(".") for problem in report.problems)
    assert report.threads_new == len(good)
    said = {(str(line["id"]),) for line in lines if isinstance(line, dict) and line["messages"]}
    assert {row[:1] for row in rows} == said


# ChatGPT exports: trees with cycles, ids that come twice, no times.


@st.composite
def _talks(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Return a conversation, and how many different messages it has."""
    names = ["a", "b", "c", "d", "e"][: draw(st.integers(1, 5))]
    parents = st.none() | st.sampled_from([*names, "nobody"])
    at = st.none() | st.floats(1.5e9, 1.9e9) | st.just("soon") | st.just(-1)
    nodes = []
    for name in names:
        made = node(name, None, f"{name} says", at=draw(at))
        made["parent"] = draw(parents)  # itself, too, or each other
        made["message"]["id"] = draw(st.sampled_from(["same", f"m-{name}", name]))
        made["children"] = draw(st.lists(st.sampled_from([*names, "nobody"]), max_size=3))
        nodes.append(made)
    talk = {
        "id": draw(st.sampled_from(["talk-1", "talk-2", "talk-3"])),
        "title": draw(_texts),
        "mapping": {each["id"]: each for each in nodes},
        "current_node": draw(st.none() | st.sampled_from([*names, "nobody"])),
    }
    return talk, len(nodes)


_NO_TALKS: list[Any] = [None, 1, "x", [], {}, {"mapping": 5}, {"mapping": None, "id": "talk-1"}]


@within_a_test
@given(talks=st.lists(_talks() | st.sampled_from(_NO_TALKS), min_size=1, max_size=5))
@pytest.mark.django_db
def test_it_brings_each_conversation_and_names_what_is_none(
    tmp_path: Path, talks: list[Any]
) -> None:
    path = tmp_path / "export.zip"
    plain = [each[0] if isinstance(each, tuple) else each for each in talks]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps(plain))
    real = [each for each in talks if isinstance(each, tuple)]

    report, rows = check(path)

    left_out = [p for p in report.problems if "is left out" in p["message"]]
    assert len(left_out) == len(talks) - len(real)
    assert {row[0] for row in rows} == {talk["id"] for talk, _count in real}
    once = Counter(talk["id"] for talk, _count in real)
    stored = Counter(row[0] for row in rows)
    missing = any("cannot be read" in problem["message"] for problem in report.problems)
    for talk, count in real:
        if once[talk["id"]] == 1 and not missing:
            assert stored[talk["id"]] == count


# Zips of which a part is damaged.

_FILES = 4


def _export(path: Path, method: int) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path, "w", method) as archive:
        for number in range(_FILES):
            talks = [
                conversation(node("q", None, f"{number} {each} " * 20), id=f"c-{number}-{each}")
                for each in range(3)
            ]
            archive.writestr(f"conversations-{number:03}.json", json.dumps(talks))
        return archive.infolist()


@within_a_test
@example(which=0, at=0.0, flip=1, method=zipfile.ZIP_DEFLATED)
@given(
    which=st.integers(0, _FILES - 1),
    at=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_it_reads_the_other_files_of_a_zip_of_which_one_is_damaged(
    tmp_path: Path, which: int, at: float, flip: int, method: int
) -> None:
    path = tmp_path / "export.zip"
    entry = _export(path, method)[which]
    content = bytearray(path.read_bytes())
    start = entry.header_offset + 30 + len(entry.filename)
    content[start + int(at * entry.compress_size)] ^= flip
    path.write_bytes(content)

    items = list(reader(path)(path))

    named = [item.message for item in items if isinstance(item, Problem)]
    brought = {item.thread.remote_id for item in items if isinstance(item, ImportedThread)}
    every = {f"c-{n}-{each}" for n in range(_FILES) for each in range(3)}
    assert {each for each in every if not each.startswith(f"c-{which}-")} <= brought
    # A packed file may come out right all the same: one bit says whether more would follow.
    assert any(entry.filename in message for message in named) or brought == every


@within_a_test
@given(data=st.data())
def test_it_survives_zips_with_any_byte_changed_or_cut_off(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "export.zip"
    _export(path, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.none() | st.integers(0, len(content)))
    path.write_bytes(content[:end])

    try:
        items = list(reader(path, "chatgpt")(path))
    except UnreadableFile:
        return  # as a whole, which is said in a sentence

    assert items
    assert all(isinstance(item, Problem | ImportedThread) for item in items)
