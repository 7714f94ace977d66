"""Reading a thread with the keyboard: hits, prompts, results, raw text, only the conversation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from e2e.conftest import log_in
from threads.tests.factories import make_message

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from threads.models import Thread

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_words_are_found_in_the_thread_and_walked_through(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}{archive.get_absolute_url()}")
    find = page.get_by_role("searchbox", name="Find in this thread")

    find.fill("refund")
    find.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=refund#m-1$"))  # opens at the first hit
    expect(page.locator("[data-hit-count]")).to_have_text("1 of 3")
    find.press("Enter")
    expect(page.locator("[data-hit-count]")).to_have_text("2 of 3")
    find.press("Shift+Enter")
    expect(page.locator("[data-hit-count]")).to_have_text("1 of 3")
    find.fill("lamp")
    find.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=lamp#m-2$"))


def test_a_message_is_shown_as_written_and_the_tools_are_hidden(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}{archive.get_absolute_url()}")
    first = page.locator("#m-1")

    page.keyboard.press("j")
    first.get_by_role("button", name="As it was written").click()
    expect(first.locator("pre.long")).to_have_text("I want a **refund** for order 48213")
    first.get_by_role("button", name="As it was written").click()
    expect(first.locator("strong")).to_have_text("refund")
    expect(page.locator("#m-4")).to_be_visible()
    page.keyboard.press("t")
    expect(page.locator("#m-4")).to_be_hidden()
    page.reload()
    expect(page.locator("#m-4")).to_be_hidden()  # the choice is kept
    page.keyboard.press("t")
    page.keyboard.press("u")
    expect(page.locator("#m-1")).to_be_focused()
    page.keyboard.press("u")
    expect(page.locator("#m-3")).to_be_focused()
    page.keyboard.press("U")
    expect(page.locator("#m-1")).to_be_focused()


def test_a_thread_leads_on_through_the_results_and_says_what_is_new(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")
    page.locator(".hit h2 a").first.click()
    expect(page.get_by_text("Result 1 of 20")).to_be_visible()
    opened = page.url
    page.keyboard.press("]")
    expect(page.get_by_text("Result 2 of 20")).to_be_visible()
    page.keyboard.press("[")
    expect(page).to_have_url(opened)

    page.goto(f"{live_server.url}{archive.get_absolute_url()}")
    expect(page.get_by_text("New since your last visit")).to_have_count(0)
    make_message(archive, "One more thing")
    page.reload()
    expect(page.locator(".new-since + #m-6")).to_be_visible()


def test_a_thread_is_tagged_and_goes_to_the_trash_and_back(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    log_in(page, live_server, User.objects.create_superuser("ada"))
    page.goto(f"{live_server.url}{archive.get_absolute_url()}")

    page.get_by_role("link", name="Tag, hold or delete").click()
    page.get_by_label("Words, separated by commas.").fill("vip, urgent")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_role("button", name="Untag urgent").click()
    page.get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_role("status").first).to_contain_text("1 thread is in the trash.")
    page.get_by_role("button", name="Take out of the trash").click()
    page.get_by_role("link", name=archive.title).click()

    expect(page.locator("#details .chip")).to_have_text("vip")
