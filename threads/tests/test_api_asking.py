"""What programs may do with a token: fresh searches, threads to add, exports; and nothing else."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from projects.models import ApiToken, SiteSettings
from threads import captcha, tasks
from threads.models import FreshSearch, Job, Message, Thread
from threads.tests.factories import make_connection, make_conversation, make_project, make_thread

pytestmark = pytest.mark.django_db


def make_token(user: User | None = None, *scopes: str, **changes: Any) -> dict[str, str]:
    """Return the header of a new token, with all scopes unless some are named."""
    user = user or User.objects.create_user("ada")
    token, text = ApiToken.issue(
        user,
        name="script",
        scopes=scopes or ApiToken.Scope.values,
        now=timezone.now(),
        life=timedelta(days=1),
    )
    ApiToken.objects.filter(pk=token.pk).update(**changes)
    return {"Authorization": f"Bearer {text}"}


def call(
    path: str,
    body: object = None,
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
    status: int = 200,
    client: Client | None = None,
) -> Any:
    method = method or ("GET" if body is None else "POST")
    response = (client or Client()).generic(
        method,
        f"/api/v1/{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers=headers or {},
    )
    assert response.status_code == status, response.content
    return response.json()


def make_source(**fields: Any) -> Any:
    project = make_project(**fields)
    make_thread(project, connection=make_connection(project), next_refresh_at=timezone.now())
    return project


# Tokens.


def test_it_sees_with_the_eyes_of_the_tokens_owner() -> None:
    ada = User.objects.create_user("ada")
    project = make_project("Secret", visibility="private")
    project.owners.add(ada)
    make_conversation("refund", project=project)

    assert call("threads?q=refund")["total_threads"] == 0
    assert call("threads?q=refund", headers=make_token(ada))["total_threads"] == 1
    assert call("me", headers=make_token(ada))["account"]["username"] == "ada"


def test_it_keeps_no_token_that_could_be_used() -> None:
    header = make_token()
    text = header["Authorization"].removeprefix("Bearer ")

    token = ApiToken.objects.get()

    assert text.startswith("th_")
    assert text not in str(ApiToken.objects.values().get())
    assert token.prefix == text[:11]


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"digest": "0" * 64},
    ],
)
def test_it_refuses_a_token_that_does_not_hold(changes: dict[str, Any]) -> None:
    headers = make_token(**changes)

    assert call("me", headers=headers, status=401)["error"]["code"] == "invalid_token"


def test_it_refuses_the_token_of_an_account_that_was_switched_off() -> None:
    headers = make_token(User.objects.create_user("bob", is_active=False))

    assert call("me", headers=headers, status=401)["error"]["code"] == "invalid_token"


@pytest.mark.parametrize("value", ["Bearer", "Bearer nothing", "Basic YTpi", "Bearer th_\x00", "x"])
def test_it_refuses_what_is_no_token(value: str) -> None:
    assert call("threads?q=a", headers={"Authorization": value}, status=401)["error"]["code"]


def test_a_bad_token_is_not_replaced_by_the_session() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("eve"))

    call("me", headers={"Authorization": "Bearer th_x"}, client=client, status=401)


@pytest.mark.parametrize(
    ("scope", "path", "body"),
    [
        ("export", "threads?q=a", None),
        ("read", "threads", {"project": "a", "ids": ["b"]}),
        ("read", "fresh-searches", {"query": "a"}),
        ("write", "exports", {"format": "csv"}),
    ],
)
def test_it_keeps_to_the_scopes(scope: str, path: str, body: object) -> None:
    answer = call(path, body, headers=make_token(None, scope), status=403)

    assert answer["error"]["code"] == "missing_scope"


def test_it_notes_when_a_token_was_used() -> None:
    call("me", headers=make_token())

    assert ApiToken.objects.get().last_used_at is not None


def test_it_counts_each_token_by_itself() -> None:
    SiteSettings(rate_read="1/h").save()
    ada = User.objects.create_user("ada")
    one, other = make_token(ada), make_token(ada)

    call("me", headers=one)
    call("me", headers=one, status=429)
    call("me", headers=other)


def test_who_tries_tokens_out_is_slowed_down() -> None:
    SiteSettings(rate_login="3/h").save()

    for _ in range(3):
        call("me", headers={"Authorization": "Bearer th_guess"}, status=401)
    answer = call("me", headers={"Authorization": "Bearer th_guess"}, status=429)

    assert answer["error"]["code"] == "too_many_requests"


def test_a_session_that_changes_something_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("eve"))
    body = {"project": "support", "ids": ["a"]}

    refused = call("threads", body, client=client, status=403)
    client.get("/")  # which sets the cookie, as the page would
    client.cookies["threadhub_csrf"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}

    assert refused["error"]["code"] == "csrf"
    assert call("threads", body, client=client, headers=headers, status=404)["error"]["code"] == (
        "unknown_project"
    )


# Fresh searches.


def test_it_starts_follows_and_stops_a_fresh_search() -> None:
    make_source()
    headers = make_token()

    started = call("fresh-searches", {"query": "late refund"}, headers=headers, status=202)
    same = call("fresh-searches", {"query": "late refund"}, headers=headers, status=202)
    seen = call(started["url"].removeprefix("/api/v1/"), headers=headers)
    stopped = call(f"fresh-searches/{started['id']}", method="DELETE", headers=headers)

    assert started["state"] == seen["state"] == "queued"
    assert same["id"] == started["id"]
    assert started["results_url"] == "/api/v1/threads?q=late+refund"
    assert stopped["state"] == "cancelled"
    assert Job.objects.get().state == Job.State.CANCELLED


def test_it_hides_the_fresh_searches_of_others() -> None:
    make_source()
    started = call("fresh-searches", {"query": "a"}, headers=make_token(), status=202)
    bob = make_token(User.objects.create_user("bob"))

    for method in ("GET", "DELETE"):
        call(f"fresh-searches/{started['id']}", method=method, headers=bob, status=404)


def test_a_visitor_answers_a_question_first(monkeypatch: pytest.MonkeyPatch) -> None:
    make_source(allows_visitor_fresh_search=True)
    monkeypatch.setattr(
        "threads.captcha.problems.make",
        lambda mode, rng: captcha.problems.Problem(mode, ("6 × 7 = ?",), "42"),
    )
    question = call("captcha")
    body = {"query": "refund", "captcha_token": question["token"], "captcha_answer": "42"}

    without = call("fresh-searches", {"query": "refund"}, status=403)
    call("fresh-searches", body, status=202)
    again = call("fresh-searches", body | {"query": "lamp"}, status=403)

    assert question["is_needed"]
    assert question["content"].startswith("data:image/png;base64,")
    assert without["error"]["code"] == "captcha_malformed"
    assert again["error"]["code"] == "captcha_used"
    assert FreshSearch.objects.get().requested_by is None


def test_the_question_can_be_heard() -> None:
    assert call("captcha?sound=true")["content_type"] == "audio/wav"


def test_it_names_a_project_that_cannot_be_asked() -> None:
    make_source(name="Secret", visibility="private")

    answer = call(
        "fresh-searches",
        {"query": "a", "projects": ["secret"]},
        headers=make_token(),
        status=404,
    )

    assert (answer["error"]["code"], answer["error"]["field"]) == ("unknown_project", "projects")


# Threads to add.


def owned_source(**fields: Any) -> tuple[Any, dict[str, str]]:
    ada = User.objects.create_user("ada")
    project = make_project(**fields)
    project.owners.add(ada)
    return project, make_token(ada)


def test_it_registers_ids() -> None:
    project, headers = owned_source()
    make_connection(project)
    body = {"project": "support", "ids": ["conv_1", "conv_2", "no id"]}

    first = call("threads", body, headers=headers)
    second = call("threads", body, headers=headers)

    assert first["added"] == ["conv_1", "conv_2"]
    assert [one["id"] for one in first["refused"]] == ["no id"]
    assert second["known"] == ["conv_1", "conv_2"]


def test_it_takes_whole_threads_twice_without_a_change() -> None:
    _, headers = owned_source()
    threads = [
        {"id": "conv_1", "messages": [{"role": "user", "content": "A refund, please"}]},
        {"id": "conv_2", "messages": [{"role": "nobody at all", "content": 7}]},
    ]

    first = call("threads", {"project": "support", "threads": threads}, headers=headers)
    second = call("threads", {"project": "support", "threads": threads}, headers=headers)

    assert (first["threads_new"], first["messages_new"]) == (1, 1)
    assert [problem["number"] for problem in first["problems"]] == [2]
    assert (second["threads_new"], second["threads_unchanged"]) == (0, 1)
    assert Message.objects.get().text == "A refund, please"
    assert call("threads?q=refund", headers=headers)["total_threads"] == 1


def test_it_adds_to_no_project_that_one_only_reads() -> None:
    make_project()

    answer = call("threads", {"project": "support", "ids": ["a"]}, headers=make_token(), status=404)

    assert answer["error"]["code"] == "unknown_project"
    assert not Thread.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"project": "support", "idz": []}, "idz"),
        ({"project": "support", "ids": "conv_1"}, "ids"),
        ({"project": "support", "ids": ["a"] * 1_001}, "ids"),
        ({"ids": []}, "project"),
    ],
)
def test_it_says_which_part_of_what_was_sent_is_wrong(body: object, field: str) -> None:
    answer = call("threads", body, headers=make_token(), status=400)

    assert answer["error"]["field"] == field


def test_it_refuses_what_is_too_large() -> None:
    project, headers = owned_source()
    text = "x" * 3_000_000
    threads = [{"id": "a", "messages": [{"role": "user", "content": text}]}]

    answer = call(
        "threads", {"project": project.slug, "threads": threads}, headers=headers, status=413
    )

    assert answer["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"project": ', "application/json", 400, "bad_request"),
        (b"[" * 100_000, "application/json", 400, "bad_request"),
        (b'{"project": "\xff"}', "application/json", 400, "bad_request"),
        (b"", "application/json", 400, "invalid_parameter"),
        (b"project=support", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"<threads/>", "text/xml", 415, "unsupported_media_type"),
    ],
)
def test_it_says_what_is_wrong_with_a_body(
    body: bytes, content_type: str, status: int, code: str
) -> None:
    response = Client().post(
        "/api/v1/threads", body, content_type=content_type, headers=make_token()
    )

    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]


def test_it_takes_json_whose_type_was_not_named() -> None:
    _, headers = owned_source()
    body = b'{"project": "support", "threads": [{"id": "conv_1", "messages": []}]}'
    kind = "application/x-www-form-urlencoded"  # what many programs send by themselves

    response = Client().post("/api/v1/threads", body, content_type=kind, headers=headers)

    assert response.status_code == 200


def test_visitors_add_nothing() -> None:
    assert call("threads", {"project": "a", "ids": ["b"]}, status=401)["error"]["code"] == (
        "not_signed_in"
    )


# Exports.


def test_it_makes_a_file() -> None:
    headers = make_token()
    make_conversation("A refund")

    started = call("exports", {"format": "csv", "query": "refund"}, headers=headers, status=202)
    tasks.run_export_task(job_id=started["id"])
    made = call(f"exports/{started['id']}", headers=headers)
    file = Client().get(made["file_url"], headers=headers)

    assert (started["state"], started["file_url"]) == ("queued", None)
    assert made["state"] == "done"
    assert b"A refund" in b"".join(file.streaming_content)  # type: ignore[attr-defined]


def test_it_says_that_a_file_is_not_made_yet() -> None:
    headers = make_token()
    started = call("exports", {"format": "csv"}, headers=headers, status=202)

    answer = call(f"exports/{started['id']}/file", headers=headers, status=409)

    assert answer["error"]["code"] == "not_ready"


def test_it_gives_a_file_to_nobody_else() -> None:
    started = call("exports", {"format": "csv"}, headers=make_token(), status=202)
    bob = make_token(User.objects.create_user("bob"))

    for path in ("", "/file"):
        call(f"exports/{started['id']}{path}", headers=bob, status=404)


@pytest.mark.parametrize("path", ["fresh-searches", "exports"])
def test_it_knows_no_id_that_is_not_there(path: str) -> None:
    call(f"{path}/{uuid4()}", headers=make_token(), status=404)


def test_it_refuses_a_format_that_is_none() -> None:
    call("exports", {"format": "doc"}, headers=make_token(), status=400)


@pytest.fixture(autouse=True)
def _no_warnings_in_the_output(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="django.security.csrf")
