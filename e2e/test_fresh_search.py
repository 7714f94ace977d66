"""A visitor asks the source first: question, progress, results; with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from threads import captcha, tasks
from threads.models import Job
from threads.tests.factories import make_connection, make_conversation, make_project, make_thread
from threads.tests.openai_server import OpenAIServer, text_item

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        item = text_item("msg_1", "user", "I want a refund for the blue lamp")
        server.add_conversation("conv_1", [item])
        yield server


@pytest.fixture
def source(transactional_db: None, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a project with a thread that only the source knows, and a question with one answer."""
    project = make_project("Support", allows_visitor_fresh_search=True)
    make_conversation("A refund for the green lamp", project=project)
    make_thread(
        project,
        connection=make_connection(project, base_url=server.url),
        store="conversations",
        external_id="conv_1",
        created_at=None,
        next_refresh_at=timezone.now(),
    )
    monkeypatch.setattr(
        "threads.captcha.problems.make",
        lambda mode, rng: captcha.problems.Problem(
            mode, ("42" if mode is captcha.Mode.SOUND else "6 × 7 = ?",), "42"
        ),
    )


def work() -> None:
    """Do what a worker would."""
    tasks.perform_search_task(job_id=str(Job.objects.get().pk))


@pytest.mark.usefixtures("source")
def test_a_visitor_asks_the_source_first(
    page: Page, live_server: LiveServer, assert_accessible: Callable[[], None]
) -> None:
    page.goto(f"{live_server.url}/?q=refund")
    expect(page.get_by_role("heading", name="1 thread")).to_be_visible()
    page.get_by_role("link", name="Ask the source first").click()
    expect(page.get_by_text("1 thread may have changed")).to_be_visible()
    assert_accessible()

    page.get_by_label("Answer").fill("41")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("That was not the answer")
    page.get_by_role("button", name="Listen instead").click()
    expect(page.locator("audio")).to_be_visible()
    assert_accessible()
    page.get_by_label("Answer").fill("42")
    page.get_by_role("button", name="Ask and search").click()

    expect(page.get_by_text("Waiting")).to_be_visible()
    assert_accessible()
    work()
    expect(page).to_have_url(re.compile(r"/\?q=refund$"))
    expect(page.get_by_text("The source has been asked: 1 new message.")).to_be_visible()
    expect(page.get_by_role("heading", name="2 threads")).to_be_visible()
    page.wait_for_load_state("networkidle")  # the side bar's counts come after the page


@pytest.mark.usefixtures("source")
def test_it_needs_no_javascript(browser: Browser, live_server: LiveServer) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{live_server.url}/?q=refund")
    page.get_by_role("link", name="Ask the source first").click()
    page.get_by_role("button", name="Another question").click()
    page.get_by_label("Answer").fill("42")
    page.get_by_role("button", name="Ask and search").click()

    expect(page.get_by_text("Waiting")).to_be_visible()
    work()
    # Chromium without scripts draws no <noscript> for Playwright, so its link is followed by hand.
    page.goto(f"{page.url}?follow=1")

    expect(page).to_have_url(re.compile(r"/\?q=refund$"))
    expect(page.get_by_role("heading", name="2 threads")).to_be_visible()
    context.close()
