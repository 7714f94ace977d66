"""Images and files of messages: found for who may see a message that names them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from django.core.cache import cache

from projects.models import Project
from threadhub.lib import audit
from threads import sync
from threads.attachments import Kind, cached_file, is_file_id, kind_of
from threads.models import FileReference, Thread
from threads.sources import is_embedded

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_MOST = 20  # references looked at: messages that repeat a picture repeat its id


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file on this disk. `name` is what to call it, with the ending of what it really is.

    Whoever opened it closes `stream`; an answer that sends it does.
    """

    path: Path
    stream: BinaryIO
    kind: Kind
    name: str


def may_be_asked_for(thread: Thread, file_id: str) -> bool:
    """Tell whether a file that `thread` names is here or has a source. No query, no call."""
    if not is_file_id(file_id):
        return False
    if thread.connection_id is not None or is_embedded(file_id):
        return True
    return cached_file(thread.project, file_id) is not None


def may_be_had(thread: Thread, file_id: str) -> bool:
    """Tell the same, without those that nobody had when they were asked for last."""
    is_known = may_be_asked_for(thread, file_id)
    return is_known and not sync.is_missing(thread.project_id, file_id)


def open_file(
    project: Project, file_id: str, *, by: User | AnonymousUser, now: datetime
) -> OpenedFile | None:
    """Open a file that a message of the project names, fetched if need be.

    None when `by` may see no message that names it, which is also the answer to every id that
    nobody names, and when it was cleared away at this very moment. One query, and one for the
    audit log where the project is not public.

    :raises FileGone: when it cannot be had any more.
    :raises FileBusy: when it cannot be had now.
    """
    if not is_file_id(file_id):
        return None
    references = list(
        FileReference.objects.filter(
            project=project, file_id=file_id, message__thread__in=Thread.objects.visible_to(by)
        )
        .select_related("project", "connection", "message__thread")
        .order_by("pk")[:_MOST]
    )
    if not references:
        return None
    _note(references[0], by=by)
    path = sync.fetch_file(references, now=now)
    kind = kind_of(path)
    name = next((each.name for each in references if each.name), "") or file_id
    try:
        return OpenedFile(path, path.open("rb"), kind, _name(name, kind))
    except OSError:  # another process made room
        return None


def _name(given: str, kind: Kind) -> str:
    """Return a name without folders; its ending is never that of something that could run."""
    name = given.replace("\\", "/").rpartition("/")[2].strip(". ") or "file"
    ending = f".{kind.extension}"
    return name if name.lower().endswith(ending) else name[:180] + ending


def _note(reference: FileReference, *, by: User | AnonymousUser) -> None:
    """Put the reading on the audit log, once in ten minutes; what is public is not noted."""
    project = reference.project
    if project.visibility == Project.Visibility.PUBLIC:
        return
    name = f"audit:file:{by.pk or 'visitor'}:{project.pk}:{reference.file_id}"
    if cache.add(name, 1, timeout=audit.REMEMBERED_SECONDS):
        audit.record(
            action="file.read",
            actor=by,
            target=reference.message.thread,
            project_id=project.pk,
            file=reference.file_id,
        )
