"""Every operation of the API, every command with --as, every format of exports, for everybody."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command, get_commands, load_command_class
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from monitoring.tests.test_permissions_pages import difference
from monitoring.tests.world import (
    ADMINISTRATOR,
    MANAGERS,
    MARK,
    MEMBER,
    NOWHERE,
    OWNER,
    PEOPLE,
    READERS,
    SIGNED_IN,
    VIEWER,
    VISITOR,
    Names,
    World,
    add_zebra,
    make_world,
    text_of,
)
from projects.models import Project
from threads import tasks
from threads.api import api
from threads.exports import EXPORTERS, ExportOrder, make, select
from threads.models import Job

pytestmark = pytest.mark.django_db

EVERYBODY = {*PEOPLE}
NOBODY: set[str] = set()


class Operation(NamedTuple):
    """Who is answered below 400, for what is Alpha's; `names` fill the path, `sent` is the body.

    `own`: only its owner, administrators neither.
    """

    who: set[str]
    names: dict[str, str] = {}
    sent: Callable[[Names], dict[str, Any]] | None = None
    own: bool = False
    query: str = ""


THREAD = {"thread_id": "short_id"}
EXPORT = {"export_id": "export_id"}
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("get", "/api/v1/threads"): Operation(EVERYBODY, query="?q=refund+sort:newest"),
    ("post", "/api/v1/threads"): Operation(
        MANAGERS, sent=lambda names: {"project": names["slug"], "ids": ["conv_new"]}
    ),
    ("get", "/api/v1/threads/{thread_id}"): Operation(READERS, THREAD),
    ("get", "/api/v1/threads/{thread_id}/messages"): Operation(READERS, THREAD),
    ("get", "/api/v1/files/{project}/{file_id}"): Operation(
        NOBODY,
        {"project": "slug", "file_id": "file_id"},  # none is kept
    ),
    ("get", "/api/v1/projects"): Operation(EVERYBODY),
    ("get", "/api/v1/me"): Operation(EVERYBODY),
    ("get", "/api/v1/facets"): Operation(EVERYBODY, query="?q=refund"),
    ("get", "/api/v1/suggestions"): Operation(EVERYBODY, query="?q=project:"),
    ("get", "/api/v1/captcha"): Operation(EVERYBODY),
    # Viewers and visitors are not let to ask Alpha's source.
    ("post", "/api/v1/fresh-searches"): Operation(
        {MEMBER, OWNER, ADMINISTRATOR},
        sent=lambda names: {"query": "refund", "projects": [names["slug"]]},
    ),
    ("get", "/api/v1/fresh-searches/{search_id}"): Operation(MANAGERS, {"search_id": "fresh_id"}),
    ("delete", "/api/v1/fresh-searches/{search_id}"): Operation(
        MANAGERS, {"search_id": "fresh_id"}, sent=lambda _names: {}
    ),
    ("post", "/api/v1/exports"): Operation(
        SIGNED_IN, sent=lambda _names: {"format": "csv", "query": "refund"}
    ),
    ("get", "/api/v1/exports/{export_id}"): Operation({OWNER}, EXPORT, own=True),
    ("get", "/api/v1/exports/{export_id}/file"): Operation(NOBODY, EXPORT, own=True),  # not made
}


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> World:
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "100000/m")
    settings.THREADHUB_DATA_DIR = tmp_path
    return make_world()


def address_of(path: str, operation: Operation, names: Names) -> str:
    return path.format(**{word: names[key] for word, key in operation.names.items()})


def ask(world: World, person: str, key: tuple[str, str], names: Names) -> Any:
    """Ask with the person's token, visitors without, and take back whatever that changed."""
    operation, (method, path) = OPERATIONS[key], key
    token = world.tokens.get(person)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = Client(raise_request_exception=False, headers=headers)
    options: dict[str, Any] = {}
    if operation.sent is not None:
        options = {"data": json.dumps(operation.sent(names)), "content_type": "application/json"}
    with transaction.atomic():
        address = address_of(path, operation, names) + operation.query
        response = getattr(client, method)(address, **options)
        transaction.set_rollback(True)
    return response


def test_every_operation_has_an_entry() -> None:
    described = {
        (method, path)
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }

    assert described == set(OPERATIONS)


@pytest.mark.parametrize("person", PEOPLE)
def test_operations_are_for_whom_they_are_meant(world: World, person: str) -> None:
    wrong = []
    for key, operation in OPERATIONS.items():
        status = ask(world, person, key, world.alpha).status_code
        if (status < 400) is not (person in operation.who):
            wrong.append((key, status))

    assert wrong == []


@pytest.mark.parametrize("person", PEOPLE)
def test_somebody_elses_things_answer_like_none(world: World, person: str) -> None:
    add_zebra(world)
    wrong = []
    for key, operation in OPERATIONS.items():
        if person == ADMINISTRATOR and not operation.own:
            continue
        texts = []
        for names in (world.zebra, NOWHERE):
            text = text_of(ask(world, person, key, names), address_of(key[1], operation, names))
            texts.append(text.replace(names["slug"], "SLUG"))
        # Without names the operation is about all that one sees; the test below is for those.
        is_about_one = bool(operation.names) or operation.sent is not None
        is_random = key[1] in {"/api/v1/captcha", "/api/v1/exports"} and key[0] != "delete"
        if is_about_one and not is_random and texts[0] != texts[1]:
            wrong.append((key, difference(texts[1], texts[0])))
        if MARK in texts[0]:
            wrong.append((key, [texts[0][:200]]))

    assert wrong == []


QUESTIONS = (
    *("/api/v1/projects", "/api/v1/me", "/api/v1/threads", "/api/v1/facets"),
    *(
        f"/api/v1/{kind}?q={query}"
        for kind in ("threads", "facets")
        for query in (
            *("refund+sort:newest", f"{MARK}", f"project:{MARK}-slug", "tag:shared-tag"),
            *(f"tag:{MARK}-tag", "refnud", "*", f"user:user-{MARK}", "sort:newest"),
        )
    ),
    *(f"/api/v1/suggestions?q={typed}" for typed in ("q", MARK, "project:", "tag:", "model:")),
    *(f"/api/v1/threads?q=refund+sort:newest&project={slug}" for slug in ("alpha", "alphas")),
)


@pytest.mark.parametrize("person", [person for person in PEOPLE if person != ADMINISTRATOR])
def test_a_project_that_is_added_changes_no_answer(world: World, person: str) -> None:
    token = world.tokens.get(person)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = Client(headers=headers)
    before = {address: _without_score(client.get(address)) for address in QUESTIONS}
    add_zebra(world)
    cache.clear()

    after = {address: _without_score(client.get(address)) for address in QUESTIONS}

    changed = [address for address in QUESTIONS if before[address] != after[address]]
    assert [(each, difference(before[each], after[each])) for each in changed] == []
    assert [each for each, text in after.items() if MARK in text and MARK not in each] == []


def _without_score(response: Any) -> str:
    """Drop the rank: it weighs words by how common they are in the whole index."""
    answer = response.json()
    for result in answer.get("results", []):
        if isinstance(result, dict):
            result.pop("score", None)
    answer.pop("took_ms", None)
    return f"{response.status_code}\n{json.dumps(answer, indent=1)}"


# Commands.

AS_SOMEBODY: dict[str, list[str]] = {
    "search_threads": ["refund", "--format", "json"],
    "export_threads": ["--format", "jsonl", "--output", "-"],
}


def test_every_command_that_takes_a_name_has_an_entry() -> None:
    ours = {"projects", "threads", "monitoring"}
    found = set()
    for name, app in get_commands().items():
        if app in ours:
            parser = load_command_class(app, name).create_parser("manage.py", name)
            if any("--as" in action.option_strings for action in parser._actions):
                found.add(name)

    assert found == set(AS_SOMEBODY)


@pytest.mark.parametrize("command", AS_SOMEBODY)
@pytest.mark.parametrize("person", [person for person in PEOPLE if person != VISITOR])
def test_commands_see_what_the_person_sees(
    world: World, command: str, person: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    add_zebra(world)

    call_command(command, *AS_SOMEBODY[command], "--as", person)

    shown = capsysbinary.readouterr().out.decode()
    takes_along = READERS - {VIEWER} if command == "export_threads" else READERS
    assert (MARK in shown) is (person == ADMINISTRATOR)
    assert ("alphaword" in shown) is (person in takes_along)
    assert "A public" in shown


# Exports.


def text_in(path: Path, form: str) -> str:
    """Return all text of an export, out of whatever it is packed in."""
    data = path.read_bytes()
    if form == "pdf":
        return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return " ".join(archive.read(name).decode() for name in archive.namelist())
    return data.decode("utf-8-sig")


@pytest.mark.parametrize("form", EXPORTERS)
def test_exports_hold_what_the_person_may_take_along(
    world: World, form: str, tmp_path: Path
) -> None:
    add_zebra(world)
    held = {}
    for person in PEOPLE:
        user = world.people[person]
        order = ExportOrder(form=form, query="", per_message=True)
        within = Project.objects.usable_by(user)
        selected = select(order, within=within, now=timezone.now(), allow_scans=True)
        make(order, tmp_path / person, selected, by=user, now=timezone.now())
        text = text_in(tmp_path / person, form)
        held[person] = (MARK in text, "alphaword" in text, "A public" in text)

    takes_alpha = READERS - {VIEWER}
    assert held == {
        person: (person == ADMINISTRATOR, person in takes_alpha, True) for person in PEOPLE
    }


@pytest.mark.parametrize("person", [person for person in PEOPLE if person != VISITOR])
def test_exports_in_the_background_do_too(world: World, person: str) -> None:
    add_zebra(world)
    user = world.people[person]
    assert isinstance(user, User)
    job = Job.objects.create(
        kind=Job.Kind.EXPORT,
        key=f"{user.pk}:x",
        requested_by=user,
        parameters=ExportOrder(form="jsonl", query="").as_json(),
    )

    tasks.run_export_task(job_id=str(job.pk))

    response = world.client_of(person).get(f"/exports/{job.pk}/file/")
    text = b"".join(response).decode()
    assert (MARK in text) is (person == ADMINISTRATOR)
    assert ("alphaword" in text) is (person in READERS - {VIEWER})
    strangers = world.client_of(MEMBER if person != MEMBER else OWNER)
    assert strangers.get(f"/exports/{job.pk}/file/").status_code == 404
