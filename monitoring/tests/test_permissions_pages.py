"""Every page, for everybody: who may open it, and that nobody notices somebody else's project.

`PAGES` has an entry for each address of the site; a new address without one fails.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any, NamedTuple

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from monitoring.tests.world import (
    ADMINISTRATOR,
    MANAGERS,
    MARK,
    NOWHERE,
    OWNER,
    PEOPLE,
    READERS,
    SIGNED_IN,
    VISITOR,
    Names,
    World,
    add_zebra,
    make_world,
    text_of,
)

pytestmark = pytest.mark.django_db

EVERYBODY = {*PEOPLE}
NOBODY: set[str] = set()


class Page(NamedTuple):
    """`who` gets an answer below 400 that does not lead to the login; the others are refused.

    `names` is what the address is made of: keyword to key in `Names`. `posted` makes it a POST.
    `of_others`: whoever of `who` may also open that of Zebra.
    """

    who: set[str]
    names: dict[str, str] = {}
    posted: Callable[[Names], dict[str, Any]] | None = None
    of_others: frozenset[str] = frozenset({ADMINISTRATOR})
    query: str = ""


def _nothing(_names: Names) -> dict[str, Any]:
    return {}


def _own(posted: Callable[[Names], dict[str, Any]] | None = None, **names: str) -> Page:
    """What only its owner may open, administrators neither."""
    return Page({OWNER}, names, posted, of_others=frozenset())


THREAD = {"thread_id": "short_id"}
JOB = {"job_id": "job_id"}
PAGES: dict[str, Page] = {
    "set_language": Page(EVERYBODY, posted=lambda _: {"language": "en", "next": "/"}),
    # Reading.
    "threads:search": Page(EVERYBODY, query="?q=refund+sort:newest"),
    "threads:facets": Page(EVERYBODY, query="?q=refund+sort:newest"),
    "threads:suggestions": Page(EVERYBODY, query="?q=project:"),
    "threads:thread": Page(READERS, THREAD),
    "threads:further_hits": Page(READERS, THREAD, query="?q=refund+sort:newest"),
    "threads:print": Page(READERS, THREAD),
    "threads:manage": Page(MANAGERS, THREAD),
    # Who manages a thread says who else may read it.
    "threads:share_links": Page(MANAGERS, THREAD),
    "threads:revoke_share_link": Page(MANAGERS, THREAD | {"link_id": "link_pk"}, _nothing),
    # The address is the key: whoever has it reads this one thread.
    "threads:shared": Page(EVERYBODY, {"text": "share_text"}, of_others=frozenset(EVERYBODY)),
    "threads:message_source": Page(READERS, THREAD | {"position": "position"}),
    "threads:file": Page(NOBODY, {"project_slug": "slug", "file_id": "file_id"}),  # none is kept
    "threads:search_help": Page(EVERYBODY),
    "threads:robots": Page(EVERYBODY),
    "threads:favicon": Page(EVERYBODY),
    # What one asked for oneself.
    "threads:saved": Page(SIGNED_IN),
    "threads:saved_change": _own(
        lambda _: {"name": "x", "query": "x", "sharing": "nobody", "notify": "never"},
        pk="saved_pk",
    ),
    "threads:saved_delete": _own(_nothing, pk="saved_pk"),
    "threads:saved_feed": _own(_nothing, pk="saved_pk"),
    "threads:unsubscribe": Page(NOBODY, {"token": "unsubscribe_token"}),  # is signed
    # The address is the key: whoever has it reads as its owner.
    "threads:feed": Page(EVERYBODY, {"token": "feed_token"}, of_others=frozenset(EVERYBODY)),
    "threads:job": Page(MANAGERS, JOB),
    "threads:cancel_job": Page(MANAGERS, JOB, _nothing),
    "threads:retry_job": Page(MANAGERS, JOB, _nothing),
    "threads:exports": Page(EVERYBODY),
    "threads:new_export": Page(EVERYBODY, query="?q=refund+sort:newest"),
    "threads:export": _own(job_id="export_id"),
    "threads:export_file": _own(job_id="export_id"),
    "threads:fresh_searches": Page(EVERYBODY),
    "threads:new_fresh_search": Page(EVERYBODY, query="?q=refund+sort:newest"),
    "threads:fresh_search": Page(MANAGERS, {"search_id": "fresh_id"}),
    "threads:cancel_fresh_search": Page(MANAGERS, {"search_id": "fresh_id"}, _nothing),
    "threads:retry_fresh_search": Page(MANAGERS, {"search_id": "fresh_id"}, _nothing),
    "threads:api_tokens": Page(SIGNED_IN),
    "threads:revoke_token": _own(_nothing, token_id="token_pk"),
    # Accounts.
    "account": Page(SIGNED_IN),
    "account_preferences": Page(SIGNED_IN),
    "account_stay": Page(SIGNED_IN, posted=_nothing),
    "account_login": Page(EVERYBODY),
    "account_logout": Page(EVERYBODY),
    "account_signup": Page(EVERYBODY),
    "account_inactive": Page(EVERYBODY),
    "account_reauthenticate": Page(SIGNED_IN),
    "account_change_password": Page(SIGNED_IN),
    "account_set_password": Page(SIGNED_IN),
    "account_reset_password": Page(EVERYBODY),
    "account_reset_password_done": Page(EVERYBODY),
    "account_reset_password_from_key_done": Page(EVERYBODY),
    "mfa_index": Page(SIGNED_IN),
    "mfa_authenticate": Page(NOBODY),  # between password and code only
    "mfa_reauthenticate": Page(SIGNED_IN),  # without an app it asks for the password
    "mfa_activate_totp": Page(SIGNED_IN),
    "mfa_deactivate_totp": Page({OWNER}),
    "mfa_view_recovery_codes": Page(NOBODY),
    "mfa_generate_recovery_codes": Page(SIGNED_IN),
    "mfa_download_recovery_codes": Page(NOBODY),
    "mfa_list_webauthn": Page(SIGNED_IN),
    "mfa_add_webauthn": Page(SIGNED_IN),
    "mfa_reauthenticate_webauthn": Page(NOBODY),
    "mfa_remove_webauthn": Page(NOBODY, {"pk": "factor_pk"}),  # an app is no key
    "mfa_edit_webauthn": Page(NOBODY, {"pk": "factor_pk"}),
    "mfa_login_webauthn": Page(EVERYBODY),
    "usersessions_list": Page(SIGNED_IN),
    "account_end_sessions": Page(SIGNED_IN, posted=_nothing),
    "account_end_session": _own(_nothing, pk="session_pk"),
    "socialaccount_connections": Page(SIGNED_IN),
    "socialaccount_login_cancelled": Page(EVERYBODY),
    "socialaccount_login_error": Page(NOBODY),
    "socialaccount_signup": Page(NOBODY),
    # Other systems; /metrics answers this machine, and is about all of the archive.
    "monitoring:healthz": Page(EVERYBODY),
    "monitoring:readyz": Page(NOBODY),  # 503: no worker runs here
    "monitoring:metrics": Page(EVERYBODY),
    "api-docs": Page(EVERYBODY),
}
# Their whole address is a secret or a provider's; the tests of accounts go through them.
ELSEWHERE = {
    "account_reset_password_from_key",
    "openid_connect_login",
    "openid_connect_callback",
}
# These tell of the archive as a whole.
ABOUT_EVERYTHING = {"monitoring:metrics", "monitoring:readyz"}


def addresses(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[str]:
    """Yield the name of every address; `test_permissions_console` and `…_api` have theirs."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace not in {"admin", "api"}:
                inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
                yield from addresses(pattern.url_patterns, inner)
        elif pattern.name:
            yield prefix + pattern.name


@pytest.fixture
def world(settings: Any) -> World:
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "100000/m")
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[:1]
    return make_world()


def look(client: Client, address: str) -> Any:
    """Ask for an address and take back whatever that changed."""
    with transaction.atomic():
        response = client.get(address)
        transaction.set_rollback(True)
    return response


def ask(client: Client, page: Page, name: str, names: Names) -> Any:
    """Ask for a page, or send its form, and take back whatever that changed."""
    address = address_of(page, name, names)
    with transaction.atomic():
        cookies = SimpleCookie(client.cookies.output(header="", sep=";"))
        if page.posted is None:
            response = client.get(address + page.query)
        else:
            response = client.post(address, page.posted(names))
        client.cookies = cookies
        transaction.set_rollback(True)
    return response


def is_let_in(response: Any) -> bool:
    if response.status_code == 302:
        return not response["Location"].startswith("/account/login/?next=")
    return bool(response.status_code < 400)


def test_every_address_has_an_entry() -> None:
    named = set(addresses())

    assert named - ELSEWHERE == set(PAGES)


@pytest.mark.parametrize("person", PEOPLE)
def test_pages_open_for_whom_they_are_meant(world: World, person: str) -> None:
    client, wrong = world.client_of(person), []
    world.alpha["unsubscribe_token"] = NOWHERE["unsubscribe_token"]

    for name, page in PAGES.items():
        response = ask(client, page, name, world.alpha)
        leads_away = page.who is NOBODY and response.status_code == 302
        if (is_let_in(response) and not leads_away) is not (person in page.who):
            wrong.append((name, response.status_code, response.headers.get("Location")))

    assert wrong == []


@pytest.mark.parametrize("person", PEOPLE)
def test_somebody_elses_pages_answer_like_none(world: World, person: str) -> None:
    add_zebra(world)
    world.zebra["unsubscribe_token"] = NOWHERE["unsubscribe_token"]
    client, wrong = world.client_of(person), []

    for name, page in PAGES.items():
        if not page.names or person in page.of_others:
            continue
        of_zebra, of_nothing = (
            text_of(ask(client, page, name, names), address_of(page, name, names))
            for names in (world.zebra, NOWHERE)
        )
        if of_zebra != of_nothing or MARK in of_zebra:
            wrong.append((name, difference(of_nothing, of_zebra)))

    assert wrong == []


def difference(before: str, after: str) -> list[str]:
    """Return the lines that differ, for whoever reads why a test failed."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line[:300] for line in lines if line[0] in "+-" and line[:3] not in {"+++", "---"}][:6]


def address_of(page: Page, name: str, names: Names) -> str:
    return reverse(name, kwargs={word: names[key] for word, key in page.names.items()})


# Ordered by time: the order by relevance weighs words by how common they are in the whole index.
QUERIES = (
    *(
        "",
        "?q=",
        "?q=refund+sort:newest",
        f"?q={MARK}",
        "?q=project:alpha",
        f"?q=project:{MARK}-slug",
    ),
    *("?q=refund+sort:oldest", "?q=tag:shared-tag", f"?q=tag:{MARK}-tag", "?q=refnud"),
    *("?q=role:tool", "?q=has:code", f"?q=model:model-{MARK}", "?q=*", f"?q={MARK[:4]}*"),
)
TYPED = ("", "q", "qz", MARK, "project:", "project:q", "tag:", "tag:s", "model:", "user:", "assi")


@pytest.mark.parametrize("person", [person for person in PEOPLE if person != ADMINISTRATOR])
def test_a_project_that_is_added_changes_no_page_of_other_people(world: World, person: str) -> None:
    client = world.client_of(person)
    asked = [
        address_of(page, name, world.alpha) + page.query
        for name, page in PAGES.items()
        if person in page.who and name not in ABOUT_EVERYTHING and page.posted is None
    ]
    asked += [
        *(f"/{query}" for query in QUERIES),
        *(f"/facets/{query}" for query in QUERIES),
        *(f"/suggestions/?q={typed}" for typed in TYPED),
        *(f"/exports/new/?q={typed}" for typed in ("refund", MARK)),
        f"/exports/new/?thread={NOWHERE['short_id']}",
        *(f"/fresh-searches/new/?project={slug}" for slug in ("alpha", f"{MARK}-slug")),
    ]
    before = {address: text_of(look(client, address)) for address in asked}
    add_zebra(world)
    cache.clear()

    after = {address: text_of(look(client, address)) for address in asked}

    changed = [label for label in before if before[label] != after[label]]
    assert [(label, difference(before[label], after[label])) for label in changed] == []
    told = [label for label, text in after.items() if MARK in text and MARK[:4] not in label]
    assert told == []


def test_visitors_are_sent_to_the_login_and_back(world: World) -> None:
    response = world.client_of(VISITOR).get("/saved/", follow=True)

    assert response.redirect_chain == [("/account/login/?next=/saved/", 302)]
