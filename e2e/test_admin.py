"""An administrator sets a project up in the console and looks around."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from monitoring.actions import ban
from monitoring.models import Offence, SystemMetric
from projects.models import Connection, Project
from threadhub.lib.networks import network_of
from threads.models import Job, Thread
from threads.tests.openai_server import KEY, OpenAIServer

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"


@pytest.fixture
def console(page: Page, live_server: LiveServer) -> str:
    """Log an administrator in; return the console's address."""
    User.objects.create_superuser("root", password=PASSWORD)
    address = f"{live_server.url}/admin/"
    page.goto(address)
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    return address


def test_an_administrator_adds_a_project_and_a_connection_and_tests_it(
    page: Page, console: str
) -> None:
    page.get_by_role("link", name="Add a project").click()
    page.get_by_label("Name:", exact=True).press_sequentially("Customer support")
    expect(page.get_by_label("Short name")).to_have_value("customer-support")
    page.get_by_role("textbox", name="Tags").fill("prod, eu")
    page.get_by_role("button", name="Save", exact=True).click()
    project = Project.objects.get()
    expect(page.get_by_text("was added successfully")).to_be_visible()

    with OpenAIServer() as server:
        server.add_conversation("conv_1")
        page.goto(f"{console}projects/connection/add/?project={project.pk}")
        page.get_by_label("Base URL").fill(server.url)
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Save and test the connection").click()
        expect(page.get_by_text("The key and the address work.")).to_be_visible()

    expect(page.get_by_text(f"ends with …{KEY[-4:]}")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_value("")
    assert Connection.objects.get().open_key() == KEY


# Colours do not depend on the width, so each width and each theme is looked at once.
@pytest.mark.parametrize("screen", [(390, "dark"), (1440, "light")], ids=str)
def test_every_page_fits_its_screen_and_reads_well(
    page: Page,
    console: str,
    archive: Thread,
    assert_accessible: Callable[[], None],
    screen: tuple[int, str],
) -> None:
    width, scheme = screen
    now = timezone.now()
    for minute in range(30):
        SystemMetric.objects.create(
            measured_at=now - timedelta(minutes=minute), cpu_percent=20 + minute, memory_percent=50
        )
    job = Job.objects.create(kind="export", key="x", state="running", done_count=1, total_count=4)
    network = network_of("2001:db8:85a3:8d3::/64")
    Offence.add(network, "limit", what="fresh_search", now=now, by=1_240)
    Offence.add(network_of("192.0.2.7"), "login", what="", now=now, by=12)
    ban(network, by=None, now=now, until=now + timedelta(hours=1), reason="Too many requests")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("theme => localStorage.setItem('theme', theme)", scheme)
    pages = [
        *("", "threads/thread/", f"threads/thread/{archive.pk}/change/", "threads/thread/add/"),
        *(f"threads/message/?thread__id__exact={archive.pk}", "threads/syncrun/"),
        *(f"threads/job/{job.pk}/change/", "projects/project/", "projects/connection/"),
        *("auth/user/", "monitoring/auditevent/", "django_q/schedule/", "sample/remove/"),
        *("monitoring/offence/", "monitoring/requestban/", "monitoring/requestban/add/"),
        "monitoring/loginattempt/",
    ]

    for name in pages:
        page.goto(console + name)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        for table in page.locator("#changelist .results").all():
            assert table.evaluate("table => table.scrollWidth <= table.clientWidth"), name
        assert_accessible()


def test_choices_stand_one_below_the_other_on_a_phone(page: Page, console: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{console}projects/project/add/")

    places = [box.bounding_box() for box in page.get_by_role("radio").all()]

    assert len(places) == 3
    assert len({place and (place["x"], place["width"]) for place in places}) == 1


def test_the_charts_are_drawn_and_follow_the_theme(page: Page, console: str) -> None:
    SystemMetric.objects.create(cpu_percent=20, memory_percent=50)
    page.goto(console)

    chart = page.get_by_role("img", name="Processor, memory and disk")
    expect(chart.locator("canvas")).to_be_visible()
    before = chart.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")

    expect(chart.locator("canvas")).to_be_visible()
    assert chart.locator("canvas").evaluate("canvas => canvas.toDataURL()") != before


def test_a_jobs_page_follows_the_job_to_its_end(page: Page, console: str) -> None:
    job = Job.objects.create(kind="export", key="x", state="running", done_count=1, total_count=4)
    page.goto(console + f"threads/job/{job.pk}/change/")
    expect(page.get_by_text("1 of 4")).to_be_visible()

    Job.objects.update(done_count=3)
    expect(page.get_by_text("3 of 4")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "75")
    expect(page).to_have_title(re.compile("^75 %"))
    Job.objects.update(state="failed", error="The key is refused.", finished_at=timezone.now())

    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_text("The key is refused.").first).to_be_visible()


def test_a_phone_shows_cards_and_a_menu(page: Page, console: str, archive: Thread) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(console)

    expect(page.get_by_role("link", name="Connections")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Threads", exact=True).click()

    expect(page).to_have_url(re.compile(reverse("admin:threads_thread_changelist")))
    first = page.locator("#result_list tbody tr").first
    expect(first.locator("td.field-place")).to_have_attribute("data-label", "Project")
    box = first.bounding_box()
    assert box is not None
    assert box["width"] <= 390


def test_a_filter_opens_alone_and_closes_with_escape(
    page: Page, console: str, archive: Thread
) -> None:
    page.goto(console + "threads/thread/")
    project, state = page.locator(".th-filter").nth(0), page.locator(".th-filter").nth(2)

    project.locator("summary").click()
    state.locator("summary").click()
    expect(project).not_to_have_attribute("open", re.compile(".*"))
    page.keyboard.press("Escape")
    expect(state).not_to_have_attribute("open", re.compile(".*"))
    project.locator("summary").click()
    project.get_by_role("link", name="Support").click()

    expect(page.get_by_text("Refund for order 48213")).to_be_visible()
    expect(page.get_by_text("Lamp 3", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Clear all filters").click()
    expect(page).not_to_have_url(re.compile("project"))
