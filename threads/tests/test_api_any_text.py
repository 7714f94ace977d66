"""Whatever is asked, the API answers in its own shapes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from threads.search.query import FIELDS
from threads.tests.factories import make_conversation, make_project

_pieces = st.sampled_from(
    [
        *"()[]{}\"-*:~/\\,.<>%_'",
        " ",
        " ",
        " OR ",
        " -",
        "thread:{",
        "text:~",
        "meta.a:",
        "meta.a'b:",
    ]
    + [f" {name}:" for name in FIELDS]
    + [f" {entry.name}:{value}" for entry in FIELDS.values() for value in entry.values]
    + ["退款", "refund", "foo_bar", "7d", "2026-01", "..", ">=5", "user", "/x/", "\x00", "\ud800"]
)


@pytest.fixture
def reader(client: Client, db: None, settings: Any) -> Client:
    """Someone who may ask as often as they like."""
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "1000000/m")
    make_conversation("A refund for 退款", "Done", project=make_project("Shop"), title="Refund")
    return client


# Nothing is written, so examples can share one archive.
@budget(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(st.lists(_pieces, max_size=12).map("".join), st.text(max_size=40)),
    path=st.sampled_from(["threads", "facets", "suggestions"]),
)
@example(text="refund OR meta.a'b:x -thread:{role:user refund}", path="threads")
@example(text="is:gone status:quiet -has:image,remark id:x%_ cost:5", path="threads")
def test_it_answers_any_text(reader: Client, text: str, path: str) -> None:
    asked = urlencode({"q": text}, errors="surrogatepass")

    response = reader.get(f"/api/v1/{path}?{asked}")

    assert response.status_code in {200, 400}, response.content
    assert ("error" in response.json()) is (response.status_code == 400)
