"""Logging in with a second factor, and every page of the console and of accounts under axe."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from e2e.conftest import AXE
from monitoring.models import AuditEvent, SystemMetric
from projects.models import ApiToken, SiteSettings, Tag
from threads.models import Assistant, Job, Message, SavedSearch, SyncRun, Thread
from threads.tests.factories import make_connection

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"
SCREENS = [(390, "dark"), (1440, "light")]


def code_of(secret: str) -> str:
    """Return what an app shows now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def give_password(page: Page, address: str, password: str = PASSWORD) -> None:
    page.goto(address)
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def log_out(page: Page, address: str) -> None:
    page.goto(f"{address}/account/logout/")
    page.locator("main").get_by_role("button", name="Sign Out").click()


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_a_second_factor_is_set_up_asked_for_and_helped(
    page: Page,
    live_server: LiveServer,
    root: User,
    assert_accessible: Callable[[], None],
    screen: tuple[int, str],
) -> None:
    width, scheme = screen
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    SiteSettings(second_factor="administrators").save()
    site = live_server.url

    # Whoever has none lands where one is set up, and reaches the console afterwards.
    give_password(page, f"{site}/admin/")
    expect(page.get_by_role("heading", name="Set up an app")).to_be_visible()
    assert_accessible()
    page.get_by_text("Or type this in").click()
    secret = page.locator("code.secret").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert_accessible()
    recovery_code = page.locator("#recovery_codes").input_value().split()[0]
    page.get_by_label("I have saved my recovery codes").check()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.goto(f"{site}/admin/")
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()

    # A recovery code opens once; the app's code is one that was not used yet.
    log_out(page, site)
    give_password(page, f"{site}/admin/")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    assert_accessible()
    expect(page.get_by_role("button", name="Use a passkey or security key")).to_have_count(0)
    page.get_by_label("Code").fill(recovery_code)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()

    # Wrong codes lock the account.
    SiteSettings(rate_login_account="2/h", second_factor="administrators").save()
    log_out(page, site)
    give_password(page, f"{site}/admin/")
    for _ in range(2):
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Incorrect code.")).to_be_visible()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Too many requests")).to_be_visible()
    assert_accessible()
    assert AuditEvent.objects.filter(action="login", outcome="refused").count() == 2


def test_a_passkey_logs_in_without_a_password(
    page: Page, live_server: LiveServer, root: User
) -> None:
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    options |= {"automaticPresenceSimulation": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    site = live_server.url.replace("127.0.0.1", "localhost")  # addresses take no passkey

    give_password(page, f"{site}/account/second-factor/")
    page.get_by_role("link", name="Add one").click()
    page.get_by_label("Name").fill("My laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_label("I have saved my recovery codes").check()
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    log_out(page, site)
    page.goto(f"{site}/account/login/?next=/admin/")
    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()

    # After the password it is asked for as a second factor.
    log_out(page, site)
    give_password(page, f"{site}/admin/")
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()


def test_people_are_told_before_their_session_ends(
    page: Page, live_server: LiveServer, root: User
) -> None:
    page.clock.install()
    give_password(page, f"{live_server.url}/admin/")
    notice = page.get_by_text("You are about to be logged out.")
    expect(notice).to_be_hidden()

    page.clock.fast_forward(14 * 24 * 3600 * 1000 - 200_000)
    expect(notice).to_be_visible()
    page.clock.fast_forward(300_000)

    expect(page.get_by_text("You have been logged out.")).to_be_visible()


@pytest.fixture
def rows(archive: Thread, root: User) -> dict[str, object]:
    """Make a row of most kinds; return the key of one by model."""
    project = archive.project
    connection = make_connection(project, name="Store")
    job = Job.objects.create(
        kind="export", key="x", state="failed", error="Failed", project=project
    )
    SystemMetric.objects.create(cpu_percent=20, memory_percent=50)
    saved = SavedSearch.objects.create(owner=root, name="Refunds", query="refund")
    token, _text = ApiToken.issue(
        root, name="Robot", scopes=["read"], now=timezone.now(), life=timedelta(days=1)
    )
    run = SyncRun.objects.create(
        project=project, trigger="manual", state="done", started_at=timezone.now()
    )
    assistant = Assistant.objects.create(project=project, external_id="asst_1", name="Helper")
    return {
        "auth.User": root.pk,
        "projects.Project": project.pk,
        "projects.Connection": connection.pk,
        "projects.Tag": Tag.objects.create(name="vip").pk,
        "projects.ApiToken": token.pk,
        "threads.Thread": archive.pk,
        "threads.Message": archive.messages.order_by("pk")[0].pk,
        "threads.Assistant": assistant.pk,
        "threads.Job": job.pk,
        "threads.SyncRun": run.pk,
        "threads.SavedSearch": saved.pk,
    }


ACCOUNT_PAGES = (
    *("", "password/change/", "second-factor/", "second-factor/totp/activate/", "sessions/"),
    *("second-factor/webauthn/", "second-factor/webauthn/add/", "tokens/", "sso/", "logout/"),
    *("second-factor/recovery-codes/generate/", "inactive/", "password/reset/done/"),
    *("signup/", "sso/cancelled/", "sso/error/"),
)


def lists_and_forms(rows: dict[str, object]) -> Iterator[str]:
    """Yield the list and the empty form of every model of the console."""
    for model in admin.site._registry:
        base = f"admin:{model._meta.label_lower.replace('.', '_')}"
        thread = rows["threads.Thread"] if model is Message else None
        yield reverse(f"{base}_changelist") + (f"?thread__id__exact={thread}" if thread else "")
        yield reverse(f"{base}_add")


def pages_of_rows(rows: dict[str, object]) -> Iterator[str]:
    """Yield the pages of one row of every model, and the console's pages that are no model's."""
    for label, pk in rows.items():
        base = f"admin:{label.lower().replace('.', '_')}"
        yield from (
            reverse(f"{base}_{view}", args=[pk]) for view in ("change", "delete", "history")
        )
    yield from (reverse(f"admin:{name}") for name in ("index", "threads_import", "sample_remove"))
    yield reverse("admin:app_list", args=["threads"])
    yield reverse("admin:auth_user_password_change", args=[rows["auth.User"]])


def pages_of_accounts(_rows: dict[str, object]) -> Iterator[str]:
    yield from (f"/account/{name}" for name in ACCOUNT_PAGES)


@pytest.mark.timeout(300)  # a minute on a machine that does nothing else
@pytest.mark.parametrize(
    ("pages", "fewest"), [(lists_and_forms, 25), (pages_of_rows, 30), (pages_of_accounts, 12)]
)
def test_no_page_breaks_the_policy_or_shuts_anybody_out(
    page: Page,
    live_server: LiveServer,
    rows: dict[str, object],
    pages: Callable[[dict[str, object]], Iterator[str]],
    fewest: int,
) -> None:
    """No serious finding of axe, in Django's and django-allauth's own markup either.

    Two pages are dark, the next two in Chinese: what differs is contrast and words.
    """
    give_password(page, f"{live_server.url}/admin/")
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    found: list[str] = []
    looked = 0

    for number, address in enumerate(pages(rows)):
        is_dark = number // 2 % 2 == 0
        page.emulate_media(color_scheme="dark" if is_dark else "light", reduced_motion="reduce")
        language: Any = {"name": settings.LANGUAGE_COOKIE_NAME, "url": live_server.url}
        page.context.add_cookies([language | {"value": "en" if is_dark else "zh-hant"}])
        answer = page.goto(live_server.url + address, wait_until="domcontentloaded")
        assert answer is not None
        if answer.status in {403, 404, 405}:  # nobody may: logs are not added to
            continue
        looked += 1
        found += [f"{address} {finding}" for finding in serious_findings(page)]

    assert found == []
    assert looked >= fewest


def serious_findings(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    findings: list[str] = page.evaluate(
        "async () => (await axe.run(document, {preload: false, resultTypes: ['violations'],"
        " runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}}))"
        ".violations.filter(found => ['serious', 'critical'].includes(found.impact))"
        ".map(found => `${found.id}: ${found.nodes.map(node => node.html).slice(0, 2)}`)"
    )
    return [re.sub(r"\s+", " ", finding)[:300] for finding in findings]
