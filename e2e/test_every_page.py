"""Every public page, in both languages and themes: accessible, as wide as a phone, with a title."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from e2e.conftest import log_in
from threads.models import Job, SavedSearch, ShareLink, Thread
from threads.tests.factories import make_connection, make_message
from threads.urls import urlpatterns

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

# Routes that answer no page of their own: fragments, files, data, and forms that are sent.
_NO_PAGES = {
    *("facets", "suggestions", "further_hits", "feed", "saved_feed", "saved_delete"),
    *("robots", "favicon", "export_file", "file", "cancel_job", "retry_job", "saved_change"),
    *("cancel_fresh_search", "retry_fresh_search", "revoke_token", "revoke_share_link"),
}


def _paths(thread: Thread, owner: User) -> dict[str, list[str]]:
    """Return where each route's page is, by the route's name."""
    now, base = timezone.now(), thread.get_absolute_url()
    job = Job.objects.create(kind=Job.Kind.SYNC_PROJECT, key="k", project=thread.project)
    export = Job.objects.create(
        kind=Job.Kind.EXPORT, key="e", requested_by=owner, parameters={"form": "xlsx"}
    )
    _link, secret = ShareLink.issue(
        thread, by=owner, note="Ms Lin", now=now, life=timedelta(days=7)
    )
    SavedSearch.objects.create(owner=owner, name="Refunds", query="refund")
    make_connection(thread.project)
    return {
        "search": ["/", "/?q=lamp+role%3Auser", "/?q=refund+before%3Anever", "/?q=zebra"],
        "thread": [f"{base}", f"{base}?q=refund#m-2", f"{base}?branch=1"],
        "print": [f"{base}print/"],
        "message_source": [f"{base}1/"],
        "share_links": [f"{base}share/"],
        "manage": [f"{base}manage/"],
        "shared": [f"/shared/{secret}/"],
        "saved": ["/saved/"],
        "job": [f"/jobs/{job.pk}/"],
        "exports": ["/exports/"],
        "new_export": ["/exports/new/?q=refund"],
        "export": [f"/exports/{export.pk}/"],
        "fresh_searches": ["/fresh-searches/"],
        "new_fresh_search": ["/fresh-searches/new/?q=refund"],
        "api_tokens": ["/account/tokens/"],
        "search_help": ["/help/search/"],
        "": ["/missing/", "/account/", "/account/preferences/", "/account/sessions/"],
    }


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_every_page_is_accessible_and_fits(
    page: Page,
    live_server: LiveServer,
    archive: Thread,
    accessibility_faults: Callable[..., list[str]],
    language: str,
) -> None:
    """In both themes, too: what differs between them is the contrast."""
    owner = User.objects.create_superuser(
        "ada", email="ada@example.org", password="a long password"
    )
    Thread.objects.filter(pk=archive.pk).update(store="import")
    make_message(archive, "Another answer", role="assistant", branch=1)
    by_route = _paths(archive, owner)
    page.set_viewport_size({"width": 390, "height": 844})
    choice: Any = {
        "name": settings.LANGUAGE_COOKIE_NAME,
        "value": language,
        "url": live_server.url,
    }
    page.context.add_cookies([choice])
    log_in(page, live_server, owner)

    faults: dict[str, list[str]] = {}
    for path in [path for paths in by_route.values() for path in paths]:
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(f"{live_server.url}{path}")
        page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
        assert page.title(), path
        assert page.locator("html").get_attribute("lang") == language, path
        found = accessibility_faults()
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found += [f"dark: {fault}" for fault in accessibility_faults("color-contrast")]
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 390:
            found.append(f"{width} pixels wide")
        if found:
            faults[path] = found
    assert faults == {}


def test_no_page_is_forgotten(archive: Thread) -> None:
    owner = User.objects.create_superuser("ada")
    names = {pattern.name for pattern in urlpatterns}

    assert names - _NO_PAGES - set(_paths(archive, owner)) <= {"fresh_search", "unsubscribe"}


def test_the_first_start_and_the_login_are_accessible(
    page: Page,
    live_server: LiveServer,
    assert_accessible: Callable[[], None],
    transactional_db: None,
) -> None:
    for path in ("/", "/account/login/", f"/fresh-searches/{uuid.uuid4()}/"):
        page.goto(f"{live_server.url}{path}")
        assert_accessible()
