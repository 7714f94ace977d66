"""Whatever is posted into the console's forms, the answer is a page and no error of the server."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.db import transaction
from django.test import Client

from monitoring.tests.test_permissions_console import model_pages, other_pages
from monitoring.tests.test_permissions_console import world as world  # noqa: PLC0414 - a fixture
from monitoring.tests.world import ADMINISTRATOR, OWNER, World

pytestmark = pytest.mark.django_db

Fields = dict[str, list[str]]

WORST = ("9" * 30, "a\0b", "é" * 10_000)
GARBAGE = (*WORST, "", "abc", "-1", "1e400", "NaN", "2026-99-99", "1,2,abc", '{"a": [')
BUTTONS = {"submit", "button", "reset", "image", "file"}


class PostForms(HTMLParser):
    """Collects what a browser would post of a page: the fields of each form, with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Fields] = []
        self.actions: list[str] = []  # what a list offers to do with chosen rows
        self.is_inside = False
        self.name = ""  # of the list or text that is open

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attrs = {name: value or "" for name, value in given}
        if tag == "form":
            self.is_inside = attrs.get("method", "").lower() == "post"
            if self.is_inside:
                self.forms.append({})
        if not self.is_inside:
            return
        name = attrs.get("name", "")
        kind = attrs.get("type", "text")
        if tag == "input" and name and kind not in BUTTONS:
            values = self.forms[-1].setdefault(name, [])
            if kind not in {"checkbox", "radio"} or "checked" in attrs:
                values.append(attrs.get("value", "on"))
        elif tag in {"select", "textarea"} and name:
            self.name = name
            self.forms[-1].setdefault(name, [])
        elif tag == "option" and self.name:
            if "selected" in attrs:
                self.forms[-1][self.name].append(attrs.get("value", ""))
            if self.name == "action" and attrs.get("value"):
                self.actions.append(attrs["value"])

    def handle_data(self, data: str) -> None:
        if self.is_inside and self.name and self.lasttag == "textarea":
            self.forms[-1][self.name].append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.is_inside = False
        if tag in {"select", "textarea"}:
            self.name = ""


def garbage_for(client: Client, address: str) -> Iterator[tuple[str, Fields]]:
    """Give what is posted to a page: what is wrong about it, and the fields."""
    response = client.get(address)
    if response.status_code != 200 or "html" not in response["Content-Type"]:
        return
    page = PostForms()
    page.feed(response.content.decode())
    for form in page.forms:
        form.pop("csrfmiddlewaretoken", None)
        if not form:
            continue
        for garbage in GARBAGE:
            yield f"all {garbage[:8]}", {name: [garbage] for name in form}
        for name in form:
            for garbage in WORST:
                yield f"{name} {garbage[:8]}", {**form, name: [garbage]}
        yield "nothing", {}
        yield "no counts", {name: form[name] for name in form if "_FORMS" not in name}
    for action in page.actions:
        for garbage in GARBAGE:
            yield f"{action} {garbage[:8]}", {"action": [action], "_selected_action": [garbage]}


def status_of(client: Client, address: str, fields: Fields) -> int:
    """Post, and take back whatever that changed."""
    with transaction.atomic():
        status = client.post(address, fields).status_code
        transaction.set_rollback(True)
    return status


@pytest.mark.timeout(300)  # half a minute on a machine that does nothing else
@pytest.mark.parametrize("person", [ADMINISTRATOR, OWNER])
def test_garbage_in_a_form_is_answered_with_a_page(world: World, person: str) -> None:
    client, wrong, posted = world.client_of(person), [], 0
    addresses = [address for _label, address, _who in model_pages(world.alpha)]
    addresses += [address for _name, address, _page in other_pages(world.alpha)]

    for address in addresses:
        for what, fields in garbage_for(client, address):
            posted += 1
            status = status_of(client, address, fields)
            if status >= 500:
                wrong.append((address, what, status))

    assert wrong == []
    assert posted > 300
