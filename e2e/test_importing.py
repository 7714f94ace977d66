"""A project's owner brings a file in the console: looks first, imports, reads what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from threads.models import Job, Thread
from threads.tasks import run_import_task
from threads.tests.factories import make_project

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"


def run(page: Page) -> None:
    """Work the queued import off as a worker would; the page shows it by itself."""
    expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
    run_import_task(job_id=str(Job.objects.latest("queued_at").pk))


@pytest.fixture
def talks(settings: Any, tmp_path: Path) -> Path:
    """A file with a thread, and a line that is none; what is uploaded lies beside it."""
    settings.THREADHUB_DATA_DIR = tmp_path
    talk = {"id": "conv_1", "title": "Lamp", "messages": [{"role": "user", "content": "In stock?"}]}
    path = tmp_path / "talks.jsonl"
    path.write_text(f"{json.dumps(talk)}\n{{broken\n", "utf-8")
    return path


@pytest.mark.parametrize("screen", [(390, "dark"), (1440, "light")], ids=str)
def test_an_owner_looks_at_a_file_and_imports_it(
    page: Page,
    live_server: LiveServer,
    talks: Path,
    assert_accessible: Callable[[], None],
    screen: tuple[int, str],
) -> None:
    page.set_viewport_size({"width": screen[0], "height": 800})
    page.emulate_media(color_scheme=screen[1])  # type: ignore[arg-type]
    make_project("Not hers")
    project = make_project("Support")
    project.owners.add(User.objects.create_user("olivia", password=PASSWORD, is_staff=True))

    page.goto(f"{live_server.url}/admin/threads/thread/import/")
    page.get_by_label("Username").fill("olivia")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Project:")).not_to_contain_text("Not hers")
    assert_accessible()
    page.get_by_label("Project:").select_option(label="Support")
    page.get_by_label("File:").set_input_files(talks)
    page.get_by_role("button", name="Look at it").click()
    run(page)
    expect(page.get_by_role("heading", name="What the import would do")).to_be_visible()
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="conv_1")).to_contain_text("added")
    expect(rows.filter(has_text="This is not JSON")).to_contain_text("refused")
    assert_accessible()
    assert not Thread.objects.exists()

    page.get_by_role("button", name="Import now").click()
    run(page)
    expect(page.get_by_role("heading", name="What the import did")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == screen[0]

    page.get_by_role("link", name="Threads: Support").click()
    expect(page.get_by_role("link", name="Lamp").first).to_be_visible()
