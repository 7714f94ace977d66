"""Drive the Chromium that the machine has, against a server with the sample's kind of threads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from threads.tests.factories import make_conversation, make_message, make_project

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from threads.models import Thread

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright runs an event loop
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        skip = pytest.mark.skip(reason="no Chromium here: apt-get install chromium")
        for item in items:
            if "e2e" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"locale": "en-GB", "timezone_id": "Europe/Berlin"}


@pytest.fixture(autouse=True)
def _nothing_is_refused_or_broken(page: Page) -> Iterator[None]:
    """Fail where the console tells of the security policy, or a script of ours fails."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console",
        lambda line: troubles.append(line.text) if "Content Security Policy" in line.text else None,
    )
    yield
    assert troubles == []


@pytest.fixture
def accessibility_faults(page: Page) -> Callable[..., list[str]]:
    """Return what lets axe-core look at the page: WCAG 2.2 AA and best practice, or one rule."""

    def look(rule: str = "") -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        return page.evaluate(  # type: ignore[no-any-return]
            # preload would copy style sheets into the page, which the security policy refuses
            "async rule => (await axe.run(document, {preload: false, runOnly: rule ? [rule] :"
            " {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa',"
            " 'best-practice']}})).violations"
            ".map(found => `${found.id}: ${found.nodes.map(node => node.html).slice(0, 3)}`)",
            rule,
        )

    return look


@pytest.fixture
def assert_accessible(
    page: Page, accessibility_faults: Callable[..., list[str]]
) -> Callable[[], None]:
    """Return what fails when axe-core finds anything on the page."""

    def check() -> None:
        assert accessibility_faults() == [], page.url

    return check


@pytest.fixture
def archive(transactional_db: None) -> Thread:
    """Make a small archive; the thread that is returned has three hits for "refund"."""
    shop = make_project("Shop")
    for number in range(25):
        make_conversation(f"Lamp {number}?", "In stock.", project=shop, title=f"Lamp {number}")
    thread = make_conversation(
        "I want a **refund** for order 48213",
        "Here is the table:\n\n| Item | Price |\n|---|--:|\n| Lamp | 59.90 |\n\n"
        "```python\nprint('a line of code that is much longer than any phone is wide, really')\n"
        "```\n\n# The refund\n\n- booked\n- [policy](https://shop.example/policy)",
        "Thanks!",
        project=make_project("Support"),
        title="Refund for order 48213",
        remark="VIP",
        metadata={"channel": "app"},
        item_count=5,
        message_count=3,
    )
    make_message(thread, 'find_order\n{"order": 48213}', role="tool", kind="tool_call", name="find")
    make_message(thread, '{"refund": "booked"}', role="tool", kind="tool_output", name="find")
    return thread


def log_in(page: Page, live_server: LiveServer, user: User) -> None:
    """Give the browser a session of `user`, without the pages that ask for it."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie: Any = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])
