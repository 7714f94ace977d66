"""Projects with their keys, owners and tags, and what is in them."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken
from django.contrib.auth.models import User
from django.db import transaction

from monitoring.predecessor.ledger import Ledger
from monitoring.predecessor.report import Report
from monitoring.predecessor.settings import is_refreshed
from projects.crypto import SecretError
from projects.models import Connection, Project, Tag
from threads.archive import ImportReport, ingest
from threads.imports import Place
from threads.imports.predecessor import Database, Row
from threads.models import Assistant, Bookmark, Thread

_CHUNK = 500  # rows of one statement
_TOKEN = "gAAAA"  # noqa: S105 - how every Fernet token begins

KeepGoing = Callable[[int], None]  # hears of the threads that were read so far


def open_key(sealed: str, secret_key: str) -> str:
    """Return an API key as the predecessor kept it: sealed with its SECRET_KEY, or in plain text.

    :raises ValueError: when it cannot be opened; the text says why.
    """
    if not sealed.startswith(_TOKEN):
        if not sealed.isascii() or not sealed.isprintable() or " " in sealed:
            raise ValueError("it is damaged")
        return sealed
    if not secret_key:
        raise ValueError("the SECRET_KEY of the old installation was not given")
    key = base64.urlsafe_b64encode(hashlib.sha256(secret_key.encode()).digest())
    try:
        return Fernet(key).decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeDecodeError) as error:
        raise ValueError("it was sealed with another SECRET_KEY than the one given") from error


class Projects:
    """Brings projects one after the other, each with its threads."""

    def __init__(
        self,
        database: Database,
        *,
        people: dict[str, User],
        secret_key: str,
        report: Report,
        now: datetime,
        progress: KeepGoing,
    ) -> None:
        self._database, self._people, self._report = database, people, report
        self._secret_key, self._now, self._progress = secret_key, now, progress
        self._ledger = Ledger("projects")
        self._owners: defaultdict[str, list[str]] = defaultdict(list)
        for row in database.rows("project_owners"):
            self._owners[row.text("project_id")].append(row.text("user_id"))
        names = {row.text("id"): row.text("name").strip()[:60] for row in database.rows("tags")}
        self._tags: defaultdict[str, list[str]] = defaultdict(list)
        for row in database.rows("project_tags"):
            if name := names.get(row.text("tag_id")):
                self._tags[row.text("project_id")].append(name)
        self._bookmarks = _bookmarks(database)
        self._is_refreshed = is_refreshed(database)
        self._seen = 0

    def bring(self, row: Row) -> None:
        """Bring one project with all that is in it."""
        old_id, report = row.text("id"), self._report
        with transaction.atomic():
            project = Project.objects.filter(pk=self._ledger.get(old_id) or 0).first()
            is_new = project is None
            if project is None:
                project = self._make(row)
            count = report.of("projects")
            count.new += is_new
            count.known += not is_new
            if is_new and not report.is_dry_run:
                self._ledger.put(old_id, project.pk)
            self._keep_owners_and_tags(project, old_id)
            self._bring_key(project, row)
            transaction.set_rollback(report.is_dry_run)
        self._bring_threads(project, old_id, is_new=is_new)

    def _make(self, row: Row) -> Project:
        name = " ".join(row.text("name").split())[:200] or f"Project {row.text('id')[:40]}"
        is_visible = row.is_true("is_visible")
        project = Project(
            name=name,
            slug=Project.slug_for(name),
            visibility=Project.Visibility.PUBLIC if is_visible else Project.Visibility.PRIVATE,
        )
        project.save()
        created_at = row.moment("created_at", self._database.zone)
        if created_at is not None:
            Project.objects.filter(pk=project.pk).update(created_at=created_at)
        return project

    def _keep_owners_and_tags(self, project: Project, old_id: str) -> None:
        owners = [self._people[each] for each in self._owners[old_id] if each in self._people]
        project.owners.add(*owners)
        tags = [Tag.objects.get_or_create(name=name)[0] for name in self._tags[old_id]]
        project.tags.add(*tags)
        # Owners need to reach the console; nobody's rights are widened beyond that.
        User.objects.filter(pk__in=[user.pk for user in owners], is_staff=False).update(
            is_staff=True
        )

    def _bring_key(self, project: Project, row: Row) -> None:
        """Make the connection that the project's threads are refreshed through."""
        if Connection.objects.filter(project=project, store=Connection.Store.ASSISTANTS).exists():
            self._report.of("connections").known += 1
            return
        sealed, why, key = row.text("api_key").strip(), "it had none", ""
        connection = Connection(
            project=project,
            store=Connection.Store.ASSISTANTS,
            is_refreshed=self._is_refreshed,
        )
        try:
            key = open_key(sealed, self._secret_key) if sealed else ""
            if key:
                connection.set_key(key)
        except (ValueError, SecretError) as error:
            why, key = str(error), ""
        self._report.of("connections").new += 1
        if not key:
            connection.is_enabled = False
            self._report.note(
                f"{project.name} came without its API key ({why}). Enter the key in its"
                " connection and switch that on."
            )
        connection.save()

    def _bring_threads(self, project: Project, old_id: str, *, is_new: bool) -> None:
        report, found = self._report, ImportReport(is_dry_run=self._report.is_dry_run)

        def begin() -> None:
            if is_new:
                project.save(force_insert=True)

        def show(place: Place) -> bool:
            self._progress(self._seen + place.line)
            return True

        ingest(
            self._database.threads(old_id),
            project=project,
            now=self._now,
            report=found,
            keep_going=show,
            begin=begin,
        )
        self._seen += found.thread_count
        threads, messages = report.of("threads"), report.of("messages")
        threads.new += found.threads_new
        threads.known += found.threads_changed + found.threads_unchanged
        threads.left_out += found.problem_count
        messages.new += found.messages_new
        for problem in found.problems:
            report.note(f"{project.name}: {problem['message']}")
        self._bring_assistants(project, old_id, is_new=is_new)
        self._bring_bookmarks(project, old_id, is_new=is_new)
        if not report.is_dry_run:
            self._adopt(project)

    def _adopt(self, project: Project) -> None:
        """Let the connection refresh the threads that came, as the predecessor did."""
        connection = Connection.objects.filter(
            project=project, store=Connection.Store.ASSISTANTS
        ).first()
        if connection is not None:
            Thread.objects.filter(
                project=project, connection__isnull=True, store=Connection.Store.ASSISTANTS
            ).update(connection=connection, next_refresh_at=self._now)

    def _bring_assistants(self, project: Project, old_id: str, *, is_new: bool) -> None:
        """Give the assistants their names; those that spoke are here with their threads."""
        count = self._report.of("assistants")
        here = {} if is_new and self._report.is_dry_run else _named(project)
        for row in self._database.rows("assistants"):
            identity, name = row.text("id")[:200], row.text("name").strip()[:300]
            if row.text("project_id") != old_id or not identity or not name:
                continue
            if here.get(identity):
                count.known += 1
                continue
            count.new += 1
            here[identity] = name
            if not self._report.is_dry_run:
                Assistant.objects.update_or_create(
                    project=project, external_id=identity, defaults={"name": name}
                )

    def _bring_bookmarks(self, project: Project, old_id: str, *, is_new: bool) -> None:
        wanted = self._bookmarks.get(old_id, [])
        count = self._report.of("bookmarks")
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            made = self._made_bookmarks(project, chunk, is_new=is_new)
            count.new += len(made)
            count.known += len({(mark.user, mark.thread) for mark in chunk}) - len(made)
            if not self._report.is_dry_run:
                Bookmark.objects.bulk_create(made, ignore_conflicts=True)

    def _made_bookmarks(
        self, project: Project, chunk: list[_Mark], *, is_new: bool
    ) -> list[Bookmark]:
        if is_new and self._report.is_dry_run:
            known = {(mark.user, mark.thread) for mark in chunk if mark.user in self._people}
            return [Bookmark()] * len(known)
        threads = dict(
            Thread.objects.filter(
                project=project, external_id__in=[mark.thread for mark in chunk]
            ).values_list("external_id", "pk")
        )
        taken = set(
            Bookmark.objects.filter(thread_id__in=threads.values()).values_list(
                "user_id", "thread_id"
            )
        )
        made = []
        for mark in chunk:
            user, thread_id = self._people.get(mark.user), threads.get(mark.thread)
            if user is None or thread_id is None or (user.pk, thread_id) in taken:
                continue
            taken.add((user.pk, thread_id))
            when = mark.row.moment("created_at", self._database.zone) or self._now
            made.append(Bookmark(user=user, thread_id=thread_id, created_at=when))
        return made


class _Mark:
    """A bookmark by old ids: whose, and of which thread of the store."""

    def __init__(self, user: str, thread: str, row: Row) -> None:
        self.user, self.thread, self.row = user, thread, row


def _bookmarks(database: Database) -> dict[str, list[_Mark]]:
    """Return the bookmarks by project. Their thread is a row's number, or an id of the store."""
    rows = list(database.rows("user_bookmarks"))
    marks: defaultdict[str, list[_Mark]] = defaultdict(list)
    if not rows:
        return marks
    wanted = {row.text("thread_id") for row in rows}
    by_number: dict[str, Row] = {}
    by_identity: dict[str, Row] = {}
    for thread in database.rows("threads"):
        if thread.text("id") in wanted:
            by_number[thread.text("id")] = thread
        if thread.text("thread_id") in wanted:
            by_identity[thread.text("thread_id")] = thread
    for row in rows:
        found = by_number.get(row.text("thread_id")) or by_identity.get(row.text("thread_id"))
        if found is not None:
            mark = _Mark(row.text("user_id"), found.text("thread_id").strip(), row)
            marks[found.text("project_id")].append(mark)
    return marks


def _named(project: Project) -> dict[str, str]:
    return dict(Assistant.objects.filter(project=project).values_list("external_id", "name"))
