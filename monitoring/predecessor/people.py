"""Accounts: their passwords keep working."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.utils import timezone

from monitoring.predecessor.ledger import Ledger
from monitoring.predecessor.report import Report
from projects.hashers import WerkzeugPasswordHasher
from threads.imports.predecessor import Database, Row


def bring_people(database: Database, report: Report) -> dict[str, User]:
    """Make the accounts that are not here; return all by their old ids.

    An account of the same name stays as it is: neither its password nor its rights change.
    """
    owners = {row.text("user_id") for row in database.rows("project_owners")}
    ledger, count = Ledger("users"), report.of("accounts")
    by_old_id: dict[str, User] = {}
    for row in database.rows("users"):
        old_id, name = row.text("id"), row.text("username").strip()
        if not name or len(name) > 150:
            count.left_out += 1
            report.note(f"The account {old_id} was left out: its name has not 1 to 150 characters.")
            continue
        user = User.objects.filter(pk=ledger.get(old_id) or 0).first()
        if user is None and (user := User.objects.filter(username=name).first()) is not None:
            is_less = row.is_true("is_admin") and not user.is_superuser
            report.note(
                f"An account named {name} was here already: it keeps its password and its rights."
                + (" It was an administrator before and is none here." if is_less else "")
            )
        if user is None:
            user = _make(row, name, is_owner=old_id in owners, zone=database.zone, report=report)
            count.new += 1
        else:
            count.known += 1
        if ledger.get(old_id) != user.pk:
            ledger.put(old_id, user.pk)
        by_old_id[old_id] = user
    return by_old_id


def _make(row: Row, name: str, *, is_owner: bool, zone: ZoneInfo, report: Report) -> User:
    is_admin = row.is_true("is_admin")
    user = User(
        username=name,
        email=row.text("email").strip()[:254],
        is_superuser=is_admin,
        is_staff=is_admin or is_owner,  # owners manage their projects in the console
    )
    user.date_joined = row.moment("created_at", zone) or timezone.now()
    try:
        user.password = WerkzeugPasswordHasher.adopt(row.text("password_hash").strip())
    except ValueError:
        user.set_unusable_password()
        report.note(f"The password of {name} cannot be taken over: set a new one.")
    user.save()
    return user
