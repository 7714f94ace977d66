"""What every request passes: its client's address, its id, its headers, its time zone."""

from __future__ import annotations

import gzip
import json
import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from threadhub.lib.http import TimeZoneMiddleware, client_ip, json_error


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "expected"),
    [
        pytest.param("203.0.113.5", "1.1.1.1", 0, "203.0.113.5", id="no proxy: header is a lie"),
        pytest.param("127.0.0.1", "203.0.113.5", 1, "203.0.113.5", id="one proxy"),
        pytest.param("127.0.0.1", "1.1.1.1, 203.0.113.5", 1, "203.0.113.5", id="a lie in front"),
        pytest.param("10.0.0.1", "203.0.113.5, 10.0.0.2", 2, "203.0.113.5", id="two proxies"),
        pytest.param("10.0.0.1", "203.0.113.5", 2, "203.0.113.5", id="fewer hops than trusted"),
        pytest.param("127.0.0.1", "203.0.113.5, junk", 2, "127.0.0.1", id="junk stops the walk"),
        pytest.param("127.0.0.1", "", 1, "127.0.0.1", id="empty header"),
        pytest.param("", "203.0.113.5", 1, "203.0.113.5", id="Unix socket"),
        pytest.param("", "", 0, "0.0.0.0", id="nothing tells"),  # noqa: S104
        pytest.param("::1", "[2001:db8::7]:443", 1, "2001:db8::7", id="IPv6 with port"),
        pytest.param("::ffff:127.0.0.1", "203.0.113.5:99", 1, "203.0.113.5", id="mapped, port"),
        pytest.param("fe80::1%eth0", "", 0, "fe80::1", id="zone"),
    ],
)
def test_it_finds_the_client_address(
    rf: RequestFactory, remote: str, forwarded: str, proxies: int, expected: str
) -> None:
    request = rf.get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)

    assert client_ip(request, trusted_proxies=proxies) == expected


def test_it_trusts_as_many_proxies_as_the_setting_says(
    rf: RequestFactory, settings: Settings
) -> None:
    request = rf.get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.5")
    settings.THREADHUB_TRUSTED_PROXIES = 1

    assert client_ip(request) == "203.0.113.5"


def test_it_sends_the_security_headers(client: Client) -> None:
    response = client.get("/healthz")

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "noindex" in response["X-Robots-Tag"]


def test_it_gives_each_request_an_id(client: Client) -> None:
    first, second = client.get("/healthz"), client.get("/healthz")

    assert first["X-Request-ID"] != second["X-Request-ID"]


@pytest.mark.parametrize(
    ("given", "is_taken_over"),
    [("abcdef-0123456789", True), ("short", False), ("with space in it", False), ("x" * 65, False)],
)
def test_it_takes_over_a_sound_request_id(client: Client, given: str, is_taken_over: bool) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": given})

    assert (response["X-Request-ID"] == given) is is_taken_over


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [("Asia/Taipei", "Asia/Taipei"), ("../../etc/passwd", "UTC"), ("Nowhere/At_All", "UTC")],
)
def test_it_shows_times_in_the_readers_zone(rf: RequestFactory, cookie: str, expected: str) -> None:
    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse(timezone.get_current_timezone_name())

    request = rf.get("/")
    request.COOKIES["threadhub_timezone"] = cookie

    response = TimeZoneMiddleware(view)(request)

    assert response.content.decode() == expected
    assert timezone.get_current_timezone_name() == "UTC"


def test_it_answers_errors_in_one_shape() -> None:
    response = json_error(status=422, code="bad_date", message="No such day.", position=0)

    error = {"code": "bad_date", "message": "No such day.", "position": 0}
    assert json.loads(response.content) == {"error": error}
    assert response.status_code == 422


def test_it_leaves_the_logs_quiet_for_a_sound_request(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        client.get("/healthz")

    assert caplog.records == []


def test_it_sends_pages_compressed_and_files_as_they_are(client: Client) -> None:
    accepts = {"accept-encoding": "gzip"}

    page = client.get("/help/search/", headers=accepts)
    robots = client.get("/robots.txt", headers=accepts)

    assert page["Content-Encoding"] == "gzip"
    assert b"<!doctype html>" in gzip.decompress(page.content)
    assert "Accept-Encoding" in page["Vary"]
    assert "Content-Encoding" not in robots
