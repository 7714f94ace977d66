"""The world of the permission tests: a project that people know, one that they must not know of.

Alpha has an owner, a member and a viewer. Zebra is another owner's and private, and `MARK` is in
every text of it. Whatever somebody sees of the world has to be the same with Zebra and without,
and no answer to anybody but an administrator may have the mark in it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from projects.accounts import roles, second_factor
from projects.accounts.roles import Role
from projects.models import ApiToken, Project, Tag
from threadhub.lib import audit
from threads.models import (
    Assistant,
    Bookmark,
    FileReference,
    FreshSearch,
    Job,
    MessageSource,
    SavedSearch,
    ShareLink,
    SubjectFinding,
    SubjectRequest,
    SyncRun,
    Thread,
)
from threads.subjects.receipt import receipt_for
from threads.tests.factories import make_connection, make_conversation, make_message, make_project

MARK = "qzebraq"
VISITOR, STRANGER, VIEWER, MEMBER = "visitor", "stranger", "viewer", "member"
OWNER, ADMINISTRATOR = "owner", "administrator"
PEOPLE = (VISITOR, STRANGER, VIEWER, MEMBER, OWNER, ADMINISTRATOR)
READERS = {VIEWER, MEMBER, OWNER, ADMINISTRATOR}  # of Alpha
SIGNED_IN = {*PEOPLE} - {VISITOR}
MANAGERS = {OWNER, ADMINISTRATOR}  # of Alpha

Names = dict[str, Any]

# What an address may be made of, as of a project that is not there.
NOWHERE: Names = {
    **{f"{name}_pk": 99_999_999 for name in ("project", "connection", "thread", "message")},
    **{f"{name}_pk": 99_999_999 for name in ("assistant", "run", "saved", "token", "tag")},
    **{f"{name}_pk": 99_999_999 for name in ("session", "factor", "user", "audit", "link")},
    **{f"{name}_id": uuid.UUID(int=7) for name in ("job", "export", "import", "fresh", "case")},
    "short_id": "bcdfghjkmn",
    "external_id": "conv_nowhere",
    "slug": "nowhere",
    "position": 1,
    "file_id": "file-nowhere",
    "feed_token": "n" * 43,
    "share_text": "n" * 43,
    "unsubscribe_token": "n:n",
}


@dataclass
class World:
    people: dict[str, User | AnonymousUser]
    alpha: Names
    zebra: Names = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def client_of(self, person: str) -> Client:
        client = Client(raise_request_exception=False)
        user = self.people[person]
        if isinstance(user, User):
            client.force_login(user)
        return client


def make_world() -> World:
    """Make Alpha and the people around it, and Public, which everybody reads."""
    people: dict[str, User | AnonymousUser] = {VISITOR: AnonymousUser()}
    people |= {
        name: User.objects.create_user(name, password="x") for name in PEOPLE if name != VISITOR
    }
    for name, role in (
        (STRANGER, Role.MEMBER),
        (VIEWER, Role.VIEWER),
        (MEMBER, Role.MEMBER),
        (OWNER, Role.OWNER),
        (ADMINISTRATOR, Role.ADMINISTRATOR),
    ):
        roles.give(_account(people, name), role)
    owner = _account(people, OWNER)
    alpha = make_project("Alpha", slug="alpha", visibility="members")
    alpha.owners.add(owner)
    alpha.members.add(_account(people, MEMBER), _account(people, VIEWER))
    keep_sources(make_conversation("A public refund", project=make_project("Public")))
    world = World(people, names_of(alpha, by=owner, word="alphaword"))
    for name in PEOPLE[1:]:
        _token, world.tokens[name] = ApiToken.issue(
            _account(people, name),
            name="robot",
            scopes=ApiToken.Scope.values,
            now=timezone.now(),
            life=timedelta(days=1),
        )
    return world


def add_zebra(world: World) -> None:
    """Add the project that nobody may notice, with a row of every kind."""
    other = User.objects.create_user(f"{MARK}-owner", f"{MARK}@example.org", is_staff=True)
    zebra = make_project(f"Zebra {MARK}", slug=f"{MARK}-slug", visibility="private")
    zebra.owners.add(other)
    world.zebra = names_of(zebra, by=other, word=MARK)
    audit.record(action="project.change", actor=other, target=zebra, project_id=zebra.pk)


def _account(people: dict[str, User | AnonymousUser], name: str) -> User:
    user = people[name]
    assert isinstance(user, User)
    return user


def names_of(project: Project, *, by: User, word: str) -> Names:
    """Make a row of every kind in `project`, with `word` in its texts; return how to name them."""
    now = timezone.now()
    connection = make_connection(
        project, name=f"Store {word}", base_url=f"https://{word}.example/v1"
    )
    connection.state_reason = f"Refused by {word}"
    connection.save()
    project.description = f"About {word}"
    project.save()
    tag = Tag.objects.create(name=f"{word}-tag")
    shared_tag, _is_new = Tag.objects.get_or_create(name="shared-tag")
    project.tags.add(tag, shared_tag)
    assistant = Assistant.objects.create(
        project=project, external_id=f"asst_{word}", name=f"Assistant {word}"
    )
    thread = make_conversation(
        f"I want a refund, says {word}",
        f"Booked, says {word}",
        project=project,
        connection=connection,
        assistant=assistant,
        external_id=f"conv_{word}",
        store="conversations",
        title=f"Refund {word}",
        remark=f"Remark {word}",
        end_user=f"user-{word}",
        model=f"model-{word}",
        metadata={word: word},
        message_count=2,
    )
    thread.tags.add(tag, shared_tag)
    message = make_message(thread, f"Tool says {word}", role="tool", name=f"call_{word}")
    keep_sources(thread)
    file = FileReference.objects.create(
        message=message, project=project, connection=connection, file_id=f"file-{word}"
    )
    Bookmark.objects.create(user=by, thread=thread)
    job = _job(Job.Kind.SYNC_THREAD, f"thread:{thread.pk}", project, by, word, thread_id=thread.pk)
    export = _job(Job.Kind.EXPORT, f"{by.pk}:{word}", None, by, word, form="csv", query=word)
    imported = _job(Job.Kind.IMPORT, f"import:{word}", project, by, word)
    fresh = _job(
        Job.Kind.FRESH_SEARCH, f"search:{word}", project, by, word, project_ids=[project.pk]
    )
    run = SyncRun.objects.create(
        project=project,
        connection=connection,
        job=job,
        trigger="manual",
        state="failed",
        started_at=now,
        errors=[{"thread": thread.short_id, "message": f"Failed by {word}"}],
    )
    saved = SavedSearch.objects.create(
        owner=by,
        name=f"Search {word}",
        query=word,
        sharing="project",
        project=project,
        feed_token=SavedSearch.new_token(),
    )
    link, share_text = ShareLink.issue(
        thread, by=by, note=f"For {word}", now=now, life=timedelta(days=1)
    )
    case = _case(thread, by, word)
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(project),
        object_id=str(project.pk),
        object_repr=str(project),
        action_flag=CHANGE,
        change_message=f"Changed {word}.",
    )
    session = UserSession.objects.create(
        user=by, ip="192.0.2.1", user_agent=f"Browser {word}", session_key=f"key-{word}"
    )
    factor = Authenticator.objects.create(
        user=by, type="totp", data={"secret": second_factor.seal(f"SECRET{word}")}
    )
    token, _text = ApiToken.issue(
        by, name=f"Token {word}", scopes=["read"], now=now, life=timedelta(days=1)
    )
    audit.record(action="thread.read", actor=by, target=thread, project_id=project.pk, note=word)
    return {
        "project_pk": project.pk,
        "slug": project.slug,
        "connection_pk": connection.pk,
        "thread_pk": thread.pk,
        "short_id": thread.short_id,
        "external_id": thread.external_id,
        "position": message.position,
        "message_pk": message.pk,
        "assistant_pk": assistant.pk,
        "file_id": file.file_id,
        "job_id": job.pk,
        "export_id": export.pk,
        "import_id": imported.pk,
        "fresh_id": FreshSearch.objects.create(job=fresh, requested_by=by, query=word).pk,
        "run_pk": run.pk,
        "saved_pk": saved.pk,
        "feed_token": saved.feed_token,
        "link_pk": link.pk,
        "share_text": share_text,
        "case_id": case.pk,
        "tag_pk": tag.pk,
        "session_pk": session.pk,
        "factor_pk": factor.pk,
        "token_pk": token.pk,
        "user_pk": by.pk,
        "word": word,
    }


def _case(thread: Thread, by: User, word: str) -> SubjectRequest:
    """Make a data request whose one thread stayed when it was deleted, so that all is shown."""
    now = timezone.now()
    case = SubjectRequest.objects.create(
        reference=f"Case {word}",
        user_ids=f"user-{word}",
        state=SubjectRequest.State.DONE,
        requested_by=by,
        erased_at=now,
    )
    case.projects.add(thread.project)
    SubjectFinding.objects.create(
        request=case,
        thread=thread,
        project_id=thread.project_id,
        project_name=thread.project.name,
        external_id=thread.external_id,
        reasons=["user"],
        end="kept",
        why=f"Refused by {word}",
    )
    case.receipt = receipt_for(case, now=now)
    case.save()
    return case


def keep_sources(thread: Thread) -> None:
    """Give each message the row of what upstream sent, which exports read."""
    MessageSource.objects.bulk_create(
        MessageSource(message=message, raw='{"text": "raw"}') for message in thread.messages.all()
    )


def _job(
    kind: str, key: str, project: Project | None, by: User, word: str, **parameters: Any
) -> Job:
    return Job.objects.create(
        kind=kind,
        key=key,
        state=Job.State.FAILED,
        project=project,
        requested_by=by,
        error=f"Failed for {word}",
        phase=f"Reading {word}",
        parameters={"name": word, **parameters},
        finished_at=timezone.now(),
    )


# What differs between two answers to the same question.
_CHANGING = re.compile(
    r"[0-9a-f]{16}(?=</code>|\")"  # the request's id
    r"|[A-Za-z0-9]{64}"  # Django's token against forged requests
    r"|(?<=data-session-end=\")[^\"]+"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?"
    r"|(?<=datetime=\")[^\"]+"
    r"|[\d.,]+ ms|\"took_ms\": ?[\d.]+"
    r"|\bnow\b|(?:an?|\d+)[ \xa0](?:second|minute)s? ago"
)


def text_of(response: Any, address: str = "") -> str:
    """Return an answer's status, headers and body without its address and what is new each time."""
    body = b"".join(response) if response.streaming else response.content
    location = response.headers.get("Location", "")
    text = f"{response.status_code} {location}\n{body.decode('utf-8', 'replace')}"
    for written in (address, quote(address, safe=""), quote(address)):
        text = text.replace(written, "ADDRESS") if len(address) > 1 else text
    return _CHANGING.sub("…", text)
