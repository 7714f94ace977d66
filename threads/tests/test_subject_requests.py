"""A person's data: found in one's projects, reviewed, packed, deleted, with a receipt."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from monitoring.models import AuditEvent
from projects.models import Project
from threads import actions, subjects, tasks
from threads.models import Job, MessageSource, SubjectRequest, Thread
from threads.subjects.receipt import digest_of
from threads.tests.factories import (
    NOW,
    make_connection,
    make_conversation,
    make_message,
    make_project,
    make_thread,
)
from threads.tests.openai_server import OpenAIServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.THREADHUB_DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def talk(*texts: str, **fields: Any) -> Thread:
    """Make a conversation with what upstream sent, as every archived one has it."""
    thread = make_conversation(*texts, item_count=len(texts), **fields)
    for message in thread.messages.all():
        MessageSource.objects.create(message=message)
    return thread


def owner_of(*projects: Project) -> Client:
    user = User.objects.create_user("olivia", is_staff=True)
    for project in projects:
        project.owners.add(user)
    client = Client()
    client.force_login(user)
    return client


def run_jobs() -> None:
    """Do what a worker would."""
    for job in Job.objects.live():
        getattr(tasks, f"{job.kind}_task")(job_id=str(job.pk))


def open_case(client: Client, *projects: Project, **terms: str) -> SubjectRequest:
    form = {"reference": "Case 7", "user_ids": "", "emails": "", "texts": ""} | terms
    address = reverse("admin:threads_subjectrequest_add")
    client.post(address, form | {"projects": [project.pk for project in projects]})
    run_jobs()
    return SubjectRequest.objects.get()


def found(case: SubjectRequest) -> dict[str, list[str]]:
    return {each.external_id: each.reasons for each in case.findings.all()}


def page(client: Client, case: SubjectRequest, name: str = "change") -> str:
    answer = client.get(reverse(f"admin:threads_subjectrequest_{name}", args=[case.pk]))
    return answer.content.decode()


def post(client: Client, case: SubjectRequest, name: str, **form: object) -> str:
    address = reverse(f"admin:threads_subjectrequest_{name}", args=[case.pk])
    return client.post(address, form, follow=True).content.decode()


def erase(client: Client, case: SubjectRequest, **form: str) -> SubjectRequest:
    post(client, case, "erase", **{"typed": case.reference, "where": "here"} | form)
    run_jobs()
    return SubjectRequest.objects.get(pk=case.pk)


def test_it_finds_by_user_id_address_and_words_wherever_they_are() -> None:
    project = make_project()
    make_thread(project, external_id="by user", end_user="U-17")
    make_thread(project, external_id="by metadata", metadata={"account": "u-17"})
    talk("write to Eve@Example.com!", project=project, external_id="by address")
    talk("Ms Müller called", project=project, external_id="in the trash", trashed_at=NOW)
    make_thread(project, external_id="by title", title="Complaint of Ms Müller")
    tool = make_thread(project, external_id="in a tool's output")
    make_message(tool, '{"name": "ms müller"}', role="tool", kind="tool_output", branch=2)
    talk("nothing about her", project=project, external_id="other")

    case = open_case(
        owner_of(project), project, user_ids="u-17", emails="eve@example.com", texts="Ms Müller"
    )

    assert found(case) == {
        "by user": ["user"],
        "by metadata": ["metadata"],
        "by address": ["text"],
        "in the trash": ["text"],
        "by title": ["text", "title"],  # the index knows titles, too
        "in a tool's output": ["text"],
    }
    assert case.state == SubjectRequest.State.REVIEW


def test_it_looks_only_where_the_person_manages() -> None:
    own, strange = make_project("Own"), make_project("Secret heron")
    make_thread(own, external_id="mine", end_user="u-17")
    make_thread(strange, external_id="theirs", end_user="u-17")
    client = owner_of(own)

    form = client.get(reverse("admin:threads_subjectrequest_add")).content.decode()
    refused = client.post(
        reverse("admin:threads_subjectrequest_add"),
        {"reference": "x", "user_ids": "u-17", "projects": [strange.pk]},
    )
    case = open_case(client, own, user_ids="u-17")

    assert "Secret heron" not in form + refused.content.decode()
    assert set(found(case)) == {"mine"}


def test_it_is_nobody_elses() -> None:
    project = make_project()
    make_thread(project, end_user="u-17")
    case = open_case(owner_of(project), project, user_ids="u-17")
    other = Client()
    colleague = User.objects.create_user("bob", is_staff=True)
    project.owners.add(colleague)
    other.force_login(colleague)

    for name in ("change", "file", "erase", "receipt", "json"):
        address = reverse(f"admin:threads_subjectrequest_{name}", args=[case.pk])
        assert other.get(address).status_code == 404, name
    for name in ("choose", "pack", "erase"):
        address = reverse(f"admin:threads_subjectrequest_{name}", args=[case.pk])
        assert other.post(address, {"typed": "Case 7"}).status_code == 404, name
    listed = other.get(reverse("admin:threads_subjectrequest_changelist")).content.decode()
    assert "Case 7" not in listed


def test_it_is_there_while_all_its_projects_are_ones_own() -> None:
    kept, lost = make_project("Kept"), make_project("Lost")
    make_thread(lost, end_user="u-17", title="Nobody else's affair")
    client = owner_of(kept)
    user = User.objects.get(username="olivia")
    lost.owners.add(user)
    case = open_case(client, kept, lost, user_ids="u-17")
    pages = [
        reverse(f"admin:threads_subjectrequest_{name}", args=[case.pk])
        for name in ("change", "erase", "file")
    ]
    before = client.get(pages[0]).content.decode()
    lost.owners.remove(user)

    answers = [client.get(page).status_code for page in pages]
    listed = client.get(reverse("admin:threads_subjectrequest_changelist")).content.decode()

    assert "Nobody else" in before
    assert answers == [404, 404, 404]
    assert "Case 7" not in listed


@pytest.mark.parametrize("terms", [{}, {"texts": "ab"}])
def test_it_refuses_to_look_for_nothing(terms: dict[str, str]) -> None:
    project = make_project()
    client = owner_of(project)
    form = {"reference": "x", "projects": [project.pk]} | terms

    answer = client.post(reverse("admin:threads_subjectrequest_add"), form)

    assert "errornote" in answer.content.decode() or "errorlist" in answer.content.decode()
    assert not SubjectRequest.objects.exists()


def test_it_packs_what_was_reviewed_for_people_and_programs() -> None:
    project = make_project()
    talk("Hello *there*", project=project, external_id="in", end_user="u-17")
    talk("Bye", project=project, external_id="out", end_user="u-17")
    client = owner_of(project)
    case = open_case(client, project, user_ids="u-17")
    ids = {each.external_id: each.pk for each in case.findings.all()}

    post(client, case, "choose", shown=list(ids.values()), included=[ids["in"]])
    post(client, case, "pack")
    run_jobs()
    case.refresh_from_db()
    answer = client.get(reverse("admin:threads_subjectrequest_file", args=[case.pk]))
    body = b"".join(answer)

    assert hashlib.sha256(body).hexdigest() == case.pack_sha256
    with zipfile.ZipFile(io.BytesIO(body)) as pack:
        manifest = json.loads(pack.read("manifest.json"))
        lines = pack.read("threads.jsonl").decode().splitlines()
        html = pack.read("threads.html").decode()
        for each in manifest["files"]:
            assert hashlib.sha256(pack.read(each["name"])).hexdigest() == each["sha256"]
    assert [json.loads(line)["id"] for line in lines] == ["in"]
    assert "Hello <em>there</em>" in html
    assert manifest["counts"] == {"threads": 1, "messages": 1}
    assert subjects.pack_path(case.pk).stat().st_mode & 0o077 == 0


def test_it_deletes_respects_holds_and_gives_a_receipt() -> None:
    project = make_project()
    going = talk("Hello", project=project, external_id="going", end_user="u-17")
    talk("Held", project=project, external_id="held", end_user="u-17", is_held=True)
    line_hash = hashlib.sha256()
    client = owner_of(project)
    case = open_case(client, project, user_ids="u-17")
    post(client, case, "pack")
    run_jobs()
    with zipfile.ZipFile(subjects.pack_path(case.pk)) as pack:
        line_hash.update(pack.read("threads.jsonl").splitlines()[0])

    asked = page(client, case, "erase")
    refused = post(client, case, "erase", typed="wrong", where="here")
    untouched = Thread.objects.count()
    case = erase(client, case)

    assert "1 thread is on legal hold" in asked
    assert "Type the reference of the request, Case 7" in refused
    assert untouched == 2
    assert list(Thread.objects.values_list("external_id", flat=True)) == ["held"]
    assert not Thread.objects.filter(pk=going.pk).exists()
    receipt = case.receipt
    outcomes = {each["id"]: each["outcome"] for each in receipt["threads"]}
    assert outcomes == {"going": "deleted", "held": "held"}
    assert receipt["threads"][0]["sha256"] == line_hash.hexdigest()
    assert receipt["receipt_sha256"] == digest_of(receipt)
    # What was looked for is forgotten; who knows it can still tell that it was.
    assert (case.user_ids, case.emails, case.texts) == ("", "", "")
    known = hashlib.sha256(b"u-17").hexdigest()
    assert receipt["looked_for"] == [{"kind": "user", "sha256": known}]
    event = AuditEvent.objects.get(action="subject.erase")
    assert receipt["audit"] == f"#{event.pk} {event.row_hash}"
    assert event.details["receipt_sha256"] == receipt["receipt_sha256"]
    printed = page(client, case, "receipt")
    assert receipt["receipt_sha256"] in printed
    assert "Stays: legal hold" in printed


def test_it_deletes_what_stayed_when_the_hold_is_gone() -> None:
    project = make_project()
    held = talk("Held", project=project, end_user="u-17", is_held=True)
    client = owner_of(project)
    case = erase(client, open_case(client, project, user_ids="u-17"))
    first = case.receipt

    Thread.objects.filter(pk=held.pk).update(is_held=False)
    case = erase(client, case)

    assert not Thread.objects.exists()
    assert case.receipt["threads"][0]["outcome"] == "deleted"
    assert case.receipt["looked_for"] == first["looked_for"]


def test_it_deletes_at_the_store_too(server: OpenAIServer) -> None:
    connection = make_connection(base_url=server.url, store="chatkit")
    server.add_listed("/chatkit/threads", "items", {"id": "cthr_1"})
    make_thread(
        connection.project,
        connection=connection,
        store="chatkit",
        external_id="cthr_1",
        end_user="u-17",
    )
    client = owner_of(connection.project)

    case = erase(client, open_case(client, connection.project, user_ids="u-17"), where="upstream")

    assert case.receipt["threads"][0]["outcome"] == "erased"
    assert "/chatkit/threads/cthr_1" not in server.objects


def test_it_does_one_thing_at_a_time_and_opens_again_after_a_failure() -> None:
    project = make_project()
    make_thread(project, end_user="u-17")
    client = owner_of(project)
    case = open_case(client, project, user_ids="u-17")

    post(client, case, "pack")
    busy = post(client, case, "erase", typed="Case 7", where="here")
    Job.objects.filter(kind=Job.Kind.PACK_SUBJECT).update(state=Job.State.FAILED, error="Disk full")
    shown = page(client, case)

    assert "Something is being done for this request" in busy
    assert "Disk full" in shown
    assert "Make the pack" in shown


def test_it_shows_what_a_loss_of_the_project_took_away() -> None:
    project = make_project()
    make_thread(project, external_id="kept", end_user="u-17")
    client = owner_of(project)
    case = open_case(client, project, user_ids="u-17")
    user = User.objects.get(username="olivia")
    project.owners.remove(user)

    with pytest.raises(actions.Refused):
        actions.request_erasure(case, by=user, typed="wrong", erases_upstream=False)
    job = actions.request_erasure(case, by=user, typed="Case 7", erases_upstream=False)
    tasks.erase_subject_task(job_id=str(job.pk))

    assert Thread.objects.count() == 1


def test_it_records_each_step_and_never_what_was_looked_for() -> None:
    project = make_project()
    make_thread(project, end_user="secret-person", title="About secret-person")
    client = owner_of(project)
    case = open_case(client, project, user_ids="secret-person")
    post(client, case, "choose", shown=[], included=[])
    post(client, case, "pack")
    run_jobs()
    b"".join(client.get(reverse("admin:threads_subjectrequest_file", args=[case.pk])))
    erase(client, case)

    told = AuditEvent.objects.filter(action__startswith="subject.").order_by("pk")
    assert [event.action.removeprefix("subject.") for event in told] == [
        *("open", "review", "pack", "download", "request_erasure", "erase")
    ]
    of_deletion = AuditEvent.objects.filter(action__startswith="thread.erase")
    said = "".join(f"{event.target_label} {event.details}" for event in [*told, *of_deletion])
    assert "secret-person" not in said
