"""A visitor looks for a conversation and reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from threads.models import Job
from threads.tests.factories import make_conversation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from threads.models import Thread

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_a_visitor_searches_opens_a_hit_and_walks_on(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(live_server.url)
    page.keyboard.type("refund")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 thread")).to_be_visible()
    page.get_by_role("link", name="I want a refund").click()

    expect(page).to_have_url(re.compile(r"\?q=refund#m-1$"))
    expect(page.locator("#m-1 mark")).to_have_text("refund")
    expect(page.locator("[data-hit-count]")).to_have_text("1 of 3")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("#m-2$"))
    expect(page.locator("[data-hit-count]")).to_have_text("2 of 3")
    expect(page.locator("#m-2")).to_be_in_viewport()
    page.keyboard.press("n")
    expect(page.locator("#m-5 mark")).to_be_visible()
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("#m-2$"))
    page.keyboard.press("b")
    expect(page.get_by_role("combobox", name="Search the archive")).to_have_value("refund")


def test_keys_that_come_at_once_are_counted_one_by_one(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}{archive.get_absolute_url()}?q=refund#m-1")

    # Both in one turn of the browser's event loop: no event tells of the place between them.
    page.evaluate(
        "for (const key of ['n', 'n'])"
        " document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
    )

    expect(page).to_have_url(re.compile("#m-5$"))
    expect(page.locator("[data-hit-count]")).to_have_text("3 of 3")


def test_filters_order_and_pages_are_in_the_address(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")

    page.get_by_role("link", name="Shop").click()
    expect(page).to_have_url(re.compile("project%3Ashop"))
    page.get_by_role("link", name="Oldest").click()
    expect(page.locator(".hit")).to_have_count(20)
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.locator(".hit")).to_have_count(5)
    page.get_by_role("link", name="Previous", exact=True).click()
    expect(page.locator(".hit")).to_have_count(20)
    page.get_by_role("link", name="Remove filter project:shop").click()
    expect(page).not_to_have_url(re.compile("project"))


def test_theme_and_language_are_kept(page: Page, live_server: LiveServer, archive: Thread) -> None:
    page.goto(f"{live_server.url}/?q=refund")

    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.locator("summary", has_text="Language").click()
    page.get_by_role("button", name="繁體中文").click()

    expect(page.locator("html")).to_have_attribute("lang", "zh-hant")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(re.compile(r"\?q=refund"))
    expect(page.get_by_role("button", name="搜尋")).to_be_visible()
    page.goto(f"{live_server.url}{archive.get_absolute_url()}")
    expect(page.locator("#m-1 h2")).to_have_text("使用者")
    page.emulate_media(media="print")  # paper is white, whatever the theme
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")


def test_times_are_shown_in_the_reader_s_zone(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(live_server.url)
    # The browser tells its zone here, after the first paint.
    page.wait_for_function("document.cookie.includes('threadhub_timezone=')")
    page.goto(f"{live_server.url}{archive.get_absolute_url()}")

    expect(page.locator("#details")).to_contain_text("2026-03-01 13:00 CET")


def test_nothing_is_wider_than_a_phone(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    for path in ("/", "/?q=refund", f"{archive.get_absolute_url()}?q=refund", "/help/search/"):
        page.goto(f"{live_server.url}{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
    page.goto(f"{live_server.url}/?q=refund")
    page.get_by_role("link", name="Filters").click()
    expect(page.get_by_role("link", name="Last 7 days")).to_be_visible()


def test_shortcuts_can_be_seen_and_switched_off(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")
    field = page.get_by_role("combobox", name="Search the archive")

    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()
    expect(field).to_have_value("lamp")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Single keys act as shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(field).not_to_be_focused()
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()


def test_a_permalink_into_a_long_thread_finds_its_part(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    archive.messages.filter(position=5).update(position=450)

    page.goto(f"{live_server.url}{archive.get_absolute_url()}#m-450")

    expect(page.locator("#m-450")).to_be_visible()
    expect(page.get_by_text("Part 3 of 3").first).to_be_visible()


def test_a_job_page_follows_its_job_to_the_end(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    User.objects.create_superuser("ada", password="a long password")
    job = Job.objects.create(
        kind=Job.Kind.SYNC_PROJECT,
        key="x",
        project=archive.project,
        state=Job.State.RUNNING,
        done_count=3,
        total_count=10,
    )
    page.goto(f"{live_server.url}/admin/login/?next=/jobs/{job.pk}/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 of 10")).to_be_visible()

    Job.objects.filter(pk=job.pk).update(
        state=Job.State.DONE, done_count=10, finished_at=timezone.now()
    )

    expect(page.locator(".job .badge.good")).to_have_text("Done")
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.wait_for_timeout(1500)
    assert polls == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_an_accessibility_fault(
    page: Page,
    live_server: LiveServer,
    archive: Thread,
    assert_accessible: Callable[[], None],
    theme: Literal["light", "dark"],
) -> None:
    page.emulate_media(color_scheme=theme)
    address = archive.get_absolute_url()
    paths = ["/", "/?q=lamp+role%3Auser", "/?q=refund+before%3Anever", "/?q=zebra", "/help/search/"]
    paths += [address, f"{address}?q=refund#m-2", f"{address}print/", f"{address}1/", "/missing/"]

    for path in paths:
        page.goto(f"{live_server.url}{path}")
        page.evaluate("document.querySelectorAll('#messages details').forEach(d => d.open = true)")
        assert_accessible()


def test_it_reads_without_scripts(
    browser: Browser, live_server: LiveServer, archive: Thread
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url)

    page.get_by_role("searchbox").fill("refund")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="I want a refund").click()
    page.locator("#m-1").get_by_role("link", name="Next hit").click()

    expect(page).to_have_url(re.compile("#m-2$"))
    expect(page.locator("#m-2")).to_be_in_viewport()
    context.close()


def test_a_query_is_typed_with_the_help_of_suggestions(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")
    field = page.get_by_role("combobox", name="Search the archive")
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    field.fill("refund ")

    field.press_sequentially("pro")
    expect(options.first).to_contain_text("project:")
    expect(field).to_have_attribute("aria-expanded", "true")
    field.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "suggestion-0")
    field.press("Enter")
    expect(field).to_have_value("refund project:")
    expect(options).to_have_count(2)  # goes on with the values that there are
    field.press("Escape")
    expect(options).to_have_count(0)
    expect(field).to_have_value("refund project:")
    field.press("ArrowDown")
    options.filter(has_text="support").click()
    expect(field).to_have_value("refund project:support ")
    field.press("Enter")
    expect(page).to_have_url(re.compile(r"q=refund\+project%3Asupport"))

    field = page.get_by_role("combobox", name="Search the archive")
    field.fill("")
    field.press("ArrowDown")  # what was searched before, in this browser
    expect(options.nth(0)).to_contain_text("refund project:support")
    options.filter(has_text="lamp").click()
    expect(page).to_have_url(re.compile(r"\?q=lamp"))
    field.fill("")
    field.press("ArrowDown")
    options.filter(has_text="Forget recent searches").click()
    field.press("ArrowDown")
    expect(options).to_have_count(0)


def test_results_are_selected_and_exported_with_the_keyboard(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    page.goto(f"{live_server.url}/?q=lamp")

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Export the selected (2)")).to_be_enabled()
    page.get_by_label("Select this page").check()
    expect(page.get_by_role("button", name="Export the selected (20)")).to_be_enabled()
    page.get_by_label("Select this page").uncheck()
    page.keyboard.press("Escape")
    page.locator(".hit h2 a").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"/exports/new/\?thread=[^,]+$"))
    expect(page.get_by_text("1 thread,")).to_be_visible()

    page.goto(f"{live_server.url}/?q=lamp")
    page.locator(".hit h2 a").first.focus()
    page.keyboard.press("e")
    expect(page.get_by_text("26 threads,")).to_be_visible()


def test_further_hits_unfold_in_their_result(
    page: Page, live_server: LiveServer, archive: Thread
) -> None:
    make_conversation(*[f"quokka {number}" for number in range(9)])
    page.goto(f"{live_server.url}/?q=quokka")
    # Until what unfolds hits is there, after the first paint, the link leads to the thread.
    expect(page.locator(".facets:not([hx-get])")).to_be_attached()

    page.get_by_role("link", name="6 more in this thread").click()

    expect(page.locator(".fragments li")).to_have_count(9)
    expect(page).to_have_url(re.compile(r"\?q=quokka$"))


def test_a_search_is_saved_shared_and_followed(
    page: Page,
    live_server: LiveServer,
    archive: Thread,
    assert_accessible: Callable[[], None],
) -> None:
    User.objects.create_superuser("ada", email="ada@example.org", password="a long password")
    page.goto(f"{live_server.url}/admin/login/?next=/%3Fq%3Drefund")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.keyboard.press("Enter")

    page.locator("summary", has_text="Save this search").click()
    page.get_by_label("Name").fill("Weekly refunds")
    page.get_by_label("E-mail for new hits").select_option("Once a day")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Weekly refunds” is saved.")).to_be_visible()
    page.locator("summary", has_text="Change").click()
    page.get_by_role("combobox", name="Shared with", exact=True).select_option(
        "Everybody with an account"
    )
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".saved")).to_contain_text("Everybody with an account")
    page.locator("summary", has_text="Change").click()
    page.get_by_role("button", name="Make a feed").click()
    expect(page.get_by_role("link", name="/feeds/")).to_be_visible()
    page.locator("summary", has_text="Change").click()
    assert_accessible()
    page.get_by_role("link", name="Weekly refunds").click()
    expect(page.get_by_role("heading", name="1 thread")).to_be_visible()
