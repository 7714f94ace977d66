"""What could be typed next: filters and their values, of what the reader may see only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.translation import gettext as _

from projects.models import Project, Tag
from projects.models.project import ProjectQuerySet
from threads.models import Assistant, Message, Thread
from threads.models.thread import ThreadQuerySet
from threads.search.query import FIELDS, Filter, write

MAX_SUGGESTIONS = 8
# Values that have no table of their own are those of the newest threads and messages: reading
# all would cost more with every thread, and what was just used is what is looked for.
_NEWEST = 2_000
_NEWEST_MESSAGES = 20_000

_VALUE = r'(?:"[^"]*"|[^\s,"(){}]*)'
_LAST = re.compile(
    rf"""(?:^|[\s({{])-?
        (?P<typed>(?P<name>[A-Za-z]\w*)(?:\.(?P<key>[\w.-]*))?
        (?P<colon>:(?P<values>(?:{_VALUE},)*)(?P<part>"[^"]*|[^\s,"(){{}}]*))?)\Z""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to type: `text` is the whole query with it, `label` what to show."""

    label: str
    description: str
    text: str


def suggest(
    text: str, *, projects: ProjectQuerySet, position: int | None = None
) -> list[Suggestion]:
    """Return how `text` could go on, at most MAX_SUGGESTIONS; at most two queries.

    `projects` are those that the reader may see; `position` is where they type, None at the end.
    """
    if position is not None and position < len(text):
        return [
            replace(suggestion, text=suggestion.text + text[position:])
            for suggestion in suggest(text[:position], projects=projects)
        ]
    match = _LAST.search(text)
    before = text[: match.start("typed")] if match else ""
    if match is None or before.count('"') % 2:  # nothing is being typed, or inside of quotes
        return []
    name, key = match["name"].lower(), match["key"]
    offered: Iterable[tuple[str, str]] = ()
    if match["colon"] is not None:
        part = match["part"].lstrip('"')
        field = FIELDS.get(name)
        if field and field.takes == "choice":
            offered = ((value, "") for value in field.values if value.startswith(part.lower()))
        elif name in _VALUES and key is None:
            offered = _VALUES[name](part, projects)
        before += f"{match['name']}:{match['values']}"
        return [
            Suggestion(value, description, before + _written(value))
            for value, description in islice(offered, MAX_SUGGESTIONS)
        ]
    if key is None:
        offered = _fields(name)
    elif name == "meta":
        offered = _metadata_keys(key, projects)
    return [
        Suggestion(label, description, before + label)
        for label, description in islice(offered, MAX_SUGGESTIONS)
    ]


def _fields(part: str) -> Iterable[tuple[str, str]]:
    part = part.lower()
    for field in FIELDS.values():
        if field.name.startswith(part):
            ending = {"meta": ".", "thread": ":{", "text": ":~"}.get(field.name, ":")
            yield f"{field.name}{ending}", _(field.description)


def _written(value: str) -> str:
    """Write `value` as the query language does: in quotes where it must."""
    return write(Filter("x", (value,))).removeprefix("x:")


def _projects(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    matching = projects.filter(Q(slug__istartswith=part) | Q(name__icontains=part))
    return matching.order_by("slug").values_list("slug", "name")[:MAX_SUGGESTIONS]


def _tags(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    on_thread = Thread.tags.through.objects.filter(
        tag=OuterRef("pk"), thread__project__in=projects, thread__trashed_at__isnull=True
    )
    on_project = Project.tags.through.objects.filter(tag=OuterRef("pk"), project__in=projects)
    tags = Tag.objects.filter(Exists(on_thread) | Exists(on_project), name__icontains=part)
    return ((name, "") for name in tags.values_list("name", flat=True)[:MAX_SUGGESTIONS])


def _assistants(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    spoken = Thread.objects.filter(assistant=OuterRef("pk"), trashed_at__isnull=True)
    known_as = Coalesce(NullIf("name", Value("")), "external_id")
    matching = Assistant.objects.annotate(known_as=known_as).filter(
        Exists(spoken), project__in=projects, known_as__icontains=part
    )
    names = matching.order_by("known_as").values_list("known_as", flat=True).distinct()
    return ((name, "") for name in names[:MAX_SUGGESTIONS])


def _models(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    return _often(_newest(projects).values_list("model", flat=True)[:_NEWEST], part)


def _end_users(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    return _often(_newest(projects).values_list("end_user", flat=True)[:_NEWEST], part)


def _tools(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    messages = Message.objects.order_by("-search_key")
    floor = messages.values_list("search_key", flat=True)[_NEWEST_MESSAGES:].first()
    if floor is not None:
        messages = messages.filter(search_key__gte=floor)
    # The sum keeps SQLite from reading the project's messages of all times by their index.
    seen = messages.alias(in_project=F("project_id") + 0).filter(
        in_project__in=projects.values("pk"), thread__trashed_at__isnull=True
    )
    calls = seen.filter(kind__in=[Message.Kind.TOOL_CALL, Message.Kind.TOOL_OUTPUT])
    return _often(calls.values_list("name", flat=True), part)


def _metadata_keys(part: str, projects: ProjectQuerySet) -> Iterable[tuple[str, str]]:
    rows = _newest(projects).exclude(metadata={}).values_list("metadata", flat=True)[:_NEWEST]
    for key, description in _often((key for metadata in rows for key in metadata), part):
        yield write(Filter("meta", ("x",), key)).removesuffix("x"), description


def _newest(projects: ProjectQuerySet) -> ThreadQuerySet:
    threads = Thread.objects.filter(project__in=projects, trashed_at__isnull=True)
    return threads.order_by(F("last_message_timestamp").desc(nulls_last=True), "-pk")


def _often(values: Iterable[str], part: str) -> Iterable[tuple[str, str]]:
    """Return the values that contain `part`, those that begin with it and frequent ones first."""
    counts: dict[str, int] = {}
    for value in values:
        if value:
            counts[value] = counts.get(value, 0) + 1
    part = part.lower()
    fitting = [value for value in counts if part in value.lower()]
    fitting.sort(key=lambda value: (not value.lower().startswith(part), -counts[value], value))
    return ((value, "") for value in fitting)


_Values = Callable[[str, ProjectQuerySet], Iterable[tuple[str, str]]]
_VALUES: dict[str, _Values] = {
    "project": _projects,
    "tag": _tags,
    "assistant": _assistants,
    "model": _models,
    "user": _end_users,
    "tool": _tools,
}
