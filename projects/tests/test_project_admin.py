"""The console's pages for projects and people: who sees what, and who stays in charge."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from projects.models import Connection, Project, Tag

pytestmark = pytest.mark.django_db

LIST = "admin:projects_project_changelist"
CHANGE = "admin:projects_project_change"


def make_user(name: str = "olivia", *, is_staff: bool = True, **fields: bool) -> User:
    return User.objects.create_user(name, password=None, email=None, is_staff=is_staff, **fields)


def make_project(
    name: str = "Blue whale", *, owner: User | None = None, **fields: object
) -> Project:
    project = Project.objects.create(name=name, slug=Project.slug_for(name), **fields)
    if owner is not None:
        project.owners.add(owner)
    return project


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form_of(project: Project | None = None, **fields: object) -> dict[str, object]:
    """What a browser posts; `fields` are the ones that the test is about."""
    return {
        "name": project.name if project else "Red panda",
        "slug": project.slug if project else "red-panda",
        "visibility": "members",
        "connections-TOTAL_FORMS": 0,
        "connections-INITIAL_FORMS": 0,
        **fields,
    }


def test_it_lists_an_owners_projects_and_no_others() -> None:
    owner = make_user()
    make_project("Blue whale", owner=owner)
    make_project("Secret heron", visibility="public")

    page = logged_in(owner).get(reverse(LIST)).content.decode()

    assert "Blue whale" in page
    assert "Secret heron" not in page


@pytest.mark.parametrize("route", ["change", "history", "delete"])
def test_it_answers_for_a_strangers_project_as_for_none(route: str) -> None:
    owner = make_user()
    make_project(owner=owner)
    strange = make_project("Secret heron")
    client = logged_in(owner)

    answer = client.get(reverse(f"admin:projects_project_{route}", args=[strange.pk]), follow=True)
    missing = client.get(reverse(f"admin:projects_project_{route}", args=[9_999]), follow=True)

    assert "Secret heron" not in answer.content.decode()
    assert answer.redirect_chain == missing.redirect_chain
    assert answer.status_code == missing.status_code


def test_it_completes_only_an_owners_projects() -> None:
    owner = make_user()
    make_project("Blue whale", owner=owner)
    make_project("Blue secret")
    question = {"app_label": "projects", "model_name": "connection", "field_name": "project"}

    answer = logged_in(owner).get(reverse("admin:autocomplete"), question | {"term": "blue"})

    assert [row["text"] for row in json.loads(answer.content)["results"]] == ["Blue whale"]


def test_it_does_not_change_a_strangers_project() -> None:
    owner = make_user()
    make_project(owner=owner)
    strange = make_project("Secret heron")

    logged_in(owner).post(reverse(CHANGE, args=[strange.pk]), form_of(strange, name="Mine now"))

    assert Project.objects.get(pk=strange.pk).name == "Secret heron"


def test_it_deletes_in_bulk_only_what_an_owner_owns() -> None:
    owner = make_user()
    own, strange = make_project(owner=owner), make_project("Secret heron")
    chosen = {"action": "delete_selected", "_selected_action": [own.pk, strange.pk], "post": "yes"}

    logged_in(owner).post(reverse(LIST), chosen)

    assert list(Project.objects.all()) == [strange]


def test_it_shows_nothing_to_staff_who_own_nothing() -> None:
    make_project("Secret heron")
    client = logged_in(make_user())

    index = client.get(reverse("admin:index")).content.decode()

    assert client.get(reverse(LIST)).status_code == 403
    assert reverse(LIST) not in index


def test_it_gives_model_permissions_no_say_over_projects() -> None:
    stranger = make_user()
    stranger.user_permissions.add(*Permission.objects.filter(content_type__app_label="projects"))
    project = make_project("Secret heron")

    answer = logged_in(stranger).get(reverse(CHANGE, args=[project.pk]), follow=True)

    assert "Secret heron" not in answer.content.decode()


def test_it_makes_whoever_founds_a_project_its_owner() -> None:
    founder = make_user()
    founder.user_permissions.add(Permission.objects.get(codename="add_project"))
    client = logged_in(founder)

    client.post(reverse("admin:projects_project_add"), form_of(tags="prod, eu"))

    project = Project.objects.get()
    assert list(project.owners.all()) == [founder]
    assert re.fullmatch("red-panda-[0-9a-f]{6}", project.slug)
    assert {tag.name for tag in project.tags.all()} == {"prod", "eu"}
    assert client.get(reverse(CHANGE, args=[project.pk])).status_code == 200


def test_it_does_not_tell_a_founder_that_a_name_is_taken() -> None:
    founder = make_user()
    founder.user_permissions.add(Permission.objects.get(codename="add_project"))
    make_project("Secret heron")
    client = logged_in(founder)

    for name in ("Secret heron", "Blue heron"):
        client.post(reverse("admin:projects_project_add"), form_of(name=name, slug=""))

    slugs = Project.objects.filter(owners=founder).values_list("slug", flat=True)
    assert {re.sub("[0-9a-f]{6}$", "…", slug) for slug in slugs} == {
        "secret-heron-…",
        "blue-heron-…",
    }


def test_it_does_not_tell_an_owner_that_a_short_name_is_taken() -> None:
    owner = make_user()
    own = make_project(owner=owner)
    make_project("Secret heron")

    answer = logged_in(owner).post(
        reverse(CHANGE, args=[own.pk]), form_of(own, slug="secret-heron", owners="olivia")
    )

    own.refresh_from_db()
    assert answer.status_code == 302
    assert own.slug == "blue-whale"


def test_it_lets_an_owner_name_members_without_a_list_of_accounts() -> None:
    owner, member = make_user(), make_user("marta", is_staff=False)
    own = make_project(owner=owner)
    client = logged_in(owner)
    question = {"app_label": "projects", "model_name": "project", "field_name": "members"}

    answer = client.post(
        reverse(CHANGE, args=[own.pk]), form_of(own, owners="olivia", members="marta")
    )

    assert answer.status_code == 302
    assert list(own.members.all()) == [member]
    assert client.get(reverse("admin:autocomplete"), question).status_code == 403


def test_it_says_which_account_is_not_there() -> None:
    owner = make_user()
    own = make_project(owner=owner)

    answer = logged_in(owner).post(
        reverse(CHANGE, args=[own.pk]), form_of(own, owners="olivia", members="marta, nobody")
    )

    assert "There is no account named" in answer.content.decode()
    assert not own.members.exists()


def test_it_keeps_an_owner_from_losing_the_project_by_mistake() -> None:
    owner = make_user()
    own = make_project(owner=owner)

    answer = logged_in(owner).post(reverse(CHANGE, args=[own.pk]), form_of(own, owners=""))

    assert "You would lose this project" in answer.content.decode()
    assert list(own.owners.all()) == [owner]


def test_it_keeps_tags_that_others_made_and_adds_new_ones() -> None:
    admin = make_user("root", is_superuser=True)
    project = make_project()
    Tag.objects.create(name="prod")

    logged_in(admin).post(reverse(CHANGE, args=[project.pk]), form_of(project, tags="prod, new"))

    assert {tag.name for tag in project.tags.all()} == {"prod", "new"}
    assert Tag.objects.count() == 2


def test_it_lists_projects_with_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    admin = make_user("root", is_superuser=True)
    client = logged_in(admin)
    for number in range(12):
        project = make_project(f"Project {number}", owner=admin)
        project.tags.add(Tag.objects.get_or_create(name=f"tag{number % 3}")[0])

    # session, user, the count for the pages, the count of all (shown while a search narrows it;
    # the paginator's again), the page with its counts of threads, its owners, its tags
    with django_assert_num_queries(7):
        client.get(reverse(LIST))


def test_it_keeps_the_last_administrator() -> None:
    admin = make_user("root", is_superuser=True)
    make_user("late", is_superuser=True, is_active=False)
    client = logged_in(admin)
    fields = {"username": "root", "is_active": "on", "is_staff": "on"}

    demoted = client.post(reverse("admin:auth_user_change", args=[admin.pk]), fields)
    deleted = client.post(reverse("admin:auth_user_delete", args=[admin.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [admin.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), chosen)

    assert "last administrator" in demoted.content.decode()
    assert "last administrator" in deleted.content.decode()
    admin.refresh_from_db()
    assert admin.is_superuser


def test_it_lets_an_administrator_go_when_there_is_another() -> None:
    admin, other = make_user("root", is_superuser=True), make_user("more", is_superuser=True)

    logged_in(admin).post(reverse("admin:auth_user_delete", args=[other.pk]), {"post": "yes"})

    assert not User.objects.filter(pk=other.pk).exists()


def test_it_keeps_accounts_for_administrators() -> None:
    owner = make_user()
    make_project(owner=owner)
    owner.user_permissions.add(*Permission.objects.filter(content_type__app_label="auth"))
    client = logged_in(owner)

    answers = [
        client.get(reverse("admin:auth_user_changelist")),
        client.get(reverse("admin:auth_user_add")),
        client.get(reverse("admin:auth_user_change", args=[owner.pk])),
        client.get(reverse("admin:auth_group_changelist")),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4


def test_it_counts_what_has_a_tag(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    tag = Tag.objects.create(name="gold")
    for name in ("Blue whale", "Red panda"):
        make_project(name).tags.add(tag)

    page = client.get(reverse("admin:projects_tag_changelist")).content.decode()

    assert '<td class="field-project_total">2</td>' in page
    assert '<td class="field-thread_total">0</td>' in page


def test_it_lists_the_pages_of_an_app(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))

    page = client.get(reverse("admin:app_list", args=["projects"])).content.decode()

    assert page.count(reverse("admin:projects_tag_changelist")) >= 2  # in the sidebar, and here
    assert "th-figures" not in page  # those are the dashboard's


@pytest.mark.parametrize("garbage", ["abc", "9" * 30, "-1", "1\x00"])
@pytest.mark.parametrize("name", ["owners", "members"])
def test_it_says_at_the_field_that_an_account_is_none(name: str, garbage: str) -> None:
    client, project = logged_in(User.objects.create_superuser("root")), make_project()

    answer = client.post(reverse(CHANGE, args=[project.pk]), form_of(project, **{name: garbage}))

    assert answer.status_code == 200
    assert name in answer.context["adminform"].form.errors
    assert not project.owners.exists()


@pytest.mark.parametrize("route", ["change", "history", "delete"])
def test_it_leads_back_by_the_same_names_everywhere(route: str) -> None:
    client, tag = logged_in(User.objects.create_superuser("root")), Tag.objects.create(name="eu")

    page = client.get(reverse(f"admin:projects_tag_{route}", args=[tag.pk])).content.decode()

    (crumbs,) = re.findall('<div class="breadcrumbs">(.*?)</div>', page, re.DOTALL)
    assert re.findall("<a[^>]*>([^<]*)</a>", crumbs)[:2] == ["Dashboard", "Tags"]


def test_it_heads_every_column_of_a_projects_connections() -> None:
    client, project = logged_in(User.objects.create_superuser("root")), make_project()
    Connection.objects.create(project=project, name="Main")

    page = client.get(reverse(CHANGE, args=[project.pk])).content.decode()

    (table,) = re.findall("<table>(.*?)</table>", page, re.DOTALL)
    headings = re.findall("<th[^>]*>(.*?)</th>", table, re.DOTALL)
    assert all(heading.strip() for heading in headings)
    assert len(headings) == table.count("<td") == 5
    assert "Main" in table


def test_it_saves_nothing_over_what_somebody_else_changed_meanwhile() -> None:
    project = make_project()
    opened = project.version
    root = logged_in(make_user("root", is_superuser=True))
    other = logged_in(make_user("otto", is_superuser=True))
    address = reverse(CHANGE, args=[project.pk])

    first = other.post(address, form_of(project, seen_version=opened, retention_days=30))
    second = root.post(address, form_of(project, seen_version=opened, description="New"))
    again = root.post(address, form_of(project, seen_version=opened + 1, retention_days=30))

    assert first.status_code == 302
    assert "otto has changed this project since you opened it." in second.content.decode()
    assert again.status_code == 302
    project.refresh_from_db()
    assert (project.retention_days, project.description) == (30, "")


def test_it_tells_its_form_which_version_it_shows() -> None:
    project = make_project()
    project.save()

    page = logged_in(make_user("root", is_superuser=True)).get(reverse(CHANGE, args=[project.pk]))

    assert re.search(r'<input type="hidden" name="seen_version" value="2"', page.content.decode())


def test_it_says_which_new_owners_cannot_open_the_console() -> None:
    client = logged_in(make_user("root", is_superuser=True))
    able, unable = make_user("olivia"), make_user("mia", is_staff=False)
    project = make_project()
    address = reverse(CHANGE, args=[project.pk])

    first = client.post(
        address, form_of(project, owners=[able.pk, unable.pk]), follow=True
    ).content.decode()
    second = client.post(
        address, form_of(project, owners=[able.pk, unable.pk]), follow=True
    ).content.decode()

    assert "the role of a project owner: mia" in first
    assert "the role of a project owner" not in second
