"""Fresh searches read what may have changed, once, within what is allowed, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from projects.models import Connection, Project, SiteSettings
from threads import actions, sync, tasks
from threads.actions import Refused
from threads.models import FreshSearch, Job, Message, SyncRun, Thread
from threads.sources import Capability, Credentials, may_list, open_source, tells_use
from threads.sources.nouns import NOUNS
from threads.tests.factories import NOW, make_connection, make_project, make_thread
from threads.tests.openai_server import OpenAIServer, text_item

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        for number in range(40):
            item = text_item(f"msg_{number}", "user", f"A refund for lamp {number}")
            server.add_conversation(f"conv_{number}", [item])
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.heal()
    running_server.forget_calls()
    return running_server


@pytest.fixture(autouse=True)
def _progress_at_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.sync.fresh._PROGRESS_SECONDS", 0.0)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one thread after the other, so that every number of threads is seen."""
    defaults = sync.sync_many.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "readers", 1)


def make_archive(server: OpenAIServer, *, threads: int = 3, **fields: Any) -> Project:
    """Make a project with that many threads which nobody has read yet."""
    project = make_project(**fields)
    # As if its list had been read just now: what that finds has tests of its own.
    connection = make_connection(project, base_url=server.url, listed_at=timezone.now())
    for number in range(threads):
        make_thread(
            project,
            connection=connection,
            store="conversations",
            external_id=f"conv_{number}",
            created_at=None,
            next_refresh_at=timezone.now(),
        )
    return project


def ask(*projects: Project, query: str = "refund", by: User | None = None) -> FreshSearch:
    return actions.request_fresh_search(query, projects, by=by)


def work(search: FreshSearch) -> Job:
    tasks.perform_search_task(job_id=str(search.job_id))
    return Job.objects.get(pk=search.job_id)


def test_it_reads_what_is_new_and_says_so(server: OpenAIServer) -> None:
    search = ask(make_archive(server))

    job = work(search)

    assert job.state == Job.State.DONE, job.error
    assert (job.done_count, job.total_count, job.percent) == (3, 3, 100)
    assert job.result["messages_new"] == 3
    assert job.result["calls"] == len(server.calls)
    assert Message.objects.filter(text__contains="refund").count() == 3
    assert SyncRun.objects.get().trigger == SyncRun.Trigger.FRESH_SEARCH


def test_it_asks_for_nothing_that_was_read_just_now(server: OpenAIServer) -> None:
    project = make_archive(server)
    work(ask(project))
    server.forget_calls()

    job = work(ask(project))

    assert server.calls == []
    assert job.state == Job.State.DONE


def test_it_joins_those_who_ask_for_the_same_meanwhile(server: OpenAIServer) -> None:
    project = make_archive(server)
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")

    first = ask(project, query="Late  refund", by=ada)
    again = ask(project, query="late refund", by=ada)
    other = ask(project, query="late refund", by=bob)

    assert again == first
    assert other != first
    assert other.job == first.job
    assert Job.objects.count() == 1


def test_it_does_not_join_other_words_or_projects(server: OpenAIServer) -> None:
    project, elsewhere = make_archive(server), make_archive(server, name="Shop")

    searches = [ask(project), ask(project, query="lamp"), ask(project, elsewhere)]

    assert len({search.job_id for search in searches}) == 3


def test_it_runs_once_when_it_is_delivered_twice(server: OpenAIServer) -> None:
    search = ask(make_archive(server))

    work(search)
    calls = len(server.calls)
    work(search)

    assert len(server.calls) == calls
    assert SyncRun.objects.count() == 1


@pytest.mark.usefixtures("one_by_one")
def test_it_goes_on_where_a_killed_worker_was(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ask(make_archive(server, threads=6))
    advance = Job.advance

    def die_after_three(job: Job, **changes: Any) -> bool:
        is_mine = advance(job, **changes)
        if job.done_count == 3:
            raise KeyboardInterrupt  # as a signal would: nothing is tidied up
        return is_mine

    monkeypatch.setattr(Job, "advance", die_after_three)
    with pytest.raises(KeyboardInterrupt):
        work(search)
    monkeypatch.setattr(Job, "advance", advance)
    read_before = Thread.objects.filter(last_synced_at__isnull=False).count()
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    server.forget_calls()

    tasks.sweep_jobs()
    job = work(search)

    assert job.state == Job.State.DONE
    assert (job.done_count, job.total_count) == (6, 6)
    assert Thread.objects.filter(last_synced_at__isnull=False).count() == 6
    asked_again = {call.path.split("/")[2] for call in server.calls}
    assert len(asked_again) == 6 - read_before


def test_it_ends_with_a_sentence_when_every_worker_dies(server: OpenAIServer) -> None:
    search = ask(make_archive(server))
    Job.objects.update(
        state=Job.State.RUNNING, attempts=3, lease_until=timezone.now() - timedelta(seconds=1)
    )

    tasks.sweep_jobs()

    job = Job.objects.get(pk=search.job_id)
    assert job.state == Job.State.FAILED
    assert "never came to its end" in job.error


def test_its_progress_never_goes_back(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ask(make_archive(server, threads=8), make_archive(server, threads=5, name="Shop"))
    shown: list[tuple[int, int]] = []
    advance = Job.advance

    def look(job: Job, **changes: Any) -> bool:
        is_mine = advance(job, **changes)
        row = Job.objects.get(pk=job.pk)
        shown.append((row.done_count, row.total_count or 0))
        return is_mine

    monkeypatch.setattr(Job, "advance", look)
    monkeypatch.setattr("threads.sync.fresh._SLICE_SECONDS", -1.0)  # each slice: a few threads
    for _ in range(20):
        work(search)

    done = [count for count, _ in shown]
    assert done == sorted(done)
    assert {total for _, total in shown if total} == {13}
    assert done[-1] == 13
    assert Job.objects.get().state == Job.State.DONE


@pytest.mark.usefixtures("one_by_one")
def test_it_stops_at_once_when_cancelled(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ask(make_archive(server, threads=40))
    advance = Job.advance

    def cancel_after_two(job: Job, **changes: Any) -> bool:
        if changes["done"] == 2:
            actions.cancel_fresh_search(search, by=None)
            assert Job.objects.get().state == Job.State.CANCELLED
        return advance(job, **changes)

    monkeypatch.setattr(Job, "advance", cancel_after_two)

    job = work(search)

    assert job.state == Job.State.CANCELLED
    # Two that were read, and one that was under way at that moment; each takes two calls.
    assert len(server.calls) <= 2 * (2 + 1)


def test_it_looks_for_a_cancel_every_second_while_the_network_is_slow() -> None:
    from threads.sync import batch, fresh

    assert batch._HEARTBEAT_SECONDS + fresh._PROGRESS_SECONDS <= 2


def test_it_lets_one_go_while_others_wait(server: OpenAIServer) -> None:
    project = make_archive(server)
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    hers, his = ask(project, by=ada), ask(project, by=bob)

    actions.cancel_fresh_search(hers, by=ada)

    hers.refresh_from_db()
    assert hers.state == Job.State.CANCELLED
    assert his.is_live
    assert work(his).state == Job.State.DONE


def test_it_goes_on_when_it_is_tried_again(server: OpenAIServer) -> None:
    search = ask(make_archive(server))
    actions.cancel_fresh_search(search, by=None)

    actions.retry_job(Job.objects.get(), by=None)

    assert work(search).state == Job.State.DONE


def test_it_says_why_nothing_could_be_read(server: OpenAIServer) -> None:
    search = ask(make_archive(server))
    server.fail("401")

    job = work(search)

    assert job.state == Job.State.FAILED
    assert "key" in job.error.casefold()


def test_it_makes_no_more_calls_than_are_allowed(server: OpenAIServer) -> None:
    SiteSettings(fresh_search_calls=6).save()
    search = ask(make_archive(server, threads=20))

    job = work(search)

    assert job.state == Job.State.DONE
    assert 0 < len(server.calls) <= 6


def test_it_tells_beforehand_what_it_will_cost(server: OpenAIServer) -> None:
    project = make_archive(server, threads=5)

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())
    work(ask(project))

    assert (cost.threads, cost.calls) == (5, 10)
    assert cost.seconds >= 1
    assert len(server.calls) <= cost.calls


# New threads.


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


def test_it_says_that_no_calls_are_left(server: OpenAIServer) -> None:
    project = make_archive(server)
    Connection.objects.update(calls_per_minute=2)
    budget = sync.CallBudget(Connection.objects.get())
    budget.take()
    budget.take()

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())

    assert (cost.calls, cost.threads, cost.is_spent) == (0, 0, True)


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


# Who may, and how often.


def test_it_keeps_visitors_to_projects_that_allow_it(server: OpenAIServer) -> None:
    make_archive(server, name="Members only here")
    allowed = make_archive(server, name="Open", allows_visitor_fresh_search=True)
    make_archive(server, name="Closed", allows_visitor_fresh_search=True, visibility="private")
    make_project("Nothing to ask", allows_visitor_fresh_search=True)

    assert list(actions.askable_projects(AnonymousUser())) == [allowed]


def test_it_does_not_ask_through_connections_that_are_off(server: OpenAIServer) -> None:
    project = make_archive(server)
    Connection.objects.update(is_enabled=False)

    assert not actions.askable_projects(User.objects.create_superuser("ada")).exists()
    assert work(ask(project)).state == Job.State.FAILED


def test_it_asks_a_question_of_visitors_and_of_busy_members(server: OpenAIServer) -> None:
    SiteSettings(free_fresh_searches=1).save()
    project = make_archive(server)
    ada = User.objects.create_user("ada")
    staff = User.objects.create_user("bob", is_staff=True)

    before = actions.needs_captcha(ada)
    ask(project, by=ada)
    ask(project, by=staff)

    assert actions.needs_captcha(None)
    assert (before, actions.needs_captcha(ada), actions.needs_captcha(staff)) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize("query", ["", "   ", "x" * 2_001])
def test_it_refuses_what_cannot_be_searched(server: OpenAIServer, query: str) -> None:
    with pytest.raises(Refused):
        ask(make_archive(server), query=query)


def test_it_shows_nobody_the_searches_of_another(
    server: OpenAIServer, django_assert_num_queries: Callable[[int], Any]
) -> None:
    project = make_archive(server)
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    hers = ask(project, by=ada)
    visitors = ask(project, query="lamp")

    def seen(user: User | AnonymousUser) -> set[FreshSearch]:
        return set(FreshSearch.objects.visible_to(user))

    assert seen(bob) == seen(AnonymousUser()) == {visitors}
    assert seen(ada) == {hers, visitors}
    assert seen(User.objects.create_superuser("eve")) == {hers, visitors}


def test_it_estimates_what_is_left_by_what_it_took() -> None:
    began_at = {"began_at": NOW.isoformat()}
    job = Job(done_count=10, total_count=40, result=began_at)

    assert sync.seconds_left(job, now=NOW + timedelta(seconds=10)) == 30
    assert sync.seconds_left(Job(total_count=40, result=began_at), now=NOW) is None
