"""Roles: what they are made of, and that somebody stays to administer ThreadHub."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from monitoring.models import AuditEvent
from projects.accounts import roles
from projects.accounts.roles import Role
from projects.models import Project

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", Role)
def test_an_account_becomes_what_the_role_says(role: Role) -> None:
    User.objects.create_superuser("root")
    user = User.objects.create_user("ada")
    user.groups.add(Group.objects.create(name="Choir"))

    for before in (Role.ADMINISTRATOR, Role.VIEWER, Role.OWNER, role):
        roles.give(user, before)

    found = User.objects.get(username="ada")
    assert roles.of(found) is role
    assert found.is_superuser is (role is Role.ADMINISTRATOR)
    assert found.is_staff is (role in {Role.ADMINISTRATOR, Role.OWNER})
    assert found.groups.filter(name="Choir").exists()
    assert roles.accounts_with(role, User.objects.filter(pk=user.pk)).exists()
    others = [each for each in Role if each is not role]
    assert not any(
        roles.accounts_with(each, User.objects.filter(pk=user.pk)).exists() for each in others
    )


def test_owners_found_projects_and_others_do_not() -> None:
    User.objects.create_superuser("root")
    may = []
    for role in (Role.OWNER, Role.MEMBER, Role.VIEWER):
        user = User.objects.create_user(role.value)
        roles.give(user, role)
        may.append(User.objects.get(pk=user.pk).has_perm("projects.add_project"))

    assert may == [True, False, False]


def test_groups_come_back_but_what_was_changed_in_them_stays() -> None:
    Group.objects.get(name="Members").delete()
    Group.objects.get(name="Project owners").permissions.clear()

    call_command("migrate", verbosity=0)

    assert Group.objects.filter(name="Members").exists()
    assert not Group.objects.get(name="Project owners").permissions.exists()


def test_the_console_shows_and_gives_roles(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    password = "correct horse battery"
    form = {"username": "ada", "usable_password": "true", "password1": password}

    client.post(reverse("admin:auth_user_add"), form | {"password2": password, "role": "viewer"})
    ada = User.objects.get(username="ada")
    address = reverse("admin:auth_user_change", args=[ada.pk])
    made = roles.of(ada)
    page = client.get(address).context["adminform"].form
    groups = [group.pk for group in ada.groups.all()]
    shown = {name: page.initial[name] for name in ("username", "is_active")}
    client.post(address, shown | {"groups": groups, "role": "owner"})

    assert made is Role.VIEWER
    assert roles.of(User.objects.get(pk=ada.pk)) is Role.OWNER
    listed = client.get(reverse("admin:auth_user_changelist"), {"role": "owner"})
    assert "ada" in listed.content.decode()
    assert "root</a>" not in listed.content.decode()


def test_the_last_administrator_stays_one(client: Client) -> None:
    root = User.objects.create_superuser("root")
    User.objects.create_superuser("switched-off", is_active=False)
    client.force_login(root)
    address = reverse("admin:auth_user_change", args=[root.pk])
    form = {"username": "root", "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    for change in (
        {"role": "member"},
        {"is_superuser": ""},
        {"is_staff": ""},
        {"is_active": ""},
    ):
        answer = client.post(address, form | {"role": "administrator"} | change)
        assert "last administrator" in answer.content.decode(), change
    client.post(reverse("admin:auth_user_delete", args=[root.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), chosen)
    with pytest.raises(CommandError, match="last administrator"):
        call_command("set_role", "root", "member")

    assert roles.of(User.objects.get(pk=root.pk)) is Role.ADMINISTRATOR
    User.objects.create_superuser("second")
    call_command("set_role", "root", "member")
    assert roles.of(User.objects.get(pk=root.pk)) is Role.MEMBER
    assert AuditEvent.objects.filter(action="user.role").exists()


def test_viewers_own_no_project(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    ada = User.objects.create_user("ada")
    project = Project.objects.create(name="Support", slug="support")
    roles.give(ada, Role.VIEWER)
    form = {"name": "Support", "slug": "support", "visibility": "members", "owners": [ada.pk]}

    refused = client.post(reverse("admin:projects_project_change", args=[project.pk]), form)

    assert "Viewers own no project: ada" in refused.content.decode()
    roles.give(ada, Role.OWNER)
    project.owners.add(ada)
    address = reverse("admin:auth_user_change", args=[ada.pk])
    answer = client.post(address, {"username": "ada", "is_active": "on", "role": "viewer"})
    assert "A viewer owns no project" in answer.content.decode()
