"""Pages of results: who may see what, order, paging, counts and what a page costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from threads.search import find
from threads.search.query import parse
from threads.search.results import SearchPage
from threads.tests.factories import (
    NOW,
    make_conversation,
    make_message,
    make_project,
    make_thread,
)

pytestmark = pytest.mark.django_db
LATER = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


def _find(text: str, user: User | None = None, **options: Any) -> SearchPage:
    options.setdefault("within", Project.objects.visible_to(user))
    return find(parse(text, now=LATER, zone=UTC), now=LATER, **options)


def _numbered(count: int, text: str = "common words", **fields: Any) -> Project:
    """Make threads with falling numbers of messages, one a day."""
    project = make_project()
    for number in range(count):
        thread = make_thread(
            project,
            external_id=f"n{number:03d}",
            created_at=NOW + timedelta(days=number),
            last_message_timestamp=NOW + timedelta(days=number),
            message_count=count - number,
            total_tokens=number,
            **fields,
        )
        make_message(thread, f"{text} {number}", created_at=NOW + timedelta(days=number))
    return project


@pytest.mark.parametrize("match", ["all", "any"])
@pytest.mark.parametrize("group", ["thread", "message"])
@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest", "longest"])
@pytest.mark.parametrize(
    "text",
    ["secret", "secret plans", "in:title secret", "project:hidden secret", "project:hidden", "",
     "role:user", "secr*", "-plans", "thread:{secret}", "id:hid", 'text:~"ecre"',
     "secret OR id:hid"],
)  # fmt: skip
def test_nothing_of_other_projects_shows(text: str, sort: str, group: str, match: str) -> None:
    hidden = make_project("Hidden", slug="hidden", visibility=Project.Visibility.PRIVATE)
    make_conversation("secret plans", title="Secret", project=hidden, external_id="hid")
    make_message(make_thread(hidden), "secret", role="tool", kind="tool_output")
    make_conversation("secret of the open plans", title="Secret", external_id="open")

    page = _find(text, sort=sort, group=group, match=match)

    assert {result.thread.external_id for result in page.results} <= {"open"}
    assert page.total_threads <= 1
    assert page.total_messages <= 1
    assert page.hidden_tool_hits == 0


def test_it_shows_owners_their_private_projects() -> None:
    owner = User.objects.create_user("owner")
    hidden = make_project("Hidden", visibility=Project.Visibility.PRIVATE)
    hidden.owners.add(owner)
    make_conversation("secret plans", project=hidden)

    assert _find("secret").total_messages == 0
    assert _find("secret", owner).total_messages == 1


def test_it_finds_nothing_where_nothing_may_be_seen() -> None:
    make_conversation("words")

    page = _find("words", within=Project.objects.none())

    assert (page.results, page.total_threads, page.total_messages) == ((), 0, 0)


def test_many_projects_are_no_obstacle() -> None:
    owner = User.objects.create_user("owner")
    for number in range(40):
        project = make_project(f"P{number}", visibility=Project.Visibility.PRIVATE)
        make_conversation("the same words", title="Same", project=project)
        if number % 2:
            project.owners.add(owner)

    assert _find("words", owner, limit=100).total_threads == 20
    assert _find("words", owner, sort="newest").total_messages == 20
    assert _find("in:title same", owner).total_threads == 20


@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest", "longest", "tokens"])
@pytest.mark.parametrize("group", ["thread", "message"])
@pytest.mark.parametrize("text", ["common", "", "common OR n00*", "common nothing"])
def test_its_pages_hold_everything_once(text: str, sort: str, group: str) -> None:
    _numbered(23)
    thread = make_conversation("common", "common", "common", external_id="several")
    seen: list[tuple[str, ...]] = []
    cursor = None

    for _page in range(20):
        page = _find(text, sort=sort, group=group, limit=4, cursor=cursor)
        seen += [
            (result.thread.external_id, *(str(hit.pk) for hit in result.hits[:1]))
            for result in page.results
        ]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen))
    is_by_message = group == "message" and text and sort not in {"longest", "tokens"}
    assert len(seen) == (26 if is_by_message else 24)
    assert thread.external_id in {name for name, *_hits in seen}


def test_newest_and_oldest_are_in_the_order_of_time() -> None:
    _numbered(5)

    newest = [result.thread.external_id for result in _find("common", sort="newest").results]
    oldest = [result.thread.external_id for result in _find("common", sort="oldest").results]
    longest = [result.thread.external_id for result in _find("common sort:longest").results]

    assert newest == ["n004", "n003", "n002", "n001", "n000"]
    assert oldest == newest[::-1]
    assert longest == oldest


@pytest.mark.parametrize(
    ("text", "sort", "said"),
    [
        ("words", "", "best match first"),
        ("words", "oldest", "oldest first"),
        ("words sort:newest", "oldest", "newest first"),
        ("role:user", "relevance", "newest first"),
    ],
)
def test_it_says_the_order_that_it_used(text: str, sort: str, said: str) -> None:
    _numbered(1)

    assert said in _find(text, sort=sort).explanation


def test_new_messages_do_not_move_what_is_on_later_pages() -> None:
    project = _numbered(8)
    first = _find("common", sort="newest", limit=4)
    late = make_thread(project, created_at=LATER)
    make_message(late, "common", created_at=LATER)

    second = _find("common", sort="newest", limit=4, cursor=first.next_cursor)

    assert [r.thread.external_id for r in second.results] == ["n003", "n002", "n001", "n000"]


@pytest.mark.parametrize("cursor", ["x", "eyJrIjo1fQ", "W10", "eyJvIjoiYSJ9", "💥"])
def test_it_refuses_cursors_that_it_did_not_make(cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        _find("common", cursor=cursor)


def test_the_best_message_stands_for_its_thread() -> None:
    thread = make_conversation(
        "The invoice is somewhere among many other things that were written down here.",
        "invoice invoice",
        "invoice",
    )
    make_conversation("nothing of the kind", project=thread.project)

    (result,) = _find("invoice", hits_shown=3).results

    assert [hit.position for hit in result.hits][-1] == 1
    assert result.hit_count == 3
    assert result.score is not None


def test_the_newer_of_two_equals_comes_first() -> None:
    project = make_project()
    for name, day in (("old", 400), ("new", 1)):
        moment = LATER - timedelta(days=day)
        thread = make_thread(project, external_id=name, created_at=moment)
        make_message(thread, "the same invoice", created_at=moment)

    names = [result.thread.external_id for result in _find("invoice").results]

    assert names == ["new", "old"]


def test_a_title_counts_on_top_of_messages() -> None:
    project = make_project()
    make_conversation("about an invoice", project=project, external_id="plain")
    make_conversation(
        "about an invoice", project=project, external_id="titled", title="Invoice", created_at=NOW
    )

    page = _find("invoice")

    assert page.results[0].thread.external_id == "titled"
    assert page.results[0].title == "<mark>Invoice</mark>"


def test_counts_beyond_the_cap_say_so() -> None:
    _numbered(9)

    page = _find("common", sort="newest", limit=3, counted=7)

    assert (page.total_messages, page.total_is_exact) == (7, False)
    assert len(page.results) == 3
    assert page.total_threads == 7  # of the newest seven hits


def test_what_is_no_part_of_the_list_is_counted_when_it_is_asked_for() -> None:
    project = _numbered(30)
    long = make_thread(project, created_at=LATER)
    for _number in range(5):
        make_message(long, "common", created_at=LATER)

    page = _find("common", sort="newest", limit=3, hits_shown=2)
    with CaptureQueriesContext(connection) as queries:
        first = page.results[0]
        told = (len(first.hits), first.hit_count, page.total_threads, page.total_messages)

    assert told == (2, 5, 31, 35)
    assert len(queries) <= 2  # hits by thread, and titles


def test_threads_that_began_in_the_same_second_are_on_some_page() -> None:
    project = make_project()
    for number in range(7):
        make_thread(project, external_id=f"t{number}", title="Common", created_at=NOW)

    seen = []
    cursor = None
    for _page in range(5):
        page = _find("common", sort="newest", limit=2, cursor=cursor)
        seen += [result.thread.external_id for result in page.results]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sorted(seen) == [f"t{number}" for number in range(7)]


def test_very_frequent_words_are_ranked_among_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.search.orders.RANK_ALL", 5)
    monkeypatch.setattr("threads.search.orders.RANK_NEWEST", 3)
    _numbered(9)

    page = _find("common")

    assert page.ranking == "newest"
    assert {r.thread.external_id for r in page.results} == {"n008", "n007", "n006"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("common", {}),
        ("common", {"sort": "newest"}),
        ("common words", {"match": "any"}),
        ('"common words"', {}),
        ("", {}),
        ("tag:x OR common", {"sort": "longest"}),
    ],
)
def test_a_longer_page_takes_no_more_queries(text: str, options: dict[str, Any]) -> None:
    _numbered(30)
    _find(text, **options)
    taken = []

    for limit in (2, 25):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            _find(text, limit=limit, **options)
        taken.append(len(queries))

    # Projects and those that may be seen, hits, titles, their count, messages with their threads;
    # ranking and its mixture add five at most, PostgreSQL's estimate two for each plan.
    assert taken[0] == taken[1]
    assert taken[1] <= 20


def test_scans_are_for_those_who_are_let() -> None:
    make_conversation("error 0x80070057")

    page = _find('text:~"x8007"', allow_scans=False)

    assert page.results == ()
    assert [notice.code for notice in page.notices] == ["scan_refused"]
    assert _find('text:~"x8007"').total_threads == 1


@pytest.mark.timeout(20)
def test_expressions_that_could_take_for_ever_are_not_begun() -> None:
    make_conversation("a" * 20_000)

    refused = _find("/a*a*a*a*b/")
    read = _find("/a*b/")

    assert refused.results == read.results == ()
    assert [notice.code for notice in refused.notices] == ["regex_slow"]
    assert read.notices == ()


@pytest.mark.parametrize("sort", ["relevance", "newest"])
def test_an_exact_phrase_leaves_other_forms_out_and_does_not_count_them(sort: str) -> None:
    for _number in range(4):
        make_conversation("late deliveries")
        make_conversation("late delivery", "the late delivery", title="exact")

    page = _find('"late delivery"', sort=sort, limit=2)

    assert [result.thread.title for result in page.results] == ["exact", "exact"]
    assert (page.total_messages, page.total_threads, page.total_is_exact) == (8, 4, True)


def test_phrases_beyond_the_cap_count_what_was_looked_at() -> None:
    for _number in range(4):
        make_conversation("late deliveries")
        make_conversation("late delivery")

    page = _find('"late delivery"', sort="newest", limit=2, counted=5)

    assert page.total_messages in {2, 3}  # of the newest five
    assert not page.total_is_exact


def test_the_command_answers_like_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project("Shop", slug="shop")
    make_conversation("Where is <my> refund?", title="Money", project=project)
    out = StringIO()

    call_command("search_threads", "refund", "--format", "json", stdout=out)
    answer = json.loads(out.getvalue())

    assert answer["total_threads"] == 1
    assert answer["results"][0]["project"]
    snippet = answer["results"][0]["hits"][0]["snippet"]
    assert snippet == "Where is &lt;my&gt; <mark>refund</mark>?"


def test_the_command_reads_queries_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    make_conversation("Where is my refund?")
    monkeypatch.setattr("sys.stdin", StringIO("refund\nnothing\n"))
    out = StringIO()

    call_command("search_threads", "-", "--format", "json", stdout=out)

    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [answer["total_threads"] for answer in answers] == [1, 0]
    assert [answer["query"] for answer in answers] == ["refund", "nothing"]


def test_the_command_keeps_to_what_a_user_may_see() -> None:
    User.objects.create_user("visitor")
    hidden = make_project("Hidden", slug="hidden", visibility=Project.Visibility.PRIVATE)
    make_conversation("Where is my refund?", project=hidden)
    everything, visible = StringIO(), StringIO()

    call_command("search_threads", "refund", stdout=everything)
    call_command("search_threads", "refund", "--as", "visitor", stdout=visible)

    assert "[refund]" in everything.getvalue()
    assert "[refund]" not in visible.getvalue()
    for wrong in (["--as", "nobody"], ["--project", "none"], ["--cursor", "x"]):
        with pytest.raises(CommandError):
            call_command("search_threads", "refund", *wrong)
