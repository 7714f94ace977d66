"""Whatever is sent to the API, it answers as its own description says, and never with a 500.

The cases are made by Schemathesis out of that description, the same ones in every run. For a long
hunt: THREADHUB_API_EXAMPLES=500 pytest threads/tests/test_api_contract.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.config import SchemathesisConfig

from projects.models import ApiToken, SiteSettings
from threadhub.wsgi import application
from threads.api import api
from threads.tests.factories import make_connection, make_conversation, make_project

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

_EXAMPLES = int(os.environ.get("THREADHUB_API_EXAMPLES", "6"))
# Beyond what a JSON schema can say: the query language, cursors, what a project allows.
_REFUSED_ALL_THE_SAME = ["2xx", "3xx", 400, 401, 403, 404, 409, 429]
_SCOPES = {
    "visitor": [],
    "reader": ["read"],
    "writer": ["write"],
    "exporter": ["export"],
    "owner": ["read", "write", "export"],
}


def described(*, is_thorough: bool) -> Any:
    """Return the API as it describes itself; Schemathesis makes its cases out of that.

    :param is_thorough: with a case for every boundary, absent field and wrong method.
    """
    description = api.get_openapi_schema(path_prefix="/api/v1/")
    config = {
        "generation": {"max-examples": _EXAMPLES, "deterministic": True, "database": "none"},
        "phases": {"coverage": {"enabled": is_thorough}},
        "checks": {"positive_data_acceptance": {"expected-statuses": _REFUSED_ALL_THE_SAME}},
    }
    schema = schemathesis.openapi.from_dict(
        json.loads(json.dumps(description, default=str)),
        config=SchemathesisConfig.from_dict(config),
    )
    schema.app, schema.location = application, "/api/v1/openapi.json"
    return schema


few_examples = hypothesis_settings(
    max_examples=_EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the test's own connection open between requests, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def headers(db: None, who: str) -> dict[str, str]:
    """Make something to find, and somebody's token; without limits."""
    without = {f"rate_{name}": "900000/m" for name in settings.THREADHUB_RATES}
    SiteSettings(**without).save()
    owner = User.objects.create_user("olivia")
    project = make_project(allows_visitor_fresh_search=True)
    project.owners.add(owner)
    make_connection(project)
    make_conversation("I want a refund", "Of course", project=project)
    if who == "visitor":
        return {}
    _token, text = ApiToken.issue(
        owner, name="x", scopes=_SCOPES[who], now=timezone.now(), life=timedelta(days=1)
    )
    return {"Authorization": f"Bearer {text}"}


def keeps_to_its_description(case: Any, headers: dict[str, str]) -> None:
    # Inside one process Schemathesis does not unpack what comes compressed.
    response = case.call_and_validate(headers=headers | {"Accept-Encoding": "identity"})

    if response.status_code >= 400:
        error = response.json()["error"]
        assert set(error) <= {"code", "message", "field", "position", "length", "suggestion"}
        assert error["code"]
        assert error["message"].strip()


@pytest.mark.parametrize("who", ["visitor", "owner"])
@described(is_thorough=True).parametrize()  # type: ignore[untyped-decorator]
@few_examples
def test_it_keeps_to_its_description(case: Any, headers: dict[str, str]) -> None:
    keeps_to_its_description(case, headers)


@pytest.mark.parametrize("who", ["reader", "writer", "exporter"])
@described(is_thorough=False).parametrize()  # type: ignore[untyped-decorator]
@few_examples
def test_it_keeps_to_it_with_one_scope(case: Any, headers: dict[str, str]) -> None:
    keeps_to_its_description(case, headers)
