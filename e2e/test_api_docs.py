"""A programmer reads the API's description and tries it out; the policy stays strict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from threads.models import Thread

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_a_programmer_tries_a_search_out(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{live_server.url}/api/docs")
    page.locator("#operations-threads-search_threads").click()
    page.get_by_placeholder("q", exact=True).fill("refund")
    page.get_by_role("button", name="Execute").click()

    expect(page.locator(".live-responses-table .response .response-col_status")).to_have_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text(archive.short_id)
    assert all(url.startswith((live_server.url, "data:")) for url in asked)
