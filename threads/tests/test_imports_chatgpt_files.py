"""The images and files of ChatGPT exports: kept, shown to whoever may read, and never trusted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from projects.models import Project
from threads import attachments
from threads.archive import ImportReport, ingest
from threads.imports.chatgpt import read_chatgpt
from threads.models import Thread
from threads.tests.factories import NOW, make_project

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + b"picture " * 40


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Any) -> Path:
    settings.THREADHUB_DATA_DIR = tmp_path / "var"
    return tmp_path


def picture(name: str) -> dict[str, Any]:
    return {"content_type": "image_asset_pointer", "asset_pointer": name}


def talk(number: int, *parts: Any, **metadata: Any) -> dict[str, Any]:
    message = {
        "id": f"m{number}",
        "author": {"role": "user"},
        "create_time": 1_760_000_000 + number,
        "content": {"content_type": "multimodal_text", "parts": list(parts)},
        "metadata": metadata,
    }
    node: dict[str, Any] = {"id": "n", "message": message, "parent": None, "children": []}
    return {"id": f"conv-{number}", "title": "Cats", "mapping": {"n": node}, "current_node": "n"}


def exported(folder: Path, talks: list[dict[str, Any]], files: dict[str, bytes]) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", json.dumps(talks))
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def bring(path: Path, project: Project, *, is_dry_run: bool = False) -> ImportReport:
    report = ImportReport(is_dry_run=is_dry_run)
    ingest(read_chatgpt(path), project=project, now=NOW, report=report)
    return report


@pytest.mark.parametrize(
    ("pointer", "file_id", "name"),
    [
        ("file-service://file-AbC1", "file-AbC1", "file-AbC1-my cat.png"),
        ("file-service://file-AbC1", "file-AbC1", "file-AbC1"),
        ("file-service://file-AbC1", "file-AbC1", "dalle-generations/file-AbC1.webp"),
        ("sediment://file_00ab", "file_00ab", "user-1/file_00ab-0b1c-sanitized.png"),
        ("sediment://other.id-7", "other.id-7", "audio/other.id-7.dat"),
    ],
)
def test_it_finds_the_image_of_a_message_whatever_its_entry_is_called(
    tmp_path: Path, pointer: str, file_id: str, name: str
) -> None:
    project = make_project()
    path = exported(tmp_path, [talk(1, picture(pointer), "Look!")], {name: PNG})

    report = bring(path, project)

    kept = attachments.cached_file(project, file_id)
    assert kept is not None
    assert kept.read_bytes() == PNG
    assert (report.files_new, report.problem_count) == (1, 0)


def test_it_shows_the_image_on_the_page_of_its_thread(tmp_path: Path, client: Client) -> None:
    project = make_project(visibility=Project.Visibility.PUBLIC)
    pointer = picture("file-service://file-AbC1")
    bring(exported(tmp_path, [talk(1, pointer, "Look!")], {"file-AbC1-cat.png": PNG}), project)
    thread = Thread.objects.get()

    page = client.get(thread.get_absolute_url()).content.decode()

    address = reverse("threads:file", args=[project.slug, "file-AbC1"])
    assert address in page
    answer = client.get(address)
    assert answer["Content-Type"] == "image/png"
    assert b"".join(answer) == PNG


def test_it_keeps_attached_files_and_leaves_what_nobody_names(tmp_path: Path) -> None:
    project = make_project()
    attached = [{"id": "file-Doc1", "name": "notes.txt", "mime_type": "text/plain"}]
    path = exported(
        tmp_path,
        [talk(1, "Read this.", attachments=attached)],
        {"file-Doc1-notes.txt": b"Some notes.", "file-Else.png": PNG, "user.json": b"{}"},
    )

    report = bring(path, project)

    assert report.files_new == 1
    assert attachments.is_kept(project, "file-Doc1")
    assert not attachments.is_kept(project, "file-Else")


def test_it_rehearses_with_the_same_numbers_and_changes_nothing_the_second_time(
    tmp_path: Path,
) -> None:
    project = make_project()
    talks = [
        talk(1, picture("file-service://file-A"), picture("file-service://file-B")),
        talk(2, picture("file-service://file-A"), picture("file-service://file-Bad")),
    ]
    files = {"file-A.png": PNG, "file-B.png": PNG, "file-Bad.png": b"\x00\x01\x02 no picture"}
    path = exported(tmp_path, talks, files)

    rehearsal = bring(path, project, is_dry_run=True)
    was_kept = (tmp_path / "var" / "files").exists()
    first, second = bring(path, project), bring(path, project)

    assert not was_kept
    assert rehearsal.as_json() == {**first.as_json(), "is_dry_run": True}
    assert first.files_new == 2
    assert [problem["line"] for problem in first.problems] == [2]
    assert "file-Bad is not kept" in first.problems[0]["message"]
    assert (second.files_new, second.threads_unchanged) == (0, 2)


def test_it_names_a_damaged_or_oversized_file_and_stores_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    pictures = [picture("file-service://file-Torn"), picture("file-service://file-Big")]
    files = {"file-Torn.png": PNG * 50, "file-Big.png": PNG + bytes(1_000_000)}
    path = exported(tmp_path, [talk(1, *pictures, "Look!")], files)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("file-Torn.png").header_offset + 60
    torn = bytearray(path.read_bytes())
    torn[place : place + 20] = b"\xff" * 20
    path.write_bytes(torn)
    monkeypatch.setattr("threads.attachments.storage._MEGABYTE", 10_000)

    report = bring(path, project)

    assert report.threads_new == 1
    said = sorted(problem["message"] for problem in report.problems)
    assert len(said) == 2
    assert said[0].startswith("The file file-Big is not kept. The file is larger")
    assert said[1].startswith("The file file-Torn cannot be read")
