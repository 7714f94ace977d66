"""Hostile threads are read in a real browser: nothing runs, nothing is loaded, nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle, islice
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from e2e.hostile import names, texts
from projects.models import Tag
from threads.models import Message, MessageSource, ShareLink, Thread
from threads.tests.factories import make_message, make_project, make_thread

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
_EACH = 190  # messages of a thread: one page


def _threads() -> Iterator[Thread]:
    """Put every text into messages of all kinds, and the short ones into every field."""
    fields, kinds = cycle(names()), cycle(Message.Kind.values)
    remaining = iter(texts())
    while some := list(islice(remaining, _EACH)):
        project = make_project(f"hostile {next(fields)}"[:200])
        thread = make_thread(
            project,
            title=next(fields)[:300],
            remark=next(fields),
            end_user=next(fields)[:200],
            model=next(fields)[:120],
            metadata={next(fields): next(fields), "k": next(fields)},
        )
        thread.tags.add(Tag.objects.create(name=f"hostile {next(fields)}"[:40]))
        for text in some:
            message = make_message(thread, f"hostile {text}", kind=next(kinds), name="x")
            annotation = {"type": "url_citation", "title": text[:300], "url": next(fields)}
            part = {"kind": "text", "text": text, "annotations": [annotation]}
            image = {"kind": "image", "text": text[:200], "url": next(fields)}
            MessageSource.objects.create(message=message, raw=text, parts=[part, image])
        yield thread


def test_hostile_threads_can_do_nothing_but_be_read(page: Page, live_server: LiveServer) -> None:
    owner = User.objects.create_superuser("ada")
    threads = list(_threads())
    away: list[str] = []

    def refuse(dialog: Dialog) -> None:
        away.append(dialog.message)
        dialog.dismiss()

    page.on(
        "request",
        lambda request: (
            away.append(request.url)
            if urlsplit(request.url).netloc != urlsplit(live_server.url).netloc
            else None
        ),
    )
    page.on("dialog", refuse)
    page.set_viewport_size({"width": 390, "height": 844})
    paths = ["/?q=hostile", "/?q=hostile&per=100"]
    paths += [f"/?q={quote(text[:500])}" for text in names()[:6]]
    for thread in threads:
        base = thread.get_absolute_url()
        _link, secret = ShareLink.issue(
            thread, by=owner, note="", now=timezone.now(), life=timedelta(days=1)
        )
        paths += [f"{base}?q=hostile", f"{base}print/", f"{base}5/", f"/shared/{secret}/"]

    for path in paths:
        page.goto(f"{live_server.url}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.wait_for_timeout(100)
        found = page.evaluate(
            """() => ({
                ran: window.ran ?? null,
                title: document.title,
                width: document.documentElement.scrollWidth,
                links: [...document.links].map(link => link.protocol),
                own: document.querySelectorAll('main, header.top').length,
                foreign: document.querySelectorAll('main :is(script:not([src^="/static/"]), iframe,'
                    + 'object, embed, style, link, base, meta, video, audio, [style])').length,
                cover: !!document.elementFromPoint(40, 20)?.closest('header.top, .thread-tools,'
                    + ' main'),
            })"""
        )
        assert found["ran"] is None, path
        assert found["title"] != "ran", path
        assert found["width"] <= 390, path
        assert set(found["links"]) <= {"http:", "https:", "mailto:"}, path
        assert found["own"] == 2, path
        assert found["foreign"] == 0, path
        assert found["cover"], path
    assert away == []
