"""Fresh searches read what may have changed, once, within what is allowed, and can be stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from projects.models import SiteSettings
from threads import actions, sync, tasks
from threads.models import Job, Message, SyncRun, Thread
from threads.tests.factories import NOW
from threads.tests.fresh_searches import ask, make_archive, work
from threads.tests.openai_server import OpenAIServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _progress_at_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.sync.fresh._PROGRESS_SECONDS", 0.0)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one thread after the other, so that every number of threads is seen."""
    defaults = sync.sync_many.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "readers", 1)


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


def test_it_estimates_what_is_left_by_what_it_took() -> None:
    began_at = {"began_at": NOW.isoformat()}
    job = Job(done_count=10, total_count=40, result=began_at)

    assert sync.seconds_left(job, now=NOW + timedelta(seconds=10)) == 30
    assert sync.seconds_left(Job(total_count=40, result=began_at), now=NOW) is None
