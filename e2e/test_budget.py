"""What the search page costs a browser: bytes on the way, that nothing jumps, what can wait."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from threads.models import Thread

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
_MOST_BYTES = 60_000

_SHIFTS = """() => new Promise(done => {
    let sum = 0; const moved = [];
    new PerformanceObserver(list => { for (const one of list.getEntries()) {
        sum += one.value;
        moved.push(...one.sources.map(source => source.node?.outerHTML?.slice(0, 120)));
    } })
        .observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done([sum, moved]), 300);
})"""


def test_the_search_page_is_small_and_nothing_jumps(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    sizes: dict[str, int] = {}
    # Here files come as they lie; a started server sends them, and pages, compressed.
    page.on(
        "response",
        lambda response: sizes.update({response.url: len(gzip.compress(response.body(), 6))}),
    )

    page.goto(f"{live_server.url}/?q=lamp", wait_until="networkidle")

    assert sum(sizes.values()) < _MOST_BYTES, sizes
    assert page.evaluate(_SHIFTS) == [0, []]


def test_a_thread_does_not_jump_when_it_opens(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}{archive.get_absolute_url()}", wait_until="networkidle")

    assert page.evaluate(_SHIFTS) == [0, []]


def test_the_next_page_is_in_the_readers_time_zone(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")

    page.wait_for_function("document.cookie.includes('threadhub_timezone=Europe/Berlin')")
