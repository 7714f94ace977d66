"""Chosen threads go, here or here and upstream: counted, typed, as a job; never what is held."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from monitoring.models import AuditEvent
from projects.models import Project
from threads import actions, tasks
from threads.models import Job, Thread, Tombstone
from threads.search import setup
from threads.sync.listing import list_new
from threads.tests.factories import (
    NOW,
    make_connection,
    make_conversation,
    make_project,
    make_thread,
)
from threads.tests.openai_server import OpenAIServer, text_item
from threads.work import slices

pytestmark = pytest.mark.django_db

LIST = "admin:threads_thread_changelist"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def owner_of(*projects: Project) -> Client:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    client = Client()
    client.force_login(user)
    return client


def choose(client: Client, name: str, *threads: Thread) -> tuple[str, str]:
    """Start an action on `threads`; return the address and the text of the page that asks."""
    answer = client.post(
        reverse(LIST),
        {"action": name, "_selected_action": [thread.pk for thread in threads]},
        follow=True,
    )
    return answer.redirect_chain[-1][0], answer.content.decode()


def finish(job: Job) -> Job:
    tasks.delete_threads_task(job_id=str(job.pk))
    job.refresh_from_db()
    return job


def outcomes(job: Job) -> dict[str, str]:
    return {name: end for name, end, _why in job.result["threads"].values()}


def test_it_asks_for_the_number_and_deletes_here() -> None:
    project = make_project()
    going = make_conversation("a", "b", project=project, item_count=2)
    held = make_conversation("c", project=project, is_held=True)
    kept = make_conversation("d", project=project)
    client = owner_of(project)

    address, page = choose(client, "delete_here", going, held)
    refused = client.post(address, {"typed": "2"}).content.decode()
    client.post(address, {"typed": "1"})
    job = finish(Job.objects.get())

    assert "Type the number of threads, <code>1</code>" in page
    assert "1 chosen thread is on legal hold" in page
    assert "Type the number of threads that go, 1" in refused
    assert set(Thread.objects.all()) == {held, kept}
    assert outcomes(job) == {going.external_id: "deleted"}
    assert "1 thread is deleted." in job.result["message"]
    assert setup.problems() == []


def test_it_puts_the_wish_and_the_deed_on_the_audit_log() -> None:
    project = make_project()
    thread = make_conversation("a", project=project, title="Mrs Smith is angry")
    client = owner_of(project)

    address, _page = choose(client, "delete_here", thread)
    client.post(address, {"typed": "1"})
    finish(Job.objects.get())

    wish = AuditEvent.objects.get(action="thread.request_deletion")
    deed = AuditEvent.objects.get(action="thread.delete")
    assert (wish.actor_name, wish.details["count"]) == ("olivia", 1)
    assert (deed.actor_name, deed.details["threads"]) == ("olivia", [thread.external_id])
    assert "Smith" not in str(deed.details) + deed.target_label


def test_it_deletes_only_what_is_managed_when_it_is_confirmed() -> None:
    project = make_project()
    thread = make_conversation("a", project=project)
    client = owner_of(project)
    address, _page = choose(client, "delete_here", thread)

    project.owners.clear()
    page = client.post(address, {"typed": "1"}).content.decode()

    assert not Job.objects.exists()
    assert thread.external_id not in page


def test_it_gives_nobody_else_what_somebody_chose() -> None:
    project = make_project()
    thread = make_conversation("a", project=project)
    address, _page = choose(owner_of(project), "delete_here", thread)
    stranger = Client()
    stranger.force_login(User.objects.create_superuser("root"))

    answer = stranger.post(address, {"typed": "1"}, follow=True)

    assert "Choose the threads again" in answer.content.decode()
    assert not Job.objects.exists()


def test_it_sees_a_hold_that_comes_after_the_click() -> None:
    thread = make_conversation("a")
    chosen = Thread.objects.filter(pk=thread.pk)
    job = actions.request_thread_deletion(chosen, by=None, typed="1", erases_upstream=False)
    chosen.update(is_held=True)

    finish(job)

    assert outcomes(job) == {thread.external_id: "held"}
    assert Thread.objects.get().trashed_at is None


def test_it_deletes_upstream_first_and_says_of_each_what_became_of_it(
    server: OpenAIServer,
) -> None:
    project = make_project()
    connection = make_connection(project, base_url=server.url)
    server.add_conversation("conv_there", [text_item("msg_1", "user", "Hi")])
    there = make_conversation(
        "a", project=project, connection=connection, store="conversations", external_id="conv_there"
    )
    gone = make_conversation(
        "b", project=project, connection=connection, store="conversations", external_id="conv_gone"
    )
    held = make_thread(project, connection=connection, external_id="conv_held", is_held=True)
    from_file = make_thread(project, external_id="file", store="import", upstream_state="imported")
    orphan = make_thread(project, external_id="orphan", store="conversations")
    chosen = Thread.objects.filter(pk__in=[there.pk, gone.pk, held.pk, from_file.pk, orphan.pk])

    job = actions.request_thread_deletion(chosen, by=None, typed="4", erases_upstream=True)
    finish(job)

    assert outcomes(job) == {
        "conv_there": "erased",
        "conv_gone": "was_gone",
        "file": "deleted",
        "orphan": "kept",
    }
    assert set(Thread.objects.all()) == {held, orphan}
    assert "/conversations/conv_there" not in server.objects
    assert server.count("conv_held") == 0
    assert job.state == Job.State.FAILED  # one stays, and can be tried again
    assert "1 stays here too" in job.error
    told = AuditEvent.objects.filter(action="thread.erase").values_list("outcome", flat=True)
    assert sorted(told) == ["failed", "ok", "ok", "ok"]


def test_it_keeps_here_what_the_store_does_not_delete_and_tries_again(
    server: OpenAIServer,
) -> None:
    connection = make_connection(base_url=server.url)
    server.add_conversation("conv_1")
    thread = make_thread(
        connection.project, connection=connection, store="conversations", external_id="conv_1"
    )
    server.deletes = False
    chosen = Thread.objects.filter(pk=thread.pk)
    job = actions.request_thread_deletion(chosen, by=None, typed="1", erases_upstream=True)

    finish(job)
    first = outcomes(job)
    server.deletes = True
    actions.retry_job(job, by=None)
    finish(job)

    assert first == {"conv_1": "kept"}
    assert outcomes(job) == {"conv_1": "erased"}
    assert job.state == Job.State.DONE
    assert not Thread.objects.exists()


def test_it_stops_asking_a_store_that_refuses_the_key(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url)
    for number in range(5):
        make_thread(
            connection.project,
            connection=connection,
            store="conversations",
            external_id=f"conv_{number}",
        )
    server.fail("401")

    job = actions.request_thread_deletion(
        Thread.objects.all(), by=None, typed="5", erases_upstream=True
    )
    finish(job)

    assert set(outcomes(job).values()) == {"kept"}
    assert len(server.calls) == 1
    assert Thread.objects.count() == 5


def test_it_waits_when_the_calls_are_used_up(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, calls_per_minute=3)
    for number in range(2):
        server.add_conversation(f"conv_{number}", [text_item("msg_1", "user", "Hi")])
        make_thread(
            connection.project,
            connection=connection,
            store="conversations",
            external_id=f"conv_{number}",
        )

    job = actions.request_thread_deletion(
        Thread.objects.all(), by=None, typed="2", erases_upstream=True
    )
    said = tasks.delete_threads_task(job_id=str(job.pk))
    job.refresh_from_db()

    assert "it goes on" in said
    assert job.state == Job.State.QUEUED
    assert len(server.calls) == 3


def test_it_goes_on_in_slices_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr("threads.work.erasing.THREADS", 1)
    for _number in range(3):
        make_conversation("a")
    job = actions.request_thread_deletion(
        Thread.objects.all(), by=None, typed="3", erases_upstream=False
    )

    said = tasks.delete_threads_task(job_id=str(job.pk))
    job.refresh_from_db()
    halfway = (job.state, job.done_count, Thread.objects.count())
    actions.cancel_job(job, by=None)
    finish(job)

    assert said == "1 of 3 done; it goes on."
    assert halfway == (Job.State.QUEUED, 1, 2)
    assert job.state == Job.State.CANCELLED
    assert Thread.objects.count() == 2


def test_it_fetches_nothing_again_that_was_deleted(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, store="chatkit")
    for number in range(2):
        server.add_listed("/chatkit/threads", "items", {"id": f"cthr_{number}"})
    from threads import sync

    with sync.source_for(connection) as source:
        list_new(connection, source, now=NOW)
        gone = Thread.objects.get(external_id="cthr_0")
        chosen = Thread.objects.filter(pk=gone.pk)
        finish(actions.request_thread_deletion(chosen, by=None, typed="1", erases_upstream=False))
        connection.list_cursor = ""
        list_new(connection, source, now=NOW)

    assert list(Thread.objects.values_list("external_id", flat=True)) == ["cthr_1"]
    assert "cthr_0" not in Tombstone.objects.get().id_hash
    # Somebody who asks for it by its id gets it.
    actions.add_thread_ids(connection.project, connection, ["cthr_0"], by=None)
    assert Thread.objects.count() == 2


def test_it_changes_many_threads_as_a_job(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr("threads.actions.keeping.MOST_AT_ONCE", 2)
    project = make_project()
    made = [make_thread(project) for _number in range(3)]
    made.append(make_thread(project, is_held=True))
    client = owner_of(project)

    with django_capture_on_commit_callbacks():
        _address, page = choose(client, "move_to_trash", *made)
    job = Job.objects.get()
    said = tasks.change_threads_task(job_id=str(job.pk))

    assert re.search(r'data-state-url="[^"]*/state/"', page)
    assert said == "3 of 4 threads changed."
    assert Thread.objects.filter(trashed_at__isnull=False).count() == 3


def test_it_tags_and_untags_chosen_threads() -> None:
    project = make_project()
    first, second = make_thread(project), make_thread(project)
    client = owner_of(project)

    for name, words in (("tag", "gold, vip"), ("untag", "vip"), ("tag", "gold")):
        client.post(
            reverse(LIST),
            {"action": name, "tags": words, "_selected_action": [first.pk, second.pk]},
        )
    missing = client.post(
        reverse(LIST), {"action": "tag", "_selected_action": [first.pk]}, follow=True
    )

    assert [tag.name for tag in first.tags.all()] == ["gold"]
    assert [tag.name for tag in second.tags.all()] == ["gold"]
    assert "Write the tags beside the action" in missing.content.decode()
    told = AuditEvent.objects.filter(action__in=["thread.tag", "thread.untag"]).order_by("pk")
    assert [(event.action, event.details["count"]) for event in told] == [
        ("thread.tag", 2),
        ("thread.untag", 2),
    ]


def test_it_edits_tags_in_the_list() -> None:
    project = make_project()
    thread = make_thread(project)
    client = owner_of(project)
    form = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": thread.pk,
        "form-0-remark": "",
        "form-0-tag_words": "gold, vip",
        "_save": "Save",
    }

    client.post(reverse(LIST), form)
    page = client.get(reverse(LIST), {"tag": "gold"}).content.decode()

    assert {tag.name for tag in thread.tags.all()} == {"gold", "vip"}
    assert 'value="gold, vip"' in page


def test_it_keeps_bookmarks_of_ones_own() -> None:
    project = make_project()
    mine, other = make_thread(project, title="Mine"), make_thread(project, title="Other")
    client = owner_of(project)

    choose(client, "bookmark", mine)
    listed = client.get(reverse(LIST), {"bookmark": "mine"}).content.decode()
    change = reverse("admin:threads_thread_change", args=[mine.pk])
    page = client.get(change).content.decode()
    choose(client, "forget_bookmark", mine, other)

    assert "Mine" in listed
    assert "Other" not in listed
    assert 'name="_forget"' in page
    assert not mine.bookmarks.exists()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"priority": "high"}, {"urgent"}),
        ({"priority": "low"}, {"calm", "unknown"}),
        ({"tokens": "unknown"}, {"unknown"}),
        ({"tokens": "none"}, {"calm"}),
        ({"tokens": "more"}, {"urgent"}),
    ],
)
def test_it_filters_by_priority_and_tokens(parameters: dict[str, str], expected: set[str]) -> None:
    project = make_project()
    make_thread(project, external_id="urgent", refresh_priority=9_000, total_tokens=200_000)
    make_thread(project, external_id="calm", refresh_priority=1, total_tokens=0)
    make_thread(project, external_id="unknown", refresh_priority=2, total_tokens=None)

    page = owner_of(project).get(reverse(LIST), parameters).content.decode()

    assert {name for name in ("urgent", "calm", "unknown") if f">{name}</a>" in page} == expected


def test_it_shows_the_messages_on_a_threads_page() -> None:
    project = make_project()
    thread = make_conversation("Hello *there*", "<script>", project=project, item_count=2)

    page = owner_of(project).get(reverse("admin:threads_thread_change", args=[thread.pk]))

    text = page.content.decode()
    assert "Hello <em>there</em>" in text
    assert "&lt;script&gt;" in text
