"""What a document says above a thread and above a message, for every format that people read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from django.utils.translation import gettext as _

from threads.exports.masking import mask
from threads.exports.records import ThreadRecord
from threads.models import Message


def moment(value: datetime | None, zone: tzinfo) -> str:
    """Return a time with its zone, to the minute; an empty string when it is not known."""
    return "" if value is None else value.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def title(record: ThreadRecord, *, masked: bool) -> str:
    text = record.thread.title or record.thread.external_id
    return mask(text) if masked else text


def facts(record: ThreadRecord, *, masked: bool, zone: tzinfo) -> list[tuple[str, str]]:
    """Return label and value of what is known about a thread; unknown facts are left out."""
    thread = record.thread
    hide = mask if masked else str
    tokens = "" if thread.total_tokens is None else f"{thread.total_tokens:,}"
    found = [
        (_("Thread"), thread.external_id),
        (_("Project"), thread.project.name),
        (_("Source"), thread.get_store_display()),
        (_("Assistant"), str(thread.assistant) if thread.assistant else ""),
        (_("Model"), thread.model),
        (_("End user"), hide(thread.end_user)),
        (_("Created"), moment(thread.created_at, zone)),
        (_("Last message"), moment(thread.last_message_timestamp, zone)),
        (_("Messages"), f"{len(record.messages):,}"),
        (_("Tokens"), tokens),
        (_("Tags"), ", ".join(record.tags)),
        (_("Remark"), hide(thread.remark)),
    ]
    return [(label, value) for label, value in found if value]


def speaker(message: Message) -> str:
    """Return who speaks: the role in words, with the tool's name or what kind of item it is."""
    role = message.get_role_display()
    if message.kind != Message.Kind.MESSAGE:
        role = f"{role} · {message.get_kind_display()}"
    return f"{role} · {message.name}" if message.name else role


def notes(message: Message, zone: tzinfo) -> Iterator[str]:
    """Yield what a reader should know about a message beside its text."""
    if message.removed_at is not None:
        yield _("Removed at the source, seen %(when)s") % {"when": moment(message.removed_at, zone)}
    if message.branch:
        yield _("Branch %(number)d") % {"number": message.branch}
