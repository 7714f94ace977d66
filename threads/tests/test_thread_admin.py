"""The console's pages for threads and their messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from projects.models import Connection, Project, Tag
from threadhub.lib import audit
from threads.models import Assistant, Job, SyncRun, Thread
from threads.tests.factories import make_conversation, make_project, make_thread

pytestmark = pytest.mark.django_db


LIST = "admin:threads_thread_changelist"


def owner_of(*projects: Project) -> Client:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    client = Client()
    client.force_login(user)
    return client


def administrator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def make_connection(project: Project) -> Connection:
    return Connection.objects.create(project=project, name="Main")


def act(client: Client, name: str, *threads: Thread, state: str = "") -> str:
    """Choose `threads` in the list, start an action on them, and return the page that follows."""
    answer = client.post(
        f"{reverse(LIST)}?state={state}" if state else reverse(LIST),
        {"action": name, "_selected_action": [thread.pk for thread in threads]},
        follow=True,
    )
    return answer.content.decode()


def test_it_lists_threads_with_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = administrator()
    project = make_project()
    for number in range(20):
        make_thread(project, title=f"No {number}", last_message_timestamp=timezone.now())

    # session, user; the filters' projects and tags; the count for the pages; the page with its
    # projects and bookmarks; its tags
    with django_assert_num_queries(7):
        client.get(reverse(LIST))


@pytest.mark.parametrize(("order", "names"), [("2", ["Ant", "Bee"]), ("-2", ["Bee", "Ant"])])
def test_it_sorts_by_the_names_of_projects(order: str, names: list[str]) -> None:
    for name in ("Bee", "Ant"):
        make_thread(make_project(name))

    answer = administrator().get(reverse(LIST), {"o": order})

    assert [row.project.name for row in answer.context["cl"].result_list] == names


def test_it_keeps_an_owners_menu_of_tags(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    own, strange = make_project("Blue whale"), make_project("Secret heron")
    make_thread(own).tags.add(Tag.objects.create(name="gold"))
    make_thread(strange).tags.add(Tag.objects.create(name="silver"))
    client = owner_of(own)

    first = client.get(reverse(LIST)).content.decode()
    # session, user; their projects, for what they may and for the filter; the count for the
    # pages; the page; its tags; the user's permissions and their groups'. None for the menu.
    with django_assert_num_queries(9):
        second = client.get(reverse(LIST)).content.decode()

    for page in (first, second):
        assert "?tag=gold" in page
        assert "?tag=silver" not in page


def test_it_takes_tags_from_an_owners_menu_with_the_project() -> None:
    own, lost = make_project("Blue whale"), make_project("Secret heron")
    make_thread(lost).tags.add(Tag.objects.create(name="silver"))
    client = owner_of(own, lost)
    assert "?tag=silver" in client.get(reverse(LIST)).content.decode()

    lost.owners.clear()

    assert "?tag=silver" not in client.get(reverse(LIST)).content.decode()


def test_it_says_that_tokens_are_not_known() -> None:
    client = administrator()
    make_thread(title="Known", total_tokens=0)
    make_thread(title="Unknown", total_tokens=None)

    page = client.get(reverse(LIST)).content.decode()

    assert '<td class="field-token_total">0</td>' in page
    assert '<td class="field-token_total">—</td>' in page
    assert "None" not in page


def test_it_finds_threads_by_words_in_their_messages() -> None:
    client = administrator()
    make_conversation("Where is my umbrella?", title="Lost")
    make_conversation("Good morning", title="Greeting")

    page = client.get(reverse(LIST), {"q": "umbrella"}).content.decode()

    assert "Lost" in page
    assert "Greeting" not in page


def test_it_finds_a_thread_by_its_id() -> None:
    client = administrator()
    make_thread(external_id="conv_abc", title="Wanted")
    make_thread(external_id="conv_xyz", title="Unwanted")

    page = client.get(reverse(LIST), {"q": "conv_abc"}).content.decode()

    assert "Wanted" in page
    assert "Unwanted" not in page


def test_it_searches_only_an_owners_projects() -> None:
    own, strange = make_project("Blue whale"), make_project("Secret heron")
    make_conversation("my umbrella", title="Mine", project=own)
    make_conversation("their umbrella", title="Theirs", project=strange)

    page = owner_of(own).get(reverse(LIST), {"q": "umbrella"}).content.decode()

    assert "Mine" in page
    assert "Theirs" not in page


def test_it_hides_by_every_route_that_another_project_exists() -> None:
    own, strange = make_project("Blue whale"), make_project("Secret heron")
    make_thread(own)
    thread = make_conversation("hidden words", title="Theirs", project=strange)
    assistant = Assistant.objects.create(project=strange, external_id="asst_1", name="Theirs")
    job = Job.objects.create(kind=Job.Kind.EXPORT, key="theirs", project=strange)
    run = SyncRun.objects.create(
        project=strange, trigger=SyncRun.Trigger.MANUAL, started_at=timezone.now()
    )
    client = owner_of(own)
    rows = [
        *(("thread", thread.pk), ("message", thread.messages.get().pk)),
        *(("assistant", assistant.pk), ("job", job.pk), ("syncrun", run.pk)),
    ]

    answers = [client.get(reverse("admin:index"))]
    for model, pk in rows:
        answers.append(client.get(reverse(f"admin:threads_{model}_changelist"), follow=True))
        for route in ("change", "history", "delete"):
            address = reverse(f"admin:threads_{model}_{route}", args=[pk])
            answers.append(client.get(address, follow=True))
    answers.append(client.get(reverse(LIST), {"project__id__exact": strange.pk}))
    messages = reverse("admin:threads_message_changelist")
    answers.append(client.get(messages, {"thread__id__exact": thread.pk}))
    answers.append(client.get(reverse("admin:threads_job_state", args=[job.pk])))
    answers.append(client.post(reverse("admin:threads_job_cancel", args=[job.pk])))

    for answer in answers:
        page = answer.content.decode()
        assert "Secret heron" not in page, answer.request["PATH_INFO"]
        assert "hidden words" not in page
        assert "Theirs" not in page
    assert [answer.status_code for answer in answers[-2:]] == [404, 404]
    job.refresh_from_db()
    assert job.cancel_requested_at is None


def test_it_acts_only_on_an_owners_threads() -> None:
    own, strange = make_thread(make_project("Own")), make_thread(make_project("Strange"))

    act(owner_of(own.project), "move_to_trash", own, strange)

    assert Thread.objects.get(pk=own.pk).trashed_at is not None
    assert Thread.objects.get(pk=strange.pk).trashed_at is None


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What the audit log is told."""
    told: list[dict[str, Any]] = []

    def note(**event: Any) -> None:
        told.append(event)

    audit.recorded.connect(note)
    yield told
    audit.recorded.disconnect(note)


def test_it_puts_threads_into_the_trash_and_back(events: list[dict[str, Any]]) -> None:
    client = administrator()
    thread = make_thread(title="Old talk")

    gone = act(client, "move_to_trash", thread)
    in_trash = client.get(reverse(LIST), {"state": "trash"}).content.decode()
    act(client, "restore", thread, state="trash")

    assert f'1 thread is in the trash. <a href="{reverse(LIST)}?state=trash">' in gone
    assert "Old talk" not in gone
    assert "Old talk" in in_trash
    assert Thread.objects.get().trashed_at is None
    told = [event["action"] for event in events if event["action"].startswith("thread.")]
    assert told == ["thread.trash", "thread.restore"]


def test_it_keeps_what_is_on_hold_out_of_the_trash() -> None:
    client = administrator()
    held = make_thread(is_held=True)
    of_held_project = make_thread(make_project("Held", is_held=True))

    page = act(client, "move_to_trash", held, of_held_project)

    assert "2 threads stay: they are on legal hold." in page
    assert not Thread.objects.filter(trashed_at__isnull=False).exists()


def test_it_keeps_a_chosen_project_with_a_thread_on_hold() -> None:
    project = make_project()
    make_thread(project, is_held=True)
    client = owner_of(project)

    chosen = {"action": "delete_selected", "_selected_action": [project.pk], "post": "yes"}
    client.post(reverse("admin:projects_project_changelist"), chosen)

    assert Project.objects.exists()


def test_it_queues_a_refresh_and_shows_its_job(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    project = make_project()
    thread = make_thread(project, connection=make_connection(project))
    client = owner_of(project)

    with django_capture_on_commit_callbacks():
        page = act(client, "refresh_now", thread)

    job = Job.objects.get()
    assert (job.kind, job.project) == (Job.Kind.SYNC_THREAD, project)
    assert f'data-state-url="{reverse("admin:threads_job_state", args=[job.pk])}"' in page


def test_it_hands_chosen_threads_to_the_export_page() -> None:
    first, second = make_conversation("one"), make_conversation("two")

    page = act(administrator(), "export", first, second)

    assert "Export" in page
    assert "2 threads" in page
    assert first.short_id in page


def test_it_says_that_a_thread_from_a_file_cannot_be_refreshed() -> None:
    client = administrator()

    page = act(client, "refresh_now", make_thread(connection=None))

    assert "None of these can be refreshed" in page
    assert not Job.objects.exists()


def test_it_saves_a_remark_from_the_list_and_nothing_else() -> None:
    client = administrator()
    thread = make_thread(title="Talk")

    def sync(**_: object) -> None:
        Thread.objects.filter(pk=thread.pk).update(title="Renamed by a sync")

    pre_save.connect(sync, sender=Thread)
    client.post(
        reverse(LIST),
        {
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 1,
            "form-0-id": thread.pk,
            "form-0-remark": "call back",
            "_save": "Save",
        },
    )
    pre_save.disconnect(sync, sender=Thread)

    thread.refresh_from_db()
    assert (thread.remark, thread.title) == ("call back", "Renamed by a sync")


def test_it_changes_what_people_note_and_nothing_that_upstream_said() -> None:
    client = administrator()
    thread = make_thread(title="Talk", message_count=3)

    client.post(
        reverse("admin:threads_thread_change", args=[thread.pk]),
        {"remark": "VIP", "tags": "gold", "is_held": "on", "title": "Forged", "message_count": 99},
    )

    thread.refresh_from_db()
    assert (thread.remark, thread.is_held) == ("VIP", True)
    assert [tag.name for tag in thread.tags.all()] == ["gold"]
    assert (thread.title, thread.message_count) == ("Talk", 3)


def test_it_adds_threads_by_their_ids() -> None:
    project = make_project()
    connection = make_connection(project)
    client = owner_of(project)
    ids = 'conv_a, conv_b\n"conv_c" conv_a\nbad/id'

    page = client.post(
        reverse("admin:threads_thread_add"), {"connection": connection.pk, "ids": ids}, follow=True
    ).content.decode()

    assert set(Thread.objects.values_list("external_id", flat=True)) == {
        "conv_a",
        "conv_b",
        "conv_c",
    }
    assert "3 threads are new here" in page
    assert "“bad/id”: This is not an id" in page


def test_it_shows_what_was_added_by_id_among_the_project_it_went_to() -> None:
    project = make_project("Blue whale")
    connection = make_connection(project)
    client = owner_of(project)
    form = client.get(reverse("admin:threads_thread_add")).content.decode()

    answer = client.post(
        reverse("admin:threads_thread_add"), {"connection": connection.pk, "ids": "conv_a"}
    )

    assert "Blue whale: Main" in form
    assert answer["Location"].endswith(f"/threads/thread/?project__id__exact={project.pk}")


def test_it_tells_ids_that_their_source_does_not_know_from_active_threads() -> None:
    project = make_project()
    why = "The server has no such thread (404)."
    make_thread(project, title="Typing error", gone_at=timezone.now(), last_error=why)
    make_thread(project, title="Fine")
    client = owner_of(project)
    address = reverse("admin:threads_thread_changelist")

    page = client.get(address).content.decode()
    missed = client.get(address, {"state": "missed"}).content.decode()

    assert f'title="{why}">Not found' in page
    assert "Typing error" in missed
    assert "Fine" not in missed


def test_it_adds_no_threads_to_a_strange_connection() -> None:
    own = make_project()
    strange = make_connection(make_project("Secret heron"))

    page = (
        owner_of(own)
        .post(reverse("admin:threads_thread_add"), {"connection": strange.pk, "ids": "conv_a"})
        .content.decode()
    )

    assert not Thread.objects.exists()
    assert "Secret heron" not in page


def test_it_shows_a_threads_messages_and_changes_none() -> None:
    client = administrator()
    thread = make_conversation("One <b>question</b>", "An answer")
    message = thread.messages.get(position=1)
    address = reverse("admin:threads_message_change", args=[message.pk])

    listed = client.get(
        reverse("admin:threads_message_changelist"), {"thread__id__exact": thread.pk}
    ).content.decode()
    changed = client.post(address, {"text": "Forged"})

    assert "One &lt;b&gt;question&lt;/b&gt;" in listed
    assert "An answer" in listed
    assert changed.status_code == 403
    assert thread.messages.get(position=1).text == "One <b>question</b>"


def test_it_lists_messages_without_reading_all_of_their_text(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = administrator()
    thread = make_conversation(*(["word " * 500] * 8))

    # session, user; the thread for the audit log; the count; the page with the texts' beginnings
    with django_assert_num_queries(5):
        page = client.get(
            reverse("admin:threads_message_changelist"), {"thread__id__exact": thread.pk}
        )

    assert len(page.content) < 60_000
