"""Jobs, help, errors and what surrounds every page."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from projects.models import Project
from threadhub import __version__
from threads.models import Job
from threads.search.query import FIELDS
from threads.tests.factories import make_project

pytestmark = pytest.mark.django_db


def make_job(**fields: Any) -> Job:
    fields.setdefault("kind", Job.Kind.SYNC_PROJECT)
    fields.setdefault("key", str(uuid.uuid4()))
    return Job.objects.create(**fields)


def test_a_job_is_shown_to_those_it_belongs_to_only(client: Client) -> None:
    owner = User.objects.create_user("olga")
    project = make_project(visibility=Project.Visibility.PUBLIC)
    project.owners.add(owner)
    job = make_job(project=project)

    for user in (None, User.objects.create_user("sten")):
        if user:
            client.force_login(user)
        for path in ("", "cancel/", "retry/"):
            method = client.post if path else client.get
            assert method(f"/jobs/{job.pk}/{path}").status_code == 404
    client.force_login(owner)
    assert client.get(f"/jobs/{job.pk}/").status_code == 200


def test_the_fragment_asks_again_only_while_the_job_runs(client: Client) -> None:
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    job = make_job(requested_by=ada, state=Job.State.RUNNING, done_count=1, total_count=4)

    def fragment() -> str:
        response = client.get(f"/jobs/{job.pk}/", headers={"hx-request": "true"})
        return response.content.decode()

    running = fragment()
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED, error="No <b>key</b>")
    ended = fragment()

    assert "<html" not in running
    assert f'hx-get="/jobs/{job.pk}/"' in running
    assert 'value="25"' in running
    assert "<title>25 % · Sync of a project" in running
    assert "hx-get" not in ended
    assert "No &lt;b&gt;key&lt;/b&gt;" in ended


def test_a_job_is_stopped_and_tried_again(client: Client) -> None:
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    job = make_job(requested_by=ada)

    client.post(f"/jobs/{job.pk}/cancel/")
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED

    client.post(f"/jobs/{job.pk}/retry/")
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED

    assert client.get(f"/jobs/{job.pk}/cancel/").status_code == 405


def test_help_names_every_filter(client: Client) -> None:
    page = client.get("/help/search/").content.decode()

    for field in FIELDS.values():
        assert f"<code>{field.name}:</code>" in page
        assert str(field.description) in page.replace("&#x27;", "'")
    assert "<code>/err(or)?-" in page


def test_a_page_that_is_not_there_says_so_and_names_the_request(client: Client) -> None:
    response = client.get("/threads/nowhere/", headers={"x-request-id": "abcdef123456"})

    assert response.status_code == 404
    assert b"Nothing here" in response.content
    assert b"Signing in may help" in response.content
    assert b"abcdef123456" in response.content
    client.force_login(User.objects.create_user("ada"))
    assert b"Signing in may help" not in client.get("/threads/nowhere/").content


def test_a_failure_is_answered_with_a_page_that_needs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(raise_request_exception=False)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("threads.search.find", fail)
    response = client.get("/?q=x", headers={"x-request-id": "abcdef123456"})

    assert response.status_code == 500
    assert b"Something went wrong" in response.content
    assert b"abcdef123456" in response.content
    assert b"secret" not in response.content


def test_a_database_that_is_away_is_no_failure_of_ours(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("threads.search.find", fail)
    response = client.get("/?q=x")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert b"Back in a moment" in response.content


def test_what_is_too_large_is_refused_with_words(client: Client) -> None:
    response = client.post("/i18n/setlang/", {"next": "x" * 3_000_000})

    assert response.status_code == 413
    assert b"too much at once" in response.content


def test_a_form_without_its_token_is_refused_with_words() -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post("/i18n/setlang/", {"language": "zh-hant"})

    assert response.status_code == 403
    assert b"The form has expired" in response.content


def test_the_language_switch_keeps_the_reader_where_they_are(client: Client) -> None:
    response = client.post("/i18n/setlang/", {"language": "zh-hant", "next": "/?q=a%26b"})
    page = client.get("/help/search/").content.decode()

    assert response["Location"] == "/?q=a%26b"
    assert '<html lang="zh-hant"' in page
    assert "搜尋說明" in page


def test_no_page_carries_inline_script_or_style(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    job = make_job(state=Job.State.RUNNING)

    for path in ("/", "/?q=x", "/help/search/", "/missing/", f"/jobs/{job.pk}/"):
        page = client.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page), path


def test_every_page_keeps_robots_out_and_names_the_version(client: Client) -> None:
    response = client.get("/help/search/")

    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert f"ThreadHub {__version__}".encode() in response.content
    assert "Disallow: /" in client.get("/robots.txt").content.decode()
    assert client.get("/favicon.ico").status_code == 302


def test_signing_out_is_a_button_and_signing_in_comes_back(client: Client) -> None:
    visitor = client.get("/?q=a%26b").content.decode()
    client.force_login(User.objects.create_user("ada"))
    page = client.get("/").content.decode()

    assert 'href="/account/login/?next=%2F%3Fq%3Da%2526b"' in visitor
    assert '<form method="post" action="/account/logout/">' in page


def test_languages_are_called_by_their_own_names(client: Client) -> None:
    page = client.get("/help/search/", headers={"accept-language": "zh-hant"}).content.decode()

    assert re.search(r'lang="en">\s*English', page)
    assert re.search(r'lang="zh-hant" aria-current="true">\s*繁體中文', page)
