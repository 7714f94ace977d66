"""Roles: what an account may do beyond what its projects allow it to read.

A role is what Django knows already, under one name:

- administrator: `is_superuser` (and `is_staff`). Sees and manages everything.
- project owner: `is_staff`; the group of that name lets them found projects. They manage exactly
  the projects that name them as an owner.
- member: an account. Reads the projects that name it, takes threads along, asks their sources.
- viewer: an account in the group of that name. Reads the projects that name it, and nothing else:
  whatever takes threads away or spends a project's calls it may do as a visitor may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, models, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.models.project import VIEWERS

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator", _("Administrator: sees and manages everything")
    OWNER = "owner", _("Project owner: manages the projects that they own, and founds new ones")
    MEMBER = "member", _("Member: reads, exports and refreshes the projects that name them")
    VIEWER = "viewer", _("Viewer: reads the projects that name them")


# Administrators need no group: Django's own flag says it all.
GROUPS = {Role.OWNER: "Project owners", Role.MEMBER: "Members", Role.VIEWER: VIEWERS}


class LastAdministrator(Exception):
    """Without this account nobody could administer ThreadHub. The text says what to do."""


def of(user: User) -> Role:
    """Return an account's role; one query unless its groups were prefetched."""
    if user.is_superuser:
        return Role.ADMINISTRATOR
    if any(group.name == GROUPS[Role.VIEWER] for group in user.groups.all()):
        return Role.VIEWER
    return Role.OWNER if user.is_staff else Role.MEMBER


def is_viewer(user: User | AnonymousUser | None) -> bool:
    """Tell whether somebody is signed in who may only read; at most one query."""
    return isinstance(user, User) and of(user) is Role.VIEWER


def give(user: User, role: Role) -> None:
    """Make `user` what the role says; other groups of theirs stay. Saves the account.

    :raises LastAdministrator: when it would take the last one's rights away.
    """
    with transaction.atomic():
        if role is not Role.ADMINISTRATOR and is_last_administrator(user):
            raise LastAdministrator(last_administrator_text())
        user.is_superuser = role is Role.ADMINISTRATOR
        user.is_staff = role in {Role.ADMINISTRATOR, Role.OWNER}
        user.save(update_fields=["is_superuser", "is_staff"])
        user.groups.remove(*Group.objects.filter(name__in=GROUPS.values()))
        if role in GROUPS:
            user.groups.add(Group.objects.get_or_create(name=GROUPS[role])[0])


def make_groups(sender: AppConfig, **_signal: object) -> None:
    """Make the groups that are missing, after each migration. Those that are there stay as set."""
    create_permissions(sender, verbosity=0)  # Django's own turn may come after this
    for role, name in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new and role is Role.OWNER:
            founding = Permission.objects.filter(
                content_type__app_label="projects", codename="add_project"
            )
            group.permissions.add(*founding)


def accounts_with(role: Role, users: QuerySet[User]) -> QuerySet[User]:
    """Keep those of `users` whose role is `role`."""
    viewers = User.groups.through.objects.filter(group__name=GROUPS[Role.VIEWER]).values("user_id")
    if role is Role.ADMINISTRATOR:
        return users.filter(is_superuser=True)
    others = users.filter(is_superuser=False)
    if role is Role.VIEWER:
        return others.filter(pk__in=viewers)
    return others.filter(is_staff=role is Role.OWNER).exclude(pk__in=viewers)


def administrators_besides(user_ids: list[int]) -> bool:
    """True when somebody else than `user_ids` is an administrator who can log in; one query.

    In a transaction the administrators stay locked until its end, so that two who take each
    other's rights away at once do not both succeed.
    """
    others = User.objects.filter(is_superuser=True, is_active=True)
    if connection.in_atomic_block:
        others = others.select_for_update()
    return any(pk not in user_ids for pk in others.values_list("pk", flat=True))


def is_last_administrator(user: User) -> bool:
    """Tell whether nobody could administer ThreadHub without this account; two queries."""
    if user._state.adding:
        return False
    is_one = User.objects.filter(pk=user.pk, is_superuser=True, is_active=True).exists()
    return is_one and not administrators_besides([user.pk])


def last_administrator_text() -> str:
    return gettext("This is the last administrator who can log in. Appoint another first.")
