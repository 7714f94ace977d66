"""Who may ask for a fresh search, whom it joins, what it will cost, and who sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from projects.models import Connection, SiteSettings
from threads import actions, sync
from threads.actions import Refused
from threads.models import FreshSearch, Job
from threads.tests.factories import make_project
from threads.tests.fresh_searches import ask, make_archive, work
from threads.tests.openai_server import OpenAIServer

pytestmark = pytest.mark.django_db


def test_it_joins_those_who_ask_for_the_same_meanwhile(server: OpenAIServer) -> None:
    project = make_archive(server)
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")

    first = ask(project, query="Late  refund", by=ada)
    again = ask(project, query="late refund", by=ada)
    other = ask(project, query="late refund", by=bob)

    assert again == first
    assert other != first
    assert other.job == first.job
    assert Job.objects.count() == 1


def test_it_does_not_join_other_words_or_projects(server: OpenAIServer) -> None:
    project, elsewhere = make_archive(server), make_archive(server, name="Shop")

    searches = [ask(project), ask(project, query="lamp"), ask(project, elsewhere)]

    assert len({search.job_id for search in searches}) == 3


def test_it_tells_beforehand_what_it_will_cost(server: OpenAIServer) -> None:
    project = make_archive(server, threads=5)

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())
    work(ask(project))

    assert (cost.threads, cost.calls) == (5, 10)
    assert cost.seconds >= 1
    assert len(server.calls) <= cost.calls


def test_it_says_that_no_calls_are_left(server: OpenAIServer) -> None:
    project = make_archive(server)
    Connection.objects.update(calls_per_minute=2)
    budget = sync.CallBudget(Connection.objects.get())
    budget.take()
    budget.take()

    (cost,) = actions.preview_fresh_search([project], now=timezone.now())

    assert (cost.calls, cost.threads, cost.is_spent) == (0, 0, True)


def test_it_keeps_visitors_to_projects_that_allow_it(server: OpenAIServer) -> None:
    make_archive(server, name="Members only here")
    allowed = make_archive(server, name="Open", allows_visitor_fresh_search=True)
    make_archive(server, name="Closed", allows_visitor_fresh_search=True, visibility="private")
    make_project("Nothing to ask", allows_visitor_fresh_search=True)

    assert list(actions.askable_projects(AnonymousUser())) == [allowed]


def test_it_does_not_ask_through_connections_that_are_off(server: OpenAIServer) -> None:
    project = make_archive(server)
    Connection.objects.update(is_enabled=False)

    assert not actions.askable_projects(User.objects.create_superuser("ada")).exists()
    assert work(ask(project)).state == Job.State.FAILED


def test_it_asks_a_question_of_visitors_and_of_busy_members(server: OpenAIServer) -> None:
    SiteSettings(free_fresh_searches=1).save()
    project = make_archive(server)
    ada = User.objects.create_user("ada")
    staff = User.objects.create_user("bob", is_staff=True)

    before = actions.needs_captcha(ada)
    ask(project, by=ada)
    ask(project, by=staff)

    assert actions.needs_captcha(None)
    assert (before, actions.needs_captcha(ada), actions.needs_captcha(staff)) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize("query", ["", "   ", "x" * 2_001])
def test_it_refuses_what_cannot_be_searched(server: OpenAIServer, query: str) -> None:
    with pytest.raises(Refused):
        ask(make_archive(server), query=query)


def test_it_shows_nobody_the_searches_of_another(
    server: OpenAIServer, django_assert_num_queries: Callable[[int], Any]
) -> None:
    project = make_archive(server)
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    hers = ask(project, by=ada)
    visitors = ask(project, query="lamp")

    def seen(user: User | AnonymousUser) -> set[FreshSearch]:
        return set(FreshSearch.objects.visible_to(user))

    assert seen(bob) == seen(AnonymousUser()) == {visitors}
    assert seen(ada) == {hers, visitors}
    assert seen(User.objects.create_superuser("eve")) == {hers, visitors}
