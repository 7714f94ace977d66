"""What goes out to a server, what may not, and what is never told to anybody."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest

from threads.sources import (
    BadAnswer,
    Credentials,
    Denied,
    SourceError,
    Throttled,
    Unavailable,
    Unsupported,
    checked_base_url,
    open_source,
)
from threads.sources.failures import Place
from threads.tests.made_up_server import ODD_KEY, answer_with, ask
from threads.tests.openai_server import OpenAIServer, text_item
from threads.tests.stores import FAULTS


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=ODD_KEY) as running:
        running.add_conversation("conv_1", [text_item("msg_1", "user", "hello")])
        yield running


def test_it_sends_its_own_key_and_nothing_from_the_environment(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-from-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/environment")
    headers = "Authorization: Bearer environment\nX-Leak: environment\nHost: environment.test"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"{headers}\napi-key: environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    with closing(open_source("conversations", Credentials(ODD_KEY, server.url))) as source:
        source.thread("conv_1")

    sent = server.calls[0].headers
    assert sent.pop("authorization") == f"Bearer {ODD_KEY}"
    assert sent.pop("host") == f"127.0.0.1:{server.port}"
    assert set(sent) <= {"accept", "accept-encoding", "user-agent", "connection"}
    assert "environment" not in str(sent)


def test_it_takes_no_key_or_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://environment.test/v1")
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json={"id": "conv_1"})

    ask(answer, url="")
    with pytest.raises(Denied, match="no key"):
        open_source("conversations", Credentials("  "))

    assert asked == ["https://api.openai.com/v1/conversations/conv_1"]


def test_it_sends_azure_its_own_header_and_version(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "environment")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "environment")
    monkeypatch.setenv("OPENAI_API_VERSION", "environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: environment")
    endpoint = f"http://127.0.0.1:{server.port}"
    server.add_thread("thread_1")
    credentials = Credentials(
        ODD_KEY, azure_endpoint=endpoint, azure_api_version="2025-04-01-preview"
    )

    with closing(open_source("assistants", credentials)) as source:
        source.thread("thread_1")

    call = server.calls[0]
    assert call.headers["api-key"] == ODD_KEY
    assert "authorization" not in call.headers
    assert call.query == {"api-version": "2025-04-01-preview"}
    with pytest.raises(Unavailable, match="API version"):
        open_source("assistants", Credentials(ODD_KEY, azure_endpoint=endpoint))


def test_it_sends_nothing_when_what_is_asked_before_refuses(server: OpenAIServer) -> None:
    allowed = iter([True, False])

    def take() -> None:
        if not next(allowed):
            raise Throttled("Enough.", retry_after_seconds=7)

    source = open_source("conversations", Credentials(ODD_KEY, server.url), before_call=take)
    with closing(source):
        source.thread("conv_1")
        with pytest.raises(Throttled) as raised:
            source.thread("conv_1")

    assert raised.value.retry_after_seconds == 7
    assert source.calls == len(server.calls) == 1


def test_it_follows_no_redirect(server: OpenAIServer) -> None:
    server.fail("redirect")

    with (
        closing(open_source("conversations", Credentials(ODD_KEY, server.url))) as source,
        pytest.raises(BadAnswer, match="redirect"),
    ):
        source.thread("conv_1")

    assert [call.path for call in server.calls] == ["/conversations/conv_1"]


@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS])
def test_it_shows_the_key_in_no_log_and_no_traceback(
    server: OpenAIServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Trackers show the variables of every frame as well, so those are looked at too."""
    caplog.set_level("DEBUG")
    server.fail(fault)
    server.add_conversation("conv_1", [text_item(f"m_{n}", "user", "hello") for n in range(3)])

    with closing(open_source("conversations", Credentials(ODD_KEY, server.url))) as source:
        shown = [repr(source), str(vars(source))]
        with pytest.raises(SourceError) as raised:
            source.messages("conv_1", source.messages("conv_1", limit=1).next, limit=1)

    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    shown += ["".join(told.format()), repr(raised.value), caplog.text]
    assert ODD_KEY not in "".join(shown)


@pytest.mark.parametrize("fields", [{"base_url": "ftp://x.test"}, {"base_url": "http://a@b.test"}])
def test_it_shows_the_key_in_no_traceback_of_an_address_that_is_refused(
    fields: dict[str, str],
) -> None:
    credentials = Credentials(ODD_KEY, **fields)

    with pytest.raises(Unavailable) as raised:
        open_source("conversations", credentials)

    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert ODD_KEY not in "".join(told.format())


def test_it_hides_the_key_in_what_represents_a_connection() -> None:
    place = Place("server.test", "conversations", "conversations", False, (ODD_KEY,))  # noqa: FBT003

    assert ODD_KEY not in repr([place, Credentials(ODD_KEY)])


def test_it_does_not_repeat_a_key_that_the_server_repeats() -> None:
    said = {"error": {"message": f"Wrong key {ODD_KEY}, was it sk-proj-abc***xyz?\r\nSee\x00 http"}}

    with pytest.raises(Denied) as raised:
        ask(answer_with(401, said))

    assert "It says: Wrong key [secret], was it [secret]" in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/v1",
        "http://[64:ff9b::a9fe:a9fe]/v1",
        "http://[fe80::1]/v1",
        "http://[fd00:ec2::254]/v1",
        "http://100.100.100.200/v1",
        "http://224.0.0.1/v1",
        "file:///etc/passwd",
        "gopher://server.test/v1",
        "https://",
        "https:///v1",
        "server.test/v1",
        "https://user:password@server.test/v1",
        "https://server.test/v1?key=1",
        "https://server.test:port/v1",
        "https://[::1/v1",
        "https://[v1.x]/v1",
        "https://ser ver.test/v1",
        "https://server.test/\\@other.test/v1",
        "https://server.test\x00/v1",
        "https://server.test:99999/v1",
        "https://server..test/v1",
        "https://.test/v1",
        f"https://{'a' * 70}.test/v1",
        "https://a\u2024b.test/v1",
    ],
)
def test_it_refuses_addresses_that_are_none_or_never_called(url: str) -> None:
    with pytest.raises(Unavailable):
        open_source("conversations", Credentials(ODD_KEY, url))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "[::1]", "[fc00::1]"])
def test_it_calls_private_hosts_only_where_they_are_allowed(host: str) -> None:
    url = f"http://{host}:8080/v1/"

    assert checked_base_url(url, allow_private_hosts=True) == f"http://{host}:8080/v1"
    with pytest.raises(Unavailable, match="THREADHUB_ALLOW_PRIVATE_HOSTS"):
        checked_base_url(url, allow_private_hosts=False)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1"])
def test_it_sends_nothing_to_a_name_that_turns_out_to_be_private(
    server: OpenAIServer, name: str
) -> None:
    credentials = Credentials(ODD_KEY, f"http://{name}:{server.port}/v1")
    open_to_all = open_source("conversations", credentials)
    careful = open_source("conversations", credentials, allow_private_hosts=False)

    with closing(open_to_all):
        open_to_all.thread("conv_1")
    with closing(careful), pytest.raises(Unavailable, match="private network"):
        careful.thread("conv_1")

    assert len(server.calls) == 1


def test_it_says_that_nothing_listens_and_that_there_is_no_encryption(server: OpenAIServer) -> None:
    nobody = open_source("conversations", Credentials(ODD_KEY, "http://127.0.0.1:9/v1"))
    plain = open_source("conversations", Credentials(ODD_KEY, server.url.replace("http", "https")))

    with closing(nobody), pytest.raises(Unavailable, match="Nothing listens"):
        nobody.check()
    with closing(plain), pytest.raises(Unavailable, match="encrypted"):
        plain.check()


def test_it_knows_no_other_store() -> None:
    with pytest.raises(Unsupported):
        open_source("hologram", Credentials(ODD_KEY))


def test_it_loads_the_sdk_in_no_process_that_only_serves_pages() -> None:
    program = (
        "import sys, django; django.setup(); import threads.sources, threadhub.wsgi;"
        "from django.urls import get_resolver; get_resolver().url_patterns;"
        "assert not {'openai', 'httpx2'} & set(sys.modules)"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "threadhub.settings", "SECRET_KEY": "x" * 50}

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
