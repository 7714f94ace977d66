"""Exports from page and command: the threads on the screen, for who may see them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from monitoring.models import AuditEvent
from projects.models import Project
from threads.exports import order
from threads.imports.base import ListedThread
from threads.imports.idlist import read_ids
from threads.models import Job
from threads.tests.exporting import content_of, make_sourced, sign_in
from threads.tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().splitlines()]


def ids_of(content: bytes) -> list[str]:
    return [line["id"] for line in lines_of(content)]


def test_it_answers_a_small_export_at_once(client: Client) -> None:
    sign_in(client)
    make_sourced("refund me@example.org", title="First", external_id="conv_1")
    make_sourced("invoice", external_id="conv_2")

    response = client.post("/exports/new/", {"q": "refund", "form": "jsonl", "rows": "messages"})

    content = content_of(response)
    assert ids_of(content) == ["conv_1"]
    assert b"me@example.org" in content
    assert "attachment" in response["Content-Disposition"]
    assert "no-store" in response["Cache-Control"]
    event = AuditEvent.objects.get(action="export")
    assert (event.actor_name, event.details["query"], event.details["threads"]) == (
        "ann",
        "refund",
        1,
    )


def test_it_hides_addresses_from_visitors_whatever_they_ask_for(client: Client) -> None:
    make_sourced("refund me@example.org")

    response = client.post("/exports/new/", {"q": "refund", "form": "md"})

    content = content_of(response)
    assert b"[e-mail]" in content
    assert b"me@example.org" not in content


def test_it_exports_nothing_that_the_reader_may_not_see(client: Client) -> None:
    sign_in(client)
    hidden = make_project("Hidden", visibility=Project.Visibility.PRIVATE)
    secret = make_sourced("refund secret", project=hidden)
    public = make_sourced("refund")

    found = client.post("/exports/new/", {"q": "refund", "form": "jsonl"})
    chosen = client.post("/exports/new/", {"thread": secret.short_id, "form": "jsonl"})

    assert ids_of(content_of(found)) == [public.external_id]
    assert chosen.status_code == 400
    assert b"nothing to export" in chosen.content


def test_it_exports_chosen_threads_in_their_order(client: Client) -> None:
    first, second = make_sourced("one"), make_sourced("two")

    response = client.post(
        "/exports/new/", {"thread": f"{second.short_id},{first.short_id}", "form": "jsonl"}
    )

    assert ids_of(content_of(response)) == [second.external_id, first.external_id]
    event = AuditEvent.objects.get(action="export")
    assert event.details["thread_ids"] == [second.short_id, first.short_id]


def test_it_says_before_it_starts_how_much_it_will_be(client: Client) -> None:
    make_sourced("refund", "yes")

    response = client.get("/exports/new/?q=refund")

    assert b"1 thread" in response.content
    assert b"2 messages" in response.content


def test_it_refuses_a_large_export_to_visitors(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "AT_ONCE_MESSAGES", 1)
    make_sourced("refund", "yes")

    response = client.post("/exports/new/", {"q": "refund", "form": "csv"})

    assert response.status_code == 400
    assert b"too much for a visitor" in response.content
    assert not Job.objects.exists()


def test_it_exports_from_the_shell(tmp_path: Path) -> None:
    make_sourced("refund", project=make_project("Shop", slug="shop"), external_id="conv_1")
    make_sourced("refund", project=make_project("Desk", slug="desk"), external_id="conv_2")
    path = tmp_path / "out.jsonl"

    call_command(
        "export_threads", query="refund", project=["shop"], format="jsonl", output=str(path)
    )
    assert ids_of(path.read_bytes()) == ["conv_1"]

    call_command("export_threads", thread=["conv_2"], format="jsonl", output=str(path))
    assert ids_of(path.read_bytes()) == ["conv_2"]

    with pytest.raises(CommandError, match="There is no project nope"):
        call_command("export_threads", project=["nope"], format="jsonl", output=str(path))
    with pytest.raises(CommandError, match="nothing to export"):
        call_command("export_threads", query="zzzz", format="jsonl", output=str(path))
    with pytest.raises(CommandError, match="no column 'x'"):
        call_command("export_threads", columns="x", format="csv", output=str(path))


def test_it_reads_what_it_exported_without_a_change(tmp_path: Path) -> None:
    line = {
        "id": "conv_1",
        "title": "T",
        "created_at": "2026-01-01T00:00:00Z",
        "messages": [
            {"role": "user", "content": "=1+1\r\n退款", "created_at": 1767225600},
            {
                "id": "m",
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "f"}}],
            },
        ],
    }
    first, second = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    first.write_text(json.dumps(line) + "\n")
    make_project("Shop", slug="shop")
    call_command("import_threads", str(first), project="shop")
    call_command("export_threads", project=["shop"], format="jsonl", output=str(second))
    report = tmp_path / "report.json"

    call_command("import_threads", str(second), project="shop", report=str(report))

    (counts,) = json.loads(report.read_text()).values()
    assert (counts["threads_unchanged"], counts["messages_changed"], counts["messages_new"]) == (
        1,
        0,
        0,
    )


def test_it_loads_no_file_format_in_the_web_process() -> None:
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'threadhub.settings';"
        "django.setup(); import threadhub.urls;"
        "print([n for n in ('openpyxl', 'xhtml2pdf', 'reportlab', 'openai') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_it_reads_remarks_back_from_a_spreadsheet(form: str, tmp_path: Path) -> None:
    remarks = ["=1+1", "'=1", "＝SUM(1)", "0012", "'0012", "a_x000D_b", "3 Jan", "plain"]
    shop = make_project("Shop", slug="shop")
    for number, remark in enumerate(remarks):
        make_sourced("one", project=shop, external_id=f"{number}", remark=remark)
    path = tmp_path / f"ids.{form}"
    call_command("export_threads", project=["shop"], format=form, rows="threads", output=str(path))

    listed = [row for row in read_ids(path) if isinstance(row, ListedThread)]

    assert {row.external_id: row.remark for row in listed} == {
        f"{number}": remark for number, remark in enumerate(remarks)
    }


def test_it_says_in_the_manifest_who_exported_what(tmp_path: Path) -> None:
    make_sourced("refund", project=make_project("Shop", slug="shop"), external_id="conv_1")
    path = tmp_path / "out.zip"

    call_command(
        "export_threads", query="refund role:user", format="csv", output=str(path), zip=True
    )

    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    said = {name: manifest[name] for name in ("query", "filters", "exported_by", "rows", "masked")}
    assert said == {
        "query": "refund role:user",
        "filters": ["role:user"],
        "exported_by": "system",
        "rows": "messages",
        "masked": False,
    }
    assert manifest["counts"]["threads"] == 1
