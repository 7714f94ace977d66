"""The archive's own name ends the title of every page; without one it is the product's."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from projects.models import SiteSettings
from threads.exports.order import ExportOrder
from threads.models import Job, ShareLink
from threads.tests.factories import make_conversation, make_project

pytestmark = pytest.mark.django_db
NAME = "Acme <archive>"


@pytest.fixture(params=["", NAME])
def name(request: pytest.FixtureRequest) -> str:
    """Save the setting; return what pages have to say."""
    SiteSettings(site_name=request.param).save()
    return request.param or "ThreadHub"


def title_of(response: Any) -> str:
    (found,) = re.findall("<title>(.*?)</title>", response.content.decode(), re.DOTALL)
    return html.unescape(found).strip()


def test_it_ends_the_titles_of_public_pages(client: Client, name: str) -> None:
    welcome = title_of(client.get("/"))
    make_conversation("A refund", title="Parcel")
    thread = make_conversation("Where is it?", title="Lamp").get_absolute_url()
    paths = ["/", "/?q=refund", "/?q=zebra", thread, f"{thread}print/", f"{thread}1/"]

    titles = [title_of(client.get(path)) for path in [*paths, "/help/search/", "/missing/"]]

    assert welcome == f"Welcome – {name}"
    assert titles == [
        f"Search – {name}",
        f"refund – Search – {name}",
        f"zebra – Search – {name}",
        f"Lamp – {name}",
        f"Lamp – {name}",
        f"Message 1 – Lamp – {name}",
        f"How to search – {name}",
        f"Nothing here – {name}",
    ]


def test_it_ends_the_titles_of_the_pages_of_an_account(client: Client, name: str) -> None:
    log_in = title_of(client.get("/account/login/"))
    client.force_login(User.objects.create_user("ada"))
    paths = ["", "preferences/", "sessions/", "second-factor/", "tokens/", "password/change/"]

    titles = [title_of(client.get(f"/account/{path}", follow=True)) for path in paths]

    assert all(re.fullmatch(f"[^–]+ – {name}", title) for title in [log_in, *titles])


def test_it_ends_the_titles_of_the_console(client: Client, name: str) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    project = make_project().pk
    paths = ["", "projects/project/", f"projects/project/{project}/change/", "threads/thread/"]

    titles = [title_of(client.get(f"/admin/{path}")) for path in paths]

    assert all(re.fullmatch(rf"[^–]+ \| {name}", title) for title in titles)
    assert titles[1] == f"Projects | {name}"


def test_it_stays_in_the_title_while_a_job_runs(client: Client, name: str) -> None:
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    job = Job.objects.create(
        kind=Job.Kind.SYNC_PROJECT,
        key=str(uuid.uuid4()),
        requested_by=ada,
        state=Job.State.RUNNING,
        done_count=1,
        total_count=4,
    )

    page = client.get(f"/jobs/{job.pk}/")
    fragment = client.get(f"/jobs/{job.pk}/", headers={"hx-request": "true"})

    assert title_of(page) == title_of(fragment)
    assert re.fullmatch(f"25 % · [^–]+ – {name}", title_of(page))


def test_it_is_on_a_shared_thread(client: Client, name: str) -> None:
    thread = make_conversation("Where is it?", title="Lamp")
    _link, secret = ShareLink.issue(
        thread,
        by=User.objects.create_superuser("ada"),
        note="",
        now=timezone.now(),
        life=timedelta(days=1),
    )

    page = client.get(f"/shared/{secret}/")

    assert title_of(page) == f"Lamp – {name}"
    assert f"<span>{html.escape(name)}</span>" in page.content.decode()


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answer a search that fails."""

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("threads.search.find", fail)
    return Client(raise_request_exception=False).get("/?q=x")


def test_it_is_on_pages_of_what_went_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [
        fail_with(RuntimeError("no"), monkeypatch),
        fail_with(OperationalError("locked"), monkeypatch),
        Client().post("/i18n/setlang/", {"next": "x" * 3_000_000}),
    ]

    assert [title_of(page) for page in pages] == [
        f"Something went wrong – {name}",
        f"Back in a moment – {name}",
        f"That is too much at once – {name}",
    ]
    assert f"<span>{html.escape(name)}</span>" in pages[0].content.decode()


def test_a_page_of_what_went_wrong_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    SiteSettings(site_name=NAME).save()

    def away(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no cache")

    def forget(*args: object, **kwargs: object) -> None:
        cache.clear()
        raise OperationalError("locked")

    monkeypatch.setattr("threads.search.find", forget)
    forgotten = Client().get("/?q=x")
    with monkeypatch.context() as patch:
        patch.setattr("projects.models.site.cache.get", away)
        unread = Client(raise_request_exception=False).get("/?q=x")

    assert title_of(forgotten) == "Back in a moment – ThreadHub"
    assert title_of(unread) == "Something went wrong – ThreadHub"


def test_it_costs_no_query(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    SiteSettings(site_name=NAME).save()

    with django_assert_num_queries(0):  # a visitor's page of help asks for nothing else
        assert title_of(client.get("/help/search/")).endswith(NAME)


def test_it_is_on_mails_and_in_the_app_for_codes(client: Client, name: str) -> None:
    User.objects.create_user("ada", email="ada@example.org", password="a long password")
    client.post("/account/login/", {"login": "ada", "password": "a long password"})

    activation = client.get("/account/second-factor/totp/activate/")
    Client().post("/account/password/reset/", {"email": "ada@example.org"})

    assert f"issuer={quote(name)}%20%28testserver%29" in activation.context["totp_url"]
    (sent,) = mail.outbox
    assert sent.subject.startswith(f"[{name}] ")
    assert f"Hello from {name}!" in sent.body


def test_it_is_the_title_of_exported_documents(name: str) -> None:
    order = ExportOrder("html", query="refund")

    assert order.options().title == f"{name} · refund"
