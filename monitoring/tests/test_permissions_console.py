"""Every page of the console, for everybody: who may open it, and for which rows.

`MODELS` has an entry for each registered model, `PAGES` for each further address; a new one
without an entry fails.
"""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, reverse

from monitoring.models import AuditEvent
from monitoring.tests.test_permissions_pages import difference, is_let_in
from monitoring.tests.world import (
    ADMINISTRATOR,
    MANAGERS,
    MARK,
    MEMBER,
    NOWHERE,
    OWNER,
    PEOPLE,
    STRANGER,
    VIEWER,
    VISITOR,
    Names,
    World,
    add_zebra,
    make_world,
    text_of,
)

pytestmark = pytest.mark.django_db

ONLY = {ADMINISTRATOR}
NOBODY: set[str] = set()
OTHERS = (VISITOR, STRANGER, VIEWER, MEMBER)  # may not open the console at all


class Rows(NamedTuple):
    """Who may open a model's list, add, and for Alpha's row (`key`): look, change, delete."""

    key: str
    listed: set[str] = ONLY
    added: set[str] = ONLY
    seen: set[str] = ONLY
    deleted: set[str] = ONLY
    query: str = ""


MODELS: dict[str, Rows] = {
    "auth.User": Rows("user_pk"),
    "auth.Group": Rows(""),
    "projects.Project": Rows("project_pk", MANAGERS, MANAGERS, MANAGERS, MANAGERS),
    "projects.Connection": Rows("connection_pk", MANAGERS, MANAGERS, MANAGERS, MANAGERS),
    "projects.Tag": Rows("tag_pk"),
    "projects.SiteSettings": Rows("", added=NOBODY, deleted=NOBODY),
    "projects.ApiToken": Rows("token_pk", added=NOBODY),
    "threads.Thread": Rows(
        "thread_pk", MANAGERS, MANAGERS, MANAGERS, NOBODY
    ),  # has a page of its own
    "threads.Message": Rows(
        "message_pk", MANAGERS, NOBODY, MANAGERS, NOBODY, "?thread__id__exact={thread_pk}"
    ),
    "threads.Assistant": Rows("assistant_pk", MANAGERS, NOBODY, MANAGERS, NOBODY),
    "threads.Job": Rows("job_id", MANAGERS, NOBODY, MANAGERS, NOBODY),
    "threads.SyncRun": Rows("run_pk", MANAGERS, NOBODY, MANAGERS, NOBODY),
    "threads.SavedSearch": Rows("saved_pk", added=NOBODY),
    # Whoever opened it, and administrators. It stays as it is: it is what was done for a person.
    "threads.SubjectRequest": Rows("case_id", MANAGERS, MANAGERS, MANAGERS, NOBODY),
    "monitoring.AuditEvent": Rows("audit_pk", added=NOBODY, deleted=NOBODY),
    "monitoring.SystemMetric": Rows("", added=NOBODY, deleted=NOBODY),
    "monitoring.LoginAttempt": Rows("", added=NOBODY, deleted=NOBODY),
    "monitoring.Offence": Rows("", added=NOBODY, deleted=NOBODY),
    "monitoring.RequestBan": Rows(""),
    "django_q.Schedule": Rows(""),
    "django_q.Success": Rows("", added=NOBODY),
    "django_q.Failure": Rows("", added=NOBODY),
}
if not settings.REDIS_URL:  # with Redis the queue is no table
    MODELS["django_q.OrmQ"] = Rows("", added=NOBODY)


class Page(NamedTuple):
    who: set[str]
    names: dict[str, str] = {}
    is_post: bool = False
    query: str = ""


CASE = {"pk": "case_id"}
PAGES: dict[str, Page] = {
    "index": Page(MANAGERS),
    "login": Page(NOBODY),  # leads to the login of all, or refuses
    "logout": Page({*PEOPLE}, is_post=True),
    "password_change": Page(MANAGERS),
    "password_change_done": Page(MANAGERS),
    "jsi18n": Page(MANAGERS),
    "app_list": Page(MANAGERS, {"app_label": "app_label"}),
    "sample_load": Page(ONLY, is_post=True),
    "sample_remove": Page(ONLY),
    "projects_sitesettings_restore": Page(ONLY),
    "monitoring_auditevent_download": Page(ONLY),
    "auth_user_password_change": Page(ONLY, {"id": "user_pk"}),
    "threads_job_state": Page(MANAGERS, {"pk": "job_id"}),
    "threads_job_cancel": Page(MANAGERS, {"pk": "job_id"}, is_post=True),
    "threads_job_retry": Page(MANAGERS, {"pk": "job_id"}, is_post=True),
    "threads_project_sync": Page(MANAGERS, {"pk": "project_pk"}, is_post=True),
    "threads_project_delete": Page(MANAGERS, {"pk": "project_pk"}),
    "threads_syncrun_days": Page(MANAGERS),
    "threads_thread_retention": Page(MANAGERS),
    "threads_subjectrequest_choose": Page(MANAGERS, CASE, is_post=True),
    "threads_subjectrequest_pack": Page(MANAGERS, CASE, is_post=True),
    "threads_subjectrequest_file": Page(MANAGERS, CASE),
    "threads_subjectrequest_erase": Page(MANAGERS, CASE),
    "threads_subjectrequest_receipt": Page(MANAGERS, CASE),
    "threads_subjectrequest_json": Page(MANAGERS, CASE),
    "threads_thread_erase": Page(MANAGERS, {"name": "short_id"}),  # a choice of one's own
    "threads_import": Page(MANAGERS),
    "threads_import_run": Page(MANAGERS, {"pk": "import_id"}, is_post=True),
    "threads_import_report": Page(NOBODY, {"pk": "import_id", "form": "form"}),  # not kept
    "autocomplete": Page(NOBODY),  # see below
    "view_on_site": Page(NOBODY, {"content_type_id": "none", "object_id": "none"}),
}
VIEWS = ("changelist", "add", "change", "history", "delete")


@pytest.fixture
def world(settings: Any) -> World:
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "100000/m")
    world = make_world()
    extra = {"app_label": "threads", "form": "csv", "none": 99_999_999}
    world.alpha |= extra
    world.alpha["audit_pk"] = AuditEvent.objects.order_by("pk")[0].pk
    return world


def ask(client: Client, address: str, *, is_post: bool = False) -> Any:
    """Ask, and take back whatever that changed."""
    cookies = SimpleCookie(client.cookies.output(header="", sep=";"))
    with transaction.atomic():
        response = client.post(address) if is_post else client.get(address)
        if response.streaming:
            response.getvalue()
        transaction.set_rollback(True)
    client.cookies = cookies
    return response


def model_pages(names: Names) -> list[tuple[str, str, set[str]]]:
    """Return each model's pages: what it is, its address, who may open it for Alpha."""
    found = []
    for model in admin.site._registry:
        rows, base = MODELS[model._meta.label], f"admin:{model._meta.label_lower}".replace(".", "_")
        label = model._meta.label
        query = rows.query.format(**names) if rows.query else ""
        found.append((f"{label} list", reverse(f"{base}_changelist") + query, rows.listed))
        found.append((f"{label} add", reverse(f"{base}_add"), rows.added))
        if rows.key:
            for view, who in (
                *(("change", rows.seen), ("history", rows.seen), ("delete", rows.deleted)),
            ):
                address = reverse(f"{base}_{view}", args=[names[rows.key]])
                found.append((f"{label} {view}", address, who))
    return found


def other_pages(names: Names) -> list[tuple[str, str, Page]]:
    return [
        (
            name,
            reverse(f"admin:{name}", kwargs={word: names[key] for word, key in page.names.items()})
            + page.query,
            page,
        )
        for name, page in PAGES.items()
    ]


def test_every_model_and_every_address_has_an_entry() -> None:
    resolver = get_resolver().namespace_dict["admin"][1]
    models = {model._meta.label for model in admin.site._registry}
    of_models = {f"{label.lower().replace('.', '_')}_{view}" for label in models for view in VIEWS}
    named = {name for name in resolver.reverse_dict if isinstance(name, str)}

    assert models == set(MODELS)
    assert named - of_models == set(PAGES)


@pytest.mark.parametrize("person", PEOPLE)
def test_the_console_opens_for_whom_it_is_meant(world: World, person: str) -> None:
    client, wrong = world.client_of(person), []

    asked = [(label, address, who, False) for label, address, who in model_pages(world.alpha)]
    asked += [
        (name, address, page.who, page.is_post) for name, address, page in other_pages(world.alpha)
    ]
    for label, address, who, is_post in asked:
        response = ask(client, address, is_post=is_post)
        leads_to_login = response.status_code == 302 and "/login/" in response["Location"]
        leads_home = response.status_code == 302 and response["Location"] == "/admin/"
        is_in = is_let_in(response) and not leads_to_login and (is_post or not leads_home)
        if is_in is not (person in who):
            wrong.append((label, response.status_code, response.headers.get("Location")))

    assert wrong == []


@pytest.mark.parametrize("person", [*OTHERS, OWNER])
def test_somebody_elses_rows_answer_like_none(world: World, person: str) -> None:
    add_zebra(world)
    extra = {"app_label": "threads", "form": "csv", "none": 99_999_999}
    zebra = world.zebra | extra | {"audit_pk": AuditEvent.objects.latest("pk").pk}
    nowhere = NOWHERE | extra
    client, wrong = world.client_of(person), []

    of_zebra = [(label, address, False) for label, address, _who in model_pages(zebra)]
    of_zebra += [(name, address, page.is_post) for name, address, page in other_pages(zebra)]
    of_nothing = [address for _label, address, _who in model_pages(nowhere)]
    of_nothing += [address for _label, address, _page in other_pages(nowhere)]
    for (label, address, is_post), absent in zip(of_zebra, of_nothing, strict=True):
        found = text_of(ask(client, address, is_post=is_post), address)
        missing = text_of(ask(client, absent, is_post=is_post), absent)
        if found != missing or MARK in found:
            wrong.append((label, difference(missing, found)))

    assert wrong == []


def test_a_project_that_is_added_changes_nothing_for_an_owner(world: World) -> None:
    client = world.client_of(OWNER)
    lists = [
        reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        for model in admin.site._registry
        if OWNER in MODELS[model._meta.label].listed
    ]
    pages = [address for _label, address, who in model_pages(world.alpha) if OWNER in who]
    pages += [
        address
        for _name, address, page in other_pages(world.alpha)
        if OWNER in page.who and not page.is_post
    ]
    alpha = world.alpha["project_pk"]
    days, retention = (
        reverse("admin:threads_syncrun_days"),
        reverse("admin:threads_thread_retention"),
    )
    pages += [f"{days}?days=365", f"{days}?format=csv", f"{retention}?days=1&project={alpha}"]
    pages += [f"{address}?q={word}" for address in lists for word in ("refund", MARK, "shared-tag")]
    before = {address: text_of(ask(client, address), address) for address in pages}
    add_zebra(world)
    cache.clear()

    after = {address: text_of(ask(client, address), address) for address in pages}

    changed = [address for address in pages if before[address] != after[address]]
    assert [(each, difference(before[each], after[each])) for each in changed] == []
    assert [each for each, text in after.items() if MARK in text and MARK not in each] == []


PROBES = (  # filters that a browser never sends: they would answer yes or no about Zebra
    "project__name__startswith={letter}",
    "project__owners__username__startswith={letter}",
    "tags__name__startswith={letter}",
    "tags__projects__name__startswith={letter}",
    "tags__threads__title__contains={letter}",
    "connection__project__name__startswith={letter}",
    "owners__owned_projects__name__contains={letter}",
    "members__joined_projects__name__contains={letter}",
    "requested_by__owned_projects__name__contains={letter}",
    "projects__name__startswith={letter}",
    "findings__project_name__startswith={letter}",
    "findings__thread__title__contains={letter}",
    "project__id__exact={project}",
    "project={project}",
    "thread__project__id__exact={project}",
)


def test_no_filter_and_no_order_tells_of_it(world: World) -> None:
    add_zebra(world)
    zebra_pk, client, told = world.zebra["project_pk"], world.client_of(OWNER), []
    for model in admin.site._registry:
        if OWNER not in MODELS[model._meta.label].listed:
            continue
        base = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        for probe in PROBES:
            right = f"{base}?{probe.format(letter='Zebra', project=zebra_pk)}"
            wrong = f"{base}?{probe.format(letter='Yebra', project=zebra_pk + 77)}"
            answers = [text_of(ask(client, address), address) for address in (right, wrong)]
            texts = [
                answer.replace("Yebra", "Zebra").replace(str(zebra_pk + 77), str(zebra_pk))
                for answer in answers
            ]
            if texts[0] != texts[1] or MARK in texts[0]:
                told.append((right, difference(texts[1], texts[0])))

    assert told == []


@pytest.mark.parametrize("person", PEOPLE)
def test_no_autocomplete_offers_it(world: World, person: str) -> None:
    add_zebra(world)
    client, offered, asked = world.client_of(person), [], 0

    for model, model_admin in admin.site._registry.items():
        for field in model._meta.get_fields():
            if not (field.many_to_one or field.many_to_many) or field.auto_created:
                continue
            asked += 1
            wanted = {"app_label": model._meta.app_label, "model_name": str(model._meta.model_name)}
            wanted |= {"field_name": field.name, "term": MARK}
            response = client.get(reverse("admin:autocomplete"), wanted)
            is_answered = response.status_code == 200 and person != ADMINISTRATOR
            if is_answered and MARK in response.content.decode():
                offered.append((model_admin, field.name))

    assert offered == []
    assert asked > 15
