"""Who may read and who may change which project."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import DjangoAssertNumQueries

from projects.accounts import roles
from projects.models import Connection, Project

Visibility = Project.Visibility
PUBLIC, MEMBERS, PRIVATE = Visibility.PUBLIC, Visibility.MEMBERS, Visibility.PRIVATE
ALL: set[str] = {PUBLIC, MEMBERS, PRIVATE}

# Who somebody is to the project: what they may read, and what they may change.
MATRIX: dict[str, tuple[set[str], set[str]]] = {
    "nobody": ({PUBLIC}, set()),
    "visitor": ({PUBLIC}, set()),
    "user": ({PUBLIC}, set()),
    "staff": ({PUBLIC}, set()),
    "member": ({PUBLIC, MEMBERS}, set()),
    "owner": ({PUBLIC, MEMBERS, PRIVATE}, {PUBLIC, MEMBERS, PRIVATE}),
    "owner and member": ({PUBLIC, MEMBERS, PRIVATE}, {PUBLIC, MEMBERS, PRIVATE}),
    "superuser": ({PUBLIC, MEMBERS, PRIVATE}, {PUBLIC, MEMBERS, PRIVATE}),
    "switched-off owner": ({PUBLIC}, set()),
    "switched-off superuser": ({PUBLIC}, set()),
}


@pytest.fixture
def projects(db: None) -> list[Project]:
    """One project of each visibility, with an owner and a member who are nobody's else."""
    stranger = User.objects.create_user("stranger")
    made = []
    for visibility in Visibility.values:
        project = Project.objects.create(name=visibility, slug=visibility, visibility=visibility)
        project.owners.add(stranger)
        project.members.add(User.objects.create_user(f"member of {visibility}"))
        made.append(project)
    return made


def person(role: str, projects: list[Project]) -> User | AnonymousUser | None:
    if role == "nobody":
        return None
    if role == "visitor":
        return AnonymousUser()
    user = User.objects.create_user(
        "person",
        is_staff=role in {"staff", "superuser"},
        is_superuser="superuser" in role,
        is_active="switched-off" not in role,
    )
    for project in projects:
        if "owner" in role:
            project.owners.add(user)
        if "member" in role:
            project.members.add(user)
    return user


@pytest.mark.parametrize("role", MATRIX)
def test_it_shows_what_they_may_read(projects: list[Project], role: str) -> None:
    user = person(role, projects)

    visible = set(Project.objects.visible_to(user).values_list("slug", flat=True))

    assert visible == MATRIX[role][0]


@pytest.mark.parametrize("role", MATRIX)
def test_it_offers_what_they_may_change(projects: list[Project], role: str) -> None:
    user = person(role, projects)

    managed = set(Project.objects.managed_by(user).values_list("slug", flat=True))

    assert managed == MATRIX[role][1]


# What a person who is named everywhere may take along, and whose sources they may have asked,
# where visitors may in all projects (first) or in none.
USE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "visitor": ({PUBLIC}, {PUBLIC}, set()),
    "user": ({PUBLIC}, {PUBLIC}, {PUBLIC}),
    "member": ({PUBLIC, MEMBERS}, {PUBLIC, MEMBERS}, {PUBLIC, MEMBERS}),
    "member, viewer": ({PUBLIC}, {PUBLIC}, set()),
    "owner": (ALL, ALL, ALL),
    "superuser": (ALL, ALL, ALL),
}


@pytest.mark.parametrize("role", USE)
def test_it_lets_viewers_read_and_everybody_else_use(projects: list[Project], role: str) -> None:
    user = person(role, projects)
    if "viewer" in role:
        assert isinstance(user, User)
        roles.give(user, roles.Role.VIEWER)
    usable, open_to_visitors, closed_to_visitors = USE[role]

    found = [set(Project.objects.usable_by(user).values_list("slug", flat=True))]
    for allows in (True, False):
        Project.objects.update(allows_visitor_fresh_search=allows)
        found.append(set(Project.objects.askable_by(user).values_list("slug", flat=True)))

    assert found == [usable, open_to_visitors, closed_to_visitors]


@pytest.mark.parametrize("role", MATRIX)
def test_it_offers_connections_of_projects_they_may_change_only(
    projects: list[Project], role: str
) -> None:
    for project in projects:
        Connection.objects.create(project=project, name=project.slug)
    user = person(role, projects)

    managed = set(Connection.objects.managed_by(user).values_list("name", flat=True))

    assert managed == MATRIX[role][1]


def test_it_answers_each_project_once_in_one_query(
    projects: list[Project], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = person("owner and member", projects)
    # Two owners and two members each: a join would answer a project four times.

    with django_assert_num_queries(1):  # the rights are part of the question
        slugs = [project.slug for project in Project.objects.visible_to(user)]

    assert sorted(slugs) == sorted(Visibility.values)


@pytest.mark.django_db
def test_it_makes_slugs_that_are_free() -> None:
    first = Project.objects.create(name="Help desk", slug=Project.slug_for("Help desk"))
    second = Project.objects.create(name="Help desk", slug=Project.slug_for("Help desk"))

    assert (first.slug, second.slug) == ("help-desk", "help-desk-2")
    assert Project.slug_for("客服").startswith("project-")
