"""The thread page: who may read it, what it shows, and what it costs."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from projects.models import Project, Tag
from threads.models import Message, MessageSource, Thread
from threads.tests.factories import NOW, make_conversation, make_message, make_project, make_thread
from threads.views.thread import PAGE_SIZE

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def page_of(client: Client, thread: Thread, query: str = "") -> str:
    response = client.get(f"{thread.get_absolute_url()}{query}")
    assert response.status_code == 200
    return response.content.decode()


def message_html(page: str, position: int) -> str:
    """Return the HTML of one message."""
    start = page.index(f'id="m-{position}"')
    end = page.find('id="m-', start + 1)
    return page[start : end if end > 0 else None]


def keep_source(message: Message, raw: Any = "", parts: Any = ()) -> None:
    MessageSource.objects.create(
        message=message, raw=json.dumps(raw) if raw else "", parts=list(parts)
    )


def test_it_shows_the_messages_in_order_with_role_and_permalink(client: Client) -> None:
    thread = make_conversation("Where is my parcel?", "It is on its **way**.", title="Parcel")

    page = page_of(client, thread)

    assert "<title>Parcel – ThreadHub</title>" in page
    assert page.index("Where is my parcel?") < page.index("<strong>way</strong>")
    assert re.search(r"</svg>\s*User", message_html(page, 1))
    assert re.search(r"</svg>\s*Assistant", message_html(page, 2))
    assert f'href="{thread.get_absolute_url()}#m-2"' in message_html(page, 2)


@pytest.mark.parametrize("view", ["", "print/", "1/"])
def test_it_is_hidden_from_those_who_may_not_read_it(client: Client, view: str) -> None:
    owner = User.objects.create_user("olga", is_staff=True)
    stranger = User.objects.create_user("sten", is_staff=True)
    project = make_project(visibility=Project.Visibility.PRIVATE)
    project.owners.add(owner)
    thread = make_conversation("secret plan", project=project)
    addresses = [f"/threads/{key}/{view}" for key in (thread.short_id, thread.external_id)]

    for user in (None, stranger):
        client.logout()
        if user:
            client.force_login(user)
        for address in addresses:
            response = client.get(address)
            assert response.status_code == 404
            assert b"secret" not in response.content
    client.force_login(owner)
    assert client.get(addresses[0]).status_code == 200


def test_it_hides_a_thread_in_the_trash(client: Client) -> None:
    thread = make_conversation("Hello", trashed_at=NOW)

    assert client.get(thread.get_absolute_url()).status_code == 404


def test_it_redirects_from_the_store_s_id_and_keeps_the_query(client: Client) -> None:
    thread = make_conversation("Hello", external_id="conv_abc")

    response = client.get("/threads/conv_abc/?q=h%26m")

    assert response.status_code == 302
    assert response["Location"] == f"{thread.get_absolute_url()}?q=h%26m"


def test_it_costs_the_same_for_many_messages(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    threads = [make_thread(title="short"), make_thread(title="long")]
    for thread, count in zip(threads, (1, 40), strict=True):
        thread.tags.add(Tag.objects.get_or_create(name="vip")[0])
        for _ in range(count):
            keep_source(make_message(thread, "refund"))

    for thread in threads:
        # The thread with its project, its tags, the last position, the positions that match,
        # and the messages with their sources.
        with django_assert_num_queries(5):
            page_of(client, thread, "?q=refund")


def test_it_marks_the_words_of_the_search_and_leads_from_hit_to_hit(client: Client) -> None:
    thread = make_conversation("A refund, please", "Which order?", "The refunded one", "Done")

    page = page_of(client, thread, "?q=refund")

    assert "A <mark>refund</mark>, please" in page
    assert "The <mark>refunded</mark> one" in page
    assert 'data-hits="1,3"' in page
    assert 'href="#m-3" title="Next hit"' in message_html(page, 1)
    assert 'href="#m-1" title="Previous hit"' in message_html(page, 3)
    assert 'href="/?q=refund"' in page


def test_it_opens_the_part_of_a_long_thread_that_holds_the_hit(client: Client) -> None:
    thread = make_thread()
    for position in (1, PAGE_SIZE + 5, 3 * PAGE_SIZE):
        make_message(thread, f"lamp {position}", position=position)

    page = page_of(client, thread, f"?q=lamp&at={PAGE_SIZE + 5}")

    assert f'id="m-{PAGE_SIZE + 5}"' in page
    assert 'id="m-1"' not in page
    assert "Part 2 of 3" in page
    assert f"at={3 * PAGE_SIZE}#m-{3 * PAGE_SIZE}" in message_html(page, PAGE_SIZE + 5)


@pytest.mark.parametrize(
    "query", ["?page=999", "?page=x", "?at=0", "?at=99999999999999", "?page=-1"]
)
def test_it_survives_addresses_that_make_no_sense(client: Client, query: str) -> None:
    thread = make_conversation("Hello")

    assert "Hello" in page_of(client, thread, query)


def test_it_folds_tool_calls_to_a_line_and_unfolds_hits(client: Client) -> None:
    thread = make_thread()
    call = make_message(
        thread,
        'find_order\n{"order": "A-17"}',
        role=Message.Role.TOOL,
        kind=Message.Kind.TOOL_CALL,
        name="find_order",
    )
    keep_source(call, parts=[{"kind": "json", "text": '{"order": "A-17"}'}])
    make_message(
        thread,
        '{"state":"lost"}',
        role=Message.Role.TOOL,
        kind=Message.Kind.TOOL_OUTPUT,
    )

    page = page_of(client, thread, "?q=lost")

    assert re.search(r"<details>\s*<summary>", message_html(page, 1))
    assert "<code>find_order</code>" in message_html(page, 1)
    assert "{&quot;order&quot;: &quot;A-17&quot;}</span>" in message_html(page, 1)
    assert re.search(r"<details open>\s*<summary>", message_html(page, 2))
    assert "<mark>lost</mark>" in message_html(page, 2)


def test_it_unwraps_the_arguments_of_a_call(client: Client) -> None:
    thread = make_thread()
    call = make_message(thread, "look_up", role="assistant", kind=Message.Kind.TOOL_CALL)
    wrapped = {"id": "call_1", "function": {"name": "look_up", "arguments": '{"sku": "A-1"}'}}
    keep_source(call, parts=[{"kind": "json", "text": json.dumps(wrapped)}])

    page = message_html(page_of(client, thread), 1)

    assert "sku" in page
    assert "call_1" not in page


def test_it_shows_the_parts_of_a_message_as_what_they_are(client: Client) -> None:
    thread = make_thread()
    message = make_message(thread, "See the policy", role=Message.Role.ASSISTANT)
    keep_source(
        message,
        parts=[
            {
                "kind": "text",
                "text": "See the policy",
                "annotations": [
                    {"type": "url_citation", "title": "Policy", "url": "https://shop.example/p"},
                    {"type": "url_citation", "title": "Evil", "url": "javascript:alert(1)"},
                    {"type": "file_citation", "file_citation": {"file_id": "file_7"}},
                ],
            },
            {"kind": "refusal", "text": "I cannot do that."},
            {"kind": "image", "url": "https://cdn.example/cat.png", "file_id": "file_9"},
            {"kind": "file", "text": "terms.pdf", "file_id": "file_1"},
            {"kind": "audio", "file_id": "file_2"},
        ],
    )

    whole = page_of(client, thread)
    page = message_html(whole, 1)

    assert '<a href="https://shop.example/p" rel="nofollow noopener noreferrer">Policy</a>' in page
    assert "javascript:" not in page
    assert "file_7" in page
    assert re.search(r"Refused</strong>\s*<p>I cannot do that", page)
    assert "<img" not in page
    assert 'href="https://cdn.example/cat.png"' in page
    assert "terms.pdf" in page
    signs = set(re.findall(r'href="#i-([\w-]+)"', page))
    assert signs >= {"ban", "image", "file", "volume-2"}
    assert {sign for sign in signs if f'id="i-{sign}"' not in whole} == set()


def test_it_says_what_became_of_a_message_and_its_thread(client: Client) -> None:
    thread = make_thread(
        gone_at=NOW, total_tokens=None, remark="Call back", metadata={"vip": "yes"}
    )
    make_message(thread, "old", removed_at=NOW)
    make_message(thread, "new", edited_at=NOW + timedelta(days=1), output_tokens=1234)

    page = page_of(client, thread)

    assert "no longer has this thread" in page
    assert 'removed at the source <time datetime="' in message_html(page, 1)
    assert "changed" in message_html(page, 2)
    assert "↓1,234" in message_html(page, 2)
    assert "Call back" in page
    assert ">vip</dt>" in page


def test_it_keeps_other_branches_together_and_folded(client: Client) -> None:
    thread = make_conversation("Question", "Answer")
    make_message(thread, "Another answer", role=Message.Role.ASSISTANT, branch=1)
    make_message(thread, "And more", branch=1)

    page = page_of(client, thread)

    assert page.count("Other branch 1: 2 messages") == 1
    assert page.index("Other branch 1") < page.index("Another answer")


def test_it_shows_hostile_names_and_titles_as_text(client: Client) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    project = make_project(name=hostile)
    thread = make_thread(
        project, title=hostile, remark=hostile, end_user=hostile, metadata={hostile: hostile}
    )
    make_message(thread, hostile, name=hostile, model=hostile)

    for query in ("", "print/", "1/", "?q=%3Cimg"):
        page = page_of(client, thread, query)
        assert "<img" not in page


def test_it_prints_times_that_stay_true(client: Client) -> None:
    sent = timezone.now() - timedelta(hours=2)
    thread = make_conversation("Hello")
    thread.messages.update(created_at=sent)

    assert "2\xa0hours ago" in message_html(page_of(client, thread), 1)
    assert f">{sent:%Y-%m-%d %H:%M} UTC</time>" in message_html(
        page_of(client, thread, "print/"), 1
    )


def test_it_prints_everything_unfolded_without_controls(client: Client) -> None:
    thread = make_conversation("One", "Two")
    make_message(thread, "out", role=Message.Role.TOOL, kind=Message.Kind.TOOL_OUTPUT)

    page = page_of(client, thread, "print/")

    assert "One" in page
    assert re.search(r"<details open>\s*<summary>", message_html(page, 3))
    assert "data-copy" not in page


def test_it_gives_a_message_as_it_was_received(client: Client) -> None:
    thread = make_conversation("Grüße")
    keep_source(thread.messages.get(), raw={"id": "msg_1", "text": "<b>Grüße</b>"})

    page = page_of(client, thread, "1/")
    raw = client.get(f"{thread.get_absolute_url()}1/?format=raw")

    assert "&lt;b&gt;Grüße&lt;/b&gt;" in page
    assert json.loads(raw.content) == {"id": "msg_1", "text": "<b>Grüße</b>"}
    assert raw["Content-Type"] == "text/plain; charset=utf-8"
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"{thread.get_absolute_url()}2/").status_code == 404


def test_it_tells_in_words_when_to_come_back(client: Client, settings: Any) -> None:
    settings.THREADHUB_RATES = settings.THREADHUB_RATES | {"read": "2/h"}
    thread = make_conversation("Hello")

    answers = [client.get(thread.get_absolute_url()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 3600
    assert b"then try again" in answers[2].content


def test_it_resolves_citation_marks_to_the_numbers_of_their_sources(client: Client) -> None:
    thread = make_thread()
    message = make_message(thread, "x", role=Message.Role.ASSISTANT)
    text = "Until six【4:0†source】, later on Fridays【4:1†source】."
    annotations = [
        {
            "type": "file_citation",
            "text": f"【4:{number}†source】",
            "file_citation": {"file_id": name},
        }
        for number, name in ((0, "hours.pdf"), (1, "fridays.pdf"))
    ]
    keep_source(message, parts=[{"kind": "text", "text": text, "annotations": annotations}])

    page = message_html(page_of(client, thread), 1)

    assert 'Until six<sup class="cite">[1]</sup>, later' in page
    assert 'Fridays<sup class="cite">[2]</sup>.' in page
    assert page.index("hours.pdf") < page.index("fridays.pdf")


def test_it_shows_one_branch_of_an_imported_tree_alone(client: Client) -> None:
    thread = make_conversation("Question", "Answer", store="import")
    make_message(thread, "Another answer", role=Message.Role.ASSISTANT, branch=1)

    page, branch = page_of(client, thread), page_of(client, thread, "?branch=1")

    assert "As it was shown" in page
    assert 'href="?branch=1&amp;at=3"' in page
    assert 'id="m-3"' in branch
    assert 'id="m-2"' not in branch
    assert 'id="m-1"' in page_of(client, thread, "?branch=7")  # no such one: all


def test_it_gives_a_message_as_it_was_written(client: Client) -> None:
    thread = make_conversation("**bold**")

    answer = client.get(f"{thread.get_absolute_url()}1/?format=text")

    assert answer.content == b"**bold**"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
