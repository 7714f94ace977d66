"""Zips that mean harm: refused, or read no further than they say."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from threads.imports import UnreadableFile, reader
from threads.tests.chatgpt import conversation, node, read, zipped


@pytest.mark.parametrize(
    "name", ["../evil.json", "a/../../evil", "/etc/passwd", "C:\\evil", "..\\evil.json"]
)
def test_it_refuses_entries_that_point_out_of_the_zip(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path, {"conversations.json": [], name: "x"})

    with pytest.raises(UnreadableFile, match="points out of it"):
        read(path)


def test_it_refuses_links(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("conversations.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(UnreadableFile, match="link"):
        read(path)


def test_it_refuses_what_unpacks_to_far_more_than_it_is(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"conversations.json": b" " * 20_000_000})

    with pytest.raises(UnreadableFile, match="200 times"):
        read(path)


def test_it_refuses_too_many_entries_before_reading_their_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threads.imports.zips.MOST_ENTRIES", 3)
    path = zipped(tmp_path, {f"file-{number}": "x" for number in range(4)})

    with pytest.raises(UnreadableFile, match="more than 3 entries"):
        read(path)


def test_it_never_reads_more_than_an_entry_says_it_has(tmp_path: Path) -> None:
    talk = conversation(node("q", None, "y" * 50_000))
    path = zipped(tmp_path, {"conversations.json": [talk]})
    content = path.read_bytes()
    size = len(json.dumps([talk]))
    lie = (1_000).to_bytes(4, "little")
    path.write_bytes(content.replace(size.to_bytes(4, "little"), lie))

    threads, problems = read(path)

    assert not threads
    assert len(problems) == 1


@pytest.mark.parametrize("form", ["auto", "chatgpt"])
def test_it_refuses_other_zips(tmp_path: Path, form: str) -> None:
    path = zipped(tmp_path, {"holiday.jpg": "x"})

    with pytest.raises(UnreadableFile):
        list(reader(path, form)(path))
