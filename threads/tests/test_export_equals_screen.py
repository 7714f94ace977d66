"""What a file holds is what the results page shows: the same threads, in the same order."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from pypdf import PdfReader

from projects.models import Project, SiteSettings, Tag
from threads.exports import EXPORTERS
from threads.models import Message, MessageSource, Thread
from threads.tests.factories import NOW, make_message, make_project, make_thread
from threads.views import search as search_view

pytestmark = pytest.mark.django_db

TEXTS = [
    "refund please",
    "late invoice",
    "=1+1 refund",
    "退款 訂單",
    "the parcel is late, refund",
    "error-401 in `code`",
    "Rechnung",
]
TERMS = [
    *("refund", "invoice", "late", "退款", "refun*", '"late invoice"', "error-401", "-invoice"),
    *("OR", "NOT late", "(refund OR invoice)", "zzz", "rechnung"),
]
FILTERS = [
    *("role:user", "role:assistant", "-role:user", "project:shop", "project:desk,shop", "tag:vip"),
    *("has:remark", "in:title", "after:2026-02-01", "before:2026-02-20", "messages:>2", "-tag:vip"),
    *("created:2026-02", "source:assistants", "group:message", "foo:bar", "title:Re"),
]
SORTS = ["", "sort:newest", "sort:oldest", "sort:longest", "sort:relevance"]

QUERIES = st.builds(
    lambda terms, filters, sort: " ".join([*terms, *filters, sort]).strip(),
    st.lists(st.sampled_from(TERMS), max_size=3),
    st.lists(st.sampled_from(FILTERS), max_size=2),
    st.sampled_from(SORTS),
)


def fill() -> None:
    """Fourteen threads in three projects, one of which the reader may not see."""
    shop, desk = make_project("Shop", slug="shop"), make_project("Desk", slug="desk")
    hidden = make_project("Hidden", slug="hidden", visibility=Project.Visibility.PRIVATE)
    vip = Tag.objects.create(name="vip")
    for number in range(14):
        thread = make_thread(
            (shop, desk, shop, desk, hidden)[number % 5],
            external_id=f"thread_{number:04}x",
            title=f"Re: {TEXTS[number % 7]}" if number % 3 else "",
            remark="late" if number % 4 == 0 else "",
            created_at=NOW.replace(month=2, day=1 + number),
        )
        if number % 3 == 0:
            thread.tags.add(vip)
        size, sent = 1 + number % 3, NOW
        for index in range(size):
            role = Message.Role.ASSISTANT if index % 2 else Message.Role.USER
            sent = NOW.replace(month=2, day=1 + number, hour=index)
            text = TEXTS[(number * 3 + index * 2) % 7]
            message = make_message(thread, text, role=role, created_at=sent)
            MessageSource.objects.create(message=message)
        Thread.objects.filter(pk=thread.pk).update(
            item_count=size, message_count=size, last_message_timestamp=sent
        )


def shown(client: Client, query: str) -> list[str]:
    """The ids on all pages of the results."""
    ids: list[str] = []
    cursor = ""
    while True:
        cache.clear()  # the limits count every page
        context = client.get("/", {"q": query, "cursor": cursor}).context
        ids += [result.thread.external_id for result, *_ in context["rows"]]
        cursor = context["page"].next_cursor
        if not cursor:
            return list(dict.fromkeys(ids))


def exported(client: Client, query: str, form: str, **options: str) -> list[str]:
    """The ids in the file that the export page gives for the same address."""
    cache.clear()
    response: Any = client.post("/exports/new/", {"q": query, "form": form, **options})
    if response.status_code == 400:
        assert b"nothing to export" in response.content
        return []
    content = b"".join(response.streaming_content)
    if options.get("zipped"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [entry["name"] for entry in json.loads(archive.read("manifest.json"))["files"]]
            return [found for name in names for found in ids_in(archive.read(name), form)]
    return ids_in(content, form)


def ids_in(content: bytes, form: str) -> list[str]:
    if form == "xlsx":
        values: list[str] = [row[0] for row in load_workbook(io.BytesIO(content)).active.values]  # type: ignore[union-attr, misc]
    elif form == "csv":
        values = [row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig")))]
    elif form == "jsonl":
        values = [json.loads(line)["id"] for line in content.splitlines()]
    elif form == "pdf":
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
        # In the heads of threads; the contents name some threads by their ids, too.
        values = re.findall(r"Thread\s+thread_\d{4}x", "\n".join(pages))
    else:
        values = [content.decode()]
    return list(dict.fromkeys(re.findall(r"thread_\d{4}x", "\n".join(map(str, values)))))


@pytest.mark.timeout(300)
def test_it_exports_what_the_screen_shows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_view, "PAGE_SIZES", (4,))
    SiteSettings(search_page_size=4).save()
    fill()
    client.force_login(User.objects.create_user("ann"))

    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        query=QUERIES.filter(bool),
        # Pages take a process each, so they come up less often.
        form=st.sampled_from([*(key for key in EXPORTERS if key != "pdf")] * 4 + ["pdf"]),
        rows=st.sampled_from(["messages", "threads"]),
        zipped=st.booleans(),
    )
    @example(query="refund sort:newest", form="pdf", rows="messages", zipped=False)
    @example(query="refund OR invoice", form="html", rows="messages", zipped=True)
    @example(query="zzz", form="csv", rows="messages", zipped=False)
    def check(query: str, form: str, rows: str, zipped: bool) -> None:
        options = {"rows": rows} | ({"zipped": "on"} if zipped else {})

        assert exported(client, query, form, **options) == shown(client, query)

    check()


def test_it_shows_enough_to_compare(client: Client) -> None:
    fill()
    client.force_login(User.objects.create_user("ann"))

    found = {query: len(shown(client, query)) for query in ("refund", "sort:oldest", "tag:vip")}

    assert found == {"refund": 9, "sort:oldest": 12, "tag:vip": 4}
