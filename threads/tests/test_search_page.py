"""The search page: what it finds, says and links to, for whom, and at what cost."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Project, Tag
from threads.models import Message
from threads.tests.factories import make_conversation, make_message, make_project, make_thread

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def page_of(client: Client, query: str = "", **parameters: str) -> str:
    response = client.get("/", {"q": query} | parameters)
    assert response.status_code == 200
    return response.content.decode()


def query_of(link: str) -> str:
    """Return the query that a link on the page leads to."""
    return parse_qs(urlsplit(html.unescape(link)).query)["q"][0]


def links_in(page: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', page)


def test_it_finds_a_thread_and_links_to_the_message(client: Client) -> None:
    thread = make_conversation("Hello", "Your refund is on its way", title="Order 48213")

    page = page_of(client, "refund")

    assert "1 thread · 1 message" in page
    assert "Order 48213" in page
    assert "Your <mark>refund</mark> is on its way" in page
    assert f'href="{thread.get_absolute_url()}?q=refund#m-2"' in page
    assert 'value="refund"' in page
    assert "<title>refund – Search – ThreadHub</title>" in page


def test_it_shows_nothing_of_what_the_reader_may_not_see(client: Client) -> None:
    owner = User.objects.create_user("olga")
    hidden = make_project("Hidden", visibility=Project.Visibility.PRIVATE)
    hidden.owners.add(owner)
    make_conversation("the merger papers", project=hidden, title="Merger")
    make_conversation("nothing special")
    make_project("Another")

    for query in ("merger", "project:hidden", "sort:newest", "nothing", ""):
        page = page_of(client, query).replace(query, "")
        assert "papers" not in page
        assert "Merger" not in page
        assert "Hidden" not in page
    client.force_login(owner)
    page = page_of(client, "merger")
    assert "papers" in page
    assert "Hidden" in page


def test_it_costs_the_same_for_one_result_and_for_twenty(client: Client) -> None:
    project = make_project()
    make_conversation("one lamp", "rare lamp", project=project)
    for _ in range(20):
        make_conversation("common word", "common answer", project=project)
    page_of(client, "warm")  # counts the archive, which is kept for a minute

    counts = []
    for query in ("rare", "common"):
        with CaptureQueriesContext(connection) as captured:
            page_of(client, query)
        counts.append(len(captured))

    # The engine's own, and one for the names of the projects in the side bar.
    assert counts[0] == counts[1]


def test_it_groups_hits_and_says_how_many_more_there_are(client: Client) -> None:
    make_conversation(*["refund"] * 8)

    page = page_of(client, "refund")

    assert "1 thread · 8 messages" in page
    assert page.count('class="snippet"') == 3
    assert "5 more in this thread" in page


def test_it_goes_forth_and_back_without_losing_or_repeating_a_thread(client: Client) -> None:
    project = make_project()
    titles = [make_conversation("lamp", project=project, title=f"T{n:02}") for n in range(45)]
    assert len(titles) == 45

    def next_link(page: str, rel: str) -> str | None:
        match = re.search(rf'<a [^>]*rel="{rel}"[^>]*href="([^"]+)"', page)
        return html.unescape(match[1]) if match else None

    seen: list[str] = []
    addresses = ["/?q=lamp+sort%3Anewest"]
    while addresses[-1]:
        page = client.get(addresses[-1]).content.decode()
        seen += re.findall(r">(T\d\d)</a></h2>", page)
        following = next_link(page, "next")
        if not following:
            break
        addresses.append(f"/{following}")

    assert len(seen) == len(set(seen)) == 45
    assert len(addresses) == 3
    back = next_link(client.get(addresses[2]).content.decode(), "prev")
    assert back
    assert "T2" in client.get(f"/{back}").content.decode()


def test_it_begins_again_when_the_cursor_is_broken(client: Client) -> None:
    make_conversation("lamp")

    response = client.get("/", {"q": "lamp", "cursor": "!!"})

    assert response.status_code == 302
    assert response["Location"] == "/?q=lamp"


def test_it_offers_filters_as_links_that_edit_the_query(client: Client) -> None:
    make_conversation("lamp", project=make_project("Shop"))
    make_project("Support")

    page = page_of(client, "lamp role:user")
    queries = {query_of(link) for link in links_in(page) if link.startswith("/?q=")}

    assert "lamp role:user project:shop" in queries
    assert "lamp role:user,assistant" in queries
    assert "lamp role:user after:7d" in queries
    assert "lamp" in queries  # without the filter: its chip, and its own line
    assert "lamp role:user sort:oldest" in queries
    assert 'aria-label="Remove filter role:user"' in page


def test_a_chosen_filter_is_marked_and_links_to_the_query_without_it(client: Client) -> None:
    make_conversation("lamp")

    page = page_of(client, "lamp after:7d has:code,link")
    chosen = re.findall(r'<li><a href="([^"]+)" aria-current="true">', page)

    assert {query_of(link) for link in chosen} == {
        "lamp has:code,link",
        "lamp after:7d has:code",
        "lamp after:7d has:link",
    }


def test_it_points_at_what_is_wrong_and_searches_the_rest(client: Client) -> None:
    make_conversation("lamp")

    page = page_of(client, "lamp before:never")

    assert "1 thread" in page
    assert 'role="alert"' in page
    assert re.search(r'<span class="fault">[^<]*never</span>', page)


def test_it_counts_no_messages_where_threads_are_listed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threads.search.orders.LISTED_CAP", 2)
    for number in range(4):
        make_conversation("lamp", title=f"Lamp {number}", model="gpt-5")

    page = page_of(client, "model:gpt-5")

    assert re.search(r'<h1 id="found">\s*4\+ threads\s*</h1>', page)


def test_it_offers_what_was_probably_meant(client: Client) -> None:
    make_conversation("lamp")

    page = page_of(client, "lamp role:usr")

    assert "lamp role:user" in {query_of(link) for link in links_in(page) if link[:4] == "/?q="}


def test_it_helps_when_nothing_is_found(client: Client) -> None:
    make_conversation("lamp")

    page = page_of(client, "zebra project:nowhere")

    assert "Nothing found" in page
    assert "zebra" in {query_of(link) for link in links_in(page) if link.startswith("/?q=")}
    assert "Sign in to search more projects" in page


def test_it_leads_to_hits_in_tool_output(client: Client) -> None:
    thread = make_conversation("no such word")
    make_message(thread, "quokka", role=Message.Role.TOOL, kind=Message.Kind.TOOL_OUTPUT)

    page = page_of(client, "quokka")
    (link,) = (link for link in links_in(page) if "in%3Atool" in link)

    assert "1 hit in tool calls and their output" in page
    assert "<mark>quokka</mark>" in client.get(html.unescape(link)).content.decode()


@pytest.mark.parametrize(
    "query",
    ['"', "(((((", "-", "OR", "a OR", "/[/", "field:", "*", "\x00", "%", "after:x..y", "''", "😀"],
)
def test_no_query_breaks_the_page(client: Client, query: str) -> None:
    make_conversation("lamp")

    page_of(client, query)


def test_it_shows_hostile_titles_texts_and_queries_as_text(client: Client) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    project = make_project(hostile)
    thread = make_thread(project, title=f"lamp {hostile}", remark=f"lamp {hostile}")
    make_message(thread, f"lamp {hostile}")

    for query in ("lamp", f"lamp {hostile}", f'"{hostile}"'):
        page = page_of(client, query)
        assert "<img" not in page


def test_the_start_page_counts_what_the_reader_sees_and_offers_examples(client: Client) -> None:
    make_conversation("a", "b", message_count=2)
    make_conversation("c", project=make_project(visibility="private"), message_count=1)

    page = page_of(client)

    assert re.search(r"1 thread,\s*2 messages,\s*1 project", page)
    assert '<a href="/?q=refund"' in page


def test_the_first_run_says_what_to_do(client: Client) -> None:
    assert "Nothing is public here" in page_of(client)

    client.force_login(User.objects.create_superuser("ada"))
    page = page_of(client)
    assert "Welcome to ThreadHub" in page
    assert "/admin/projects/project/add/" in page

    make_project()
    assert "No threads yet" in page_of(client)


def test_it_works_in_chinese(client: Client) -> None:
    make_conversation("我想申請退款", title="退款")

    response = client.get("/", {"q": "退款"}, headers={"accept-language": "zh-TW"})
    page = response.content.decode()

    assert '<html lang="zh-hant"' in page
    assert "1 個對話串" in page
    assert "<mark>退款</mark>" in page


def test_it_limits_how_often_a_visitor_may_search(client: Client, settings: Any) -> None:
    settings.THREADHUB_RATES = settings.THREADHUB_RATES | {"search": "1/m"}

    answers = [client.get("/", {"q": "x"}).status_code for _ in range(2)]
    elsewhere = client.get("/", {"q": "x"}, REMOTE_ADDR="198.51.100.7").status_code

    assert answers == [200, 429]
    assert elsewhere == 200


def test_the_side_bar_is_counted_after_the_page_and_for_the_reader_only(client: Client) -> None:
    shop = make_project("Shop")
    for _ in range(3):
        make_conversation("lamp", "a lamp", project=shop)
    make_conversation("no such thing", project=make_project("Support"))
    make_conversation("lamp", project=make_project("Hidden", visibility="private"))

    page = page_of(client, "lamp")
    counted = client.get("/facets/", {"q": "lamp"}).content.decode()

    def count_of(label: str) -> str:
        found = re.search(rf'>{label}</span><span class="count">([\d,]+)<', counted)
        return found[1] if found else ""

    assert 'hx-get="/facets/?q=lamp"' in page
    assert "<html" not in counted
    assert "hx-get" not in counted
    assert (count_of("Shop"), count_of("Support"), count_of("User")) == ("3", "0", "3")
    assert "Hidden" not in counted


def test_it_counts_the_side_bar_in_the_page_for_who_has_no_scripts(client: Client) -> None:
    make_conversation("A refund")

    plain = client.get("/", {"q": "refund"}).content.decode()
    link = re.search(r'<noscript><p><a href="(\?[^"]+)"', plain)
    assert link
    whole = client.get("/" + html.unescape(link[1])).content.decode()

    assert 'class="count">1<' not in plain
    assert 'class="count">1<' in whole
    assert 'hx-trigger="load"' not in whole
    assert 'class="hits"' in whole


def test_it_shows_as_many_threads_as_the_reader_wants_and_remembers(client: Client) -> None:
    project = make_project()
    for number in range(25):
        make_conversation(f"lamp {number}", project=project)

    first = client.get("/?q=lamp")
    larger = client.get("/?q=lamp&per=50")
    later = client.get("/?q=lamp")
    odd = client.get("/?q=lamp&per=999999")

    counts = [len(answer.context["page"].results) for answer in (first, larger, later, odd)]
    assert counts == [20, 25, 25, 20]


def test_it_shows_tags_and_says_how_many_of_the_readers_projects_were_searched(
    client: Client,
) -> None:
    project = make_project()
    make_project("Hidden", visibility=Project.Visibility.PRIVATE)
    thread = make_conversation("a lamp", project=project)
    thread.tags.add(Tag.objects.create(name="urgent"))

    visitor = client.get("/?q=lamp").content.decode()
    client.force_login(User.objects.create_user("mia"))
    reader = client.get("/?q=lamp").content.decode()

    assert "urgent</li>" in visitor
    assert "in the public projects" in visitor
    assert "<li>1 project</li>" not in visitor
    assert "<li>1 project</li>" in reader  # not that there is another one
    assert "2 projects" not in visitor + reader


def test_it_says_what_a_hit_has_and_what_it_cost(client: Client) -> None:
    thread = make_thread(title="Lamp", message_count=2, item_count=5, total_tokens=1_900)
    has = Message.Feature.FILE | Message.Feature.REFUSAL
    make_message(thread, "the lamp", features=has, input_tokens=1_234, output_tokens=56)
    make_message(thread, "a lamp of which nothing is known")

    page = page_of(client, "lamp")

    first, second = page.split('<li>\n  <a href="/threads/')[1:3]
    if "nothing is known" in first:
        first, second = second, first
    assert re.search(r">\s*file</span>", first)
    assert re.search(r">\s*refusal</span>", first)
    assert "↑1,234 ↓56" in first
    assert "refusal" not in second
    assert "↑" not in second
    assert "1,900 tokens" in page
    assert "(5 items with tool calls and reasoning)" in page
