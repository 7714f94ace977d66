"""Fresh searches find threads that nobody knew, where the store can list them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from projects.models import Connection, Project, SiteSettings
from threads import actions
from threads.models import Job, Message, SyncRun, Thread
from threads.sources import Capability, Credentials, may_list, open_source, tells_use
from threads.sources.nouns import NOUNS
from threads.tests.factories import make_connection, make_project, make_thread
from threads.tests.fresh_searches import ask, work
from threads.tests.openai_server import OpenAIServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def chats() -> Iterator[OpenAIServer]:
    """A store that lists its threads: three, of which ThreadHub knows none."""
    with OpenAIServer() as server:
        for number in range(3):
            thread: dict[str, Any] = {"id": f"cthr_{number}", "object": "chatkit.thread"}
            thread |= {"created_at": 1_763_000_000, "title": f"Lamp {number}", "user": "u1"}
            thread["status"] = {"type": "active"}
            item: dict[str, Any] = {"id": f"cthi_{number}", "object": "chatkit.thread_item"}
            item |= {"type": "chatkit.user_message", "created_at": 1_763_000_001}
            item |= {"content": [{"type": "input_text", "text": f"A refund for lamp {number}"}]}
            server.add_listed(
                "/chatkit/threads", "items", thread | {"status": {"type": "active"}}, [item]
            )
        yield server


def make_chats(server: OpenAIServer, **fields: Any) -> Project:
    project = make_project()
    make_connection(project, base_url=server.url, store="chatkit", **fields)
    return project


def test_it_finds_and_reads_threads_that_nobody_knew(chats: OpenAIServer) -> None:
    project = make_chats(chats)

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())
    job = work(ask(project))

    assert (cost.looks_for_new, cost.threads, cost.calls) == (True, 0, 1)
    assert job.state == Job.State.DONE, job.error
    assert (job.done_count, job.total_count, job.result["messages_new"]) == (3, 3, 3)
    assert job.result["calls"] == len(chats.calls)
    assert Message.objects.filter(text__contains="refund").count() == 3
    triggers = set(SyncRun.objects.values_list("trigger", "job_id"))
    assert triggers == {(SyncRun.Trigger.FRESH_SEARCH, job.pk)}


def test_it_asks_for_no_list_that_was_read_just_now(chats: OpenAIServer) -> None:
    project = make_chats(chats)
    work(ask(project))
    chats.forget_calls()

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())
    work(ask(project))

    assert (cost.looks_for_new, cost.calls) == (False, 0)
    assert chats.calls == []


def test_the_list_is_within_the_calls_allowed(chats: OpenAIServer) -> None:
    SiteSettings(fresh_search_calls=2).save()
    project = make_chats(chats)

    job = work(ask(project))

    assert job.state == Job.State.DONE, job.error
    assert 0 < len(chats.calls) <= 2
    assert Thread.objects.count() == 3  # found; the next one, or the refresh, reads the rest


def test_it_looks_for_new_threads_once_when_a_worker_dies(
    chats: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ask(make_chats(chats))
    monkeypatch.setattr(
        "threads.sync.fresh._cost", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        work(search)
    monkeypatch.undo()
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    job = work(search)

    assert job.state == Job.State.DONE, job.error
    assert [call.path for call in chats.calls].count("/chatkit/threads") == 1
    assert job.result["messages_new"] == 3


def test_it_reads_what_is_known_when_the_list_is_refused(chats: OpenAIServer) -> None:
    project = make_chats(chats)
    connection = Connection.objects.get()
    make_thread(project, connection=connection, store="chatkit", external_id="cthr_0")
    chats.fail("500", path="/chatkit/threads")

    job = work(ask(project))

    assert job.state == Job.State.DONE, job.error
    assert job.result["threads_read"] == 1


def test_it_stops_while_it_looks_for_new_threads(
    chats: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ask(make_chats(chats))
    advance = Job.advance

    def cancel_at_once(job: Job, **changes: Any) -> bool:
        actions.cancel_fresh_search(search, by=None)
        return advance(job, **changes)

    monkeypatch.setattr(Job, "advance", cancel_at_once)

    assert work(search).state == Job.State.CANCELLED
    assert chats.calls == []


def test_it_knows_without_opening_a_store_what_the_store_can_do() -> None:
    addresses = [
        {"base_url": ""},
        {"base_url": "https://eu.api.openai.com/v1"},
        {"base_url": "http://127.0.0.1:9000/v1"},
        {"azure_endpoint": "https://x.openai.azure.com"},
    ]
    for store in NOUNS:
        for address in addresses:
            credentials = Credentials(api_key="k", azure_api_version="v1", **address)
            with closing(open_source(store, credentials)) as source:
                can_list = Capability.LIST_THREADS in source.capabilities
                tells = Capability.LAST_ACTIVE in source.capabilities
            assert (may_list(store, **address), tells_use(store)) == (can_list, tells), store
