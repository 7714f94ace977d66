"""Forms with files: as large as is taken, from people who may, and refused before they are read."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

pytestmark = pytest.mark.django_db
MEGABYTE = 1024 * 1024


def send(client: Client, page: str, megabytes: int) -> HttpResponse:
    file = SimpleUploadedFile("talks.jsonl", b"{" * (megabytes * MEGABYTE))
    return client.post(reverse(page), {"file": file})  # type: ignore[return-value]


def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def test_it_takes_large_files_on_the_page_for_them(settings: Settings) -> None:
    settings.THREADHUB_MAX_UPLOAD_MB = 4
    client = staff()

    taken, refused = (
        send(client, "admin:threads_import", 3),
        send(client, "admin:threads_import", 5),
    )

    assert taken.status_code == 200  # the form again: it names no project
    assert refused.status_code == 413
    assert "That is too much at once" in refused.content.decode()


def test_it_takes_no_large_files_elsewhere_or_from_visitors(settings: Settings) -> None:
    settings.THREADHUB_MAX_UPLOAD_MB = 4

    assert send(staff(), "admin:login", 3).status_code == 413
    assert send(Client(), "account_login", 3).status_code == 413
    assert send(Client(), "admin:threads_import", 3).status_code == 413
    assert send(Client(), "admin:threads_import", 1).status_code == 302  # to the login
