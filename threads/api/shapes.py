"""What the API answers about threads, messages, projects and the reader."""

from __future__ import annotations

from typing import NotRequired

from django.contrib.auth.models import AnonymousUser, User

# On Python 3.11 pydantic, which writes the API's schema from these, takes no other TypedDict.
from typing_extensions import TypedDict

from projects.models import Project
from threads.models import Message, Thread
from threads.search.facets import Facets
from threads.search.published import message_url, published_time, thread_url
from threads.search.suggestions import Suggestion


class Error(TypedDict):
    code: str
    message: str
    field: NotRequired[str]
    position: NotRequired[int]
    length: NotRequired[int]
    suggestion: NotRequired[str]


class ErrorAnswer(TypedDict):
    error: Error


class Tokens(TypedDict):
    """Tokens as the source reported them; null is unknown. `estimated` is ThreadHub's own count."""

    input: int | None
    output: int | None
    total: int | None
    estimated: int | None


class ThreadDetail(TypedDict):
    """One thread without its messages, which are at `messages_url`."""

    id: str
    external_id: str
    title: str
    remark: str
    project: str
    source: str
    state: str
    user: str
    assistant: str | None
    model: str
    tags: list[str]
    metadata: dict[str, object]
    created_at: str | None
    last_message_timestamp: str | None
    last_synced_at: str | None
    message_count: int
    item_count: int
    tokens: Tokens
    url: str
    messages_url: str


class FileDetail(TypedDict):
    """A file that a message names. Addresses are null where it cannot be had.

    `url` is for people in a browser, `content_url` for programs with a token.
    """

    id: str
    name: str
    url: str | None
    content_url: str | None


class MessageDetail(TypedDict):
    """One item of a thread. `kind` other than `message`: a tool call, its output, reasoning…"""

    message_id: str
    position: int
    branch: int
    role: str
    kind: str
    name: str
    model: str
    text: str
    created_at: str | None
    removed_at: str | None
    input_tokens: int | None
    output_tokens: int | None
    files: list[FileDetail]
    url: str


class MessagePage(TypedDict):
    results: list[MessageDetail]
    next_cursor: str | None


class ProjectDetail(TypedDict):
    slug: str
    name: str
    description: str
    visibility: str
    tags: list[str]


class ProjectList(TypedDict):
    results: list[ProjectDetail]


class SuggestionDetail(TypedDict):
    """Something to type; `text` is the whole query with it."""

    label: str
    description: str
    text: str


class SuggestionList(TypedDict):
    results: list[SuggestionDetail]


class FacetValueDetail(TypedDict):
    """`value` is what the filter takes; `count` is of threads."""

    value: str
    label: str
    count: int


class MonthDetail(TypedDict):
    month: str
    hit_count: int


class FacetAnswer(TypedDict):
    """Values by filter, frequent ones first. `is_capped`: only the newest hits were counted."""

    facets: dict[str, list[FacetValueDetail]]
    months: list[MonthDetail]
    is_capped: bool


class QuestionDetail(TypedDict):
    """`content` is a picture or a sound as a data: address. `is_needed`: for you, at present."""

    token: str
    mode: str
    content_type: str
    content: str
    expires_at: str
    is_needed: bool


class FreshSearchDetail(TypedDict):
    """`state` is queued, running, done, failed or cancelled; totals are null until they are known.

    `notes` says what could not be read.
    """

    id: str
    query: str
    state: str
    phase: str
    threads_done: int
    threads_total: int | None
    calls: int
    messages_new: int
    seconds_left: int | None
    error: str
    notes: list[str]
    asked_at: str
    url: str
    results_url: str


class RefusedId(TypedDict):
    id: str
    message: str


class WrongThread(TypedDict):
    """`number` is the thread's place in what was sent, from 1."""

    number: int
    message: str


class AddedThreads(TypedDict):
    """What became of the ids (adopted: came from a file, has a source now), and of the threads."""

    added: list[str]
    known: list[str]
    adopted: list[str]
    refused: list[RefusedId]
    threads_new: int
    threads_changed: int
    threads_unchanged: int
    messages_new: int
    messages_changed: int
    problems: list[WrongThread]


class ExportDetail(TypedDict):
    """`file_url` is null until the file is made, and again once it has expired."""

    id: str
    format: str
    state: str
    threads_done: int
    threads_total: int | None
    error: str
    sha256: str | None
    size_bytes: int | None
    expires_at: str | None
    url: str
    file_url: str | None


class Account(TypedDict):
    username: str
    name: str
    email: str
    is_administrator: bool


class Me(TypedDict):
    """Who asks; `account` null is a visitor."""

    account: Account | None


def thread_detail(thread: Thread, *, messages_url: str) -> ThreadDetail:
    """Describe `thread`; wants project, assistant and tags fetched with it."""
    return ThreadDetail(
        id=thread.short_id,
        external_id=thread.external_id,
        title=thread.title,
        remark=thread.remark,
        project=thread.project.slug,
        source=thread.store,
        state=thread.upstream_state,
        user=thread.end_user,
        assistant=str(thread.assistant) if thread.assistant else None,
        model=thread.model,
        tags=sorted(tag.name for tag in thread.tags.all()),
        metadata=thread.metadata,
        created_at=published_time(thread.created_at),
        last_message_timestamp=published_time(thread.last_message_timestamp),
        last_synced_at=published_time(thread.last_synced_at),
        message_count=thread.message_count,
        item_count=thread.item_count,
        tokens=Tokens(
            input=thread.input_tokens,
            output=thread.output_tokens,
            total=thread.total_tokens,
            estimated=thread.estimated_tokens,
        ),
        url=thread_url(thread.short_id),
        messages_url=messages_url,
    )


def message_detail(message: Message, *, short_id: str, files: list[FileDetail]) -> MessageDetail:
    """Describe `message` of the thread with the address `short_id`."""
    return MessageDetail(
        message_id=message.remote_id,
        position=message.position,
        branch=message.branch,
        role=message.role,
        kind=message.kind,
        name=message.name,
        model=message.model,
        text=message.text,
        created_at=published_time(message.created_at),
        removed_at=published_time(message.removed_at),
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        files=files,
        url=message_url(short_id, message.position),
    )


def project_detail(project: Project) -> ProjectDetail:
    """Describe `project`; wants its tags fetched with it."""
    return ProjectDetail(
        slug=project.slug,
        name=project.name,
        description=project.description,
        visibility=project.visibility,
        tags=sorted(tag.name for tag in project.tags.all()),
    )


def suggestion(one: Suggestion) -> SuggestionDetail:
    return SuggestionDetail(label=one.label, description=one.description, text=one.text)


def facet_answer(counted: Facets) -> FacetAnswer:
    return FacetAnswer(
        facets={
            name: [
                FacetValueDetail(value=one.value, label=one.label, count=one.count)
                for one in values
            ]
            for name, values in counted.values.items()
        },
        months=[MonthDetail(month=month, hit_count=count) for month, count in counted.months],
        is_capped=counted.is_capped,
    )


def me(user: User | AnonymousUser) -> Me:
    if not isinstance(user, User):
        return Me(account=None)
    return Me(
        account=Account(
            username=user.get_username(),
            name=user.get_full_name(),
            email=user.email,
            is_administrator=user.is_superuser,
        )
    )
