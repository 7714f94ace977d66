"""What the columns of a spreadsheet are, with messages or with threads as rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from threads.exports.masking import mask
from threads.exports.records import ThreadRecord
from threads.models import Message

Value = str | int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `text_by_people` says that its cells may need masking."""

    key: str
    label: str | Promise
    value: Callable[[ThreadRecord, Message | None], Value]
    text_by_people: bool = False
    width: int = 14  # characters, in Excel


def _of_thread(name: str) -> Callable[[ThreadRecord, Message | None], Value]:
    def value(record: ThreadRecord, _message: Message | None) -> Value:
        found: Value = getattr(record.thread, name)
        return found

    return value


def _of_message(name: str) -> Callable[[ThreadRecord, Message | None], Value]:
    def value(_record: ThreadRecord, message: Message | None) -> Value:
        found: Value = getattr(message, name)
        return found

    return value


THREAD_COLUMNS = (
    Column("thread_id", _("thread_id"), _of_thread("external_id"), width=34),
    Column("title", _("title"), _of_thread("title"), text_by_people=True, width=40),
    Column("remark", _("remark"), _of_thread("remark"), text_by_people=True, width=30),
    Column("project", _("project"), lambda record, _m: record.thread.project.name, width=20),
    Column("source", _("source"), _of_thread("store")),
    Column("tags", _("tags"), lambda record, _m: ", ".join(record.tags), width=20),
    Column(
        "assistant",
        _("assistant"),
        lambda record, _m: str(record.thread.assistant) if record.thread.assistant else "",
        width=20,
    ),
    Column("model", _("model"), _of_thread("model")),
    Column("user", _("user"), _of_thread("end_user"), text_by_people=True, width=18),
    Column("created_at", _("created_at"), _of_thread("created_at"), width=20),
    Column(
        "last_message_timestamp",
        _("last_message_timestamp"),
        _of_thread("last_message_timestamp"),
        width=20,
    ),
    Column("message_count", _("message_count"), _of_thread("message_count"), width=10),
    Column("input_tokens", _("input_tokens"), _of_thread("input_tokens"), width=10),
    Column("output_tokens", _("output_tokens"), _of_thread("output_tokens"), width=10),
    Column("total_tokens", _("total_tokens"), _of_thread("total_tokens"), width=10),
    Column("state", _("state"), _of_thread("upstream_state"), width=10),
    Column(
        "metadata",
        _("metadata"),
        lambda record, _m: (
            json.dumps(record.thread.metadata, ensure_ascii=False) if record.thread.metadata else ""
        ),
        text_by_people=True,
        width=24,
    ),
)
MESSAGE_COLUMNS = (
    Column("position", _("position"), _of_message("position"), width=8),
    Column("message_id", _("message_id"), _of_message("remote_id"), width=34),
    Column("role", _("role"), _of_message("role"), width=10),
    Column("kind", _("kind"), _of_message("kind"), width=10),
    Column("sent_at", _("sent_at"), _of_message("created_at"), width=20),
    Column("text", _("text"), _of_message("text"), text_by_people=True, width=80),
    Column("name", _("name"), _of_message("name"), text_by_people=True),
    Column("message_model", _("message_model"), _of_message("model")),
    Column(
        "message_input_tokens", _("message_input_tokens"), _of_message("input_tokens"), width=10
    ),
    Column(
        "message_output_tokens", _("message_output_tokens"), _of_message("output_tokens"), width=10
    ),
)
COLUMNS = {column.key: column for column in (*THREAD_COLUMNS, *MESSAGE_COLUMNS)}

DEFAULT_THREAD_COLUMNS = tuple(column.key for column in THREAD_COLUMNS)
DEFAULT_MESSAGE_COLUMNS = (
    *("thread_id", "title", "project", "position", "role", "sent_at", "text", "message_model"),
    *("user", "tags", "remark", "message_id"),
)


def chosen(keys: Sequence[str], *, per_message: bool) -> tuple[Column, ...]:
    """Return the columns of `keys` in their order; the usual ones when there are none.

    :raises ValueError: for a key that is no column, or one that needs messages as rows.
    """
    if not keys:
        keys = DEFAULT_MESSAGE_COLUMNS if per_message else DEFAULT_THREAD_COLUMNS
    known = COLUMNS if per_message else {column.key: column for column in THREAD_COLUMNS}
    if unknown := [key for key in keys if key not in known]:
        raise ValueError(
            f"There is no column {unknown[0]!r} here. Columns are: {', '.join(known)}."
        )
    return tuple(known[key] for key in keys)


def rows(
    record: ThreadRecord,
    columns: Sequence[Column],
    *,
    per_message: bool,
    masked: bool,
    zone: tzinfo,
) -> Iterator[list[Value]]:
    """Yield the rows of one thread. Times are in `zone`, without it: spreadsheets know none."""
    for message in record.messages if per_message else (None,):
        row: list[Value] = []
        for column in columns:
            value = column.value(record, message)
            if isinstance(value, datetime):
                value = value.astimezone(zone).replace(tzinfo=None, microsecond=0)
            elif masked and column.text_by_people and isinstance(value, str):
                value = mask(value)
            row.append(value)
        yield row
