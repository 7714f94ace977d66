"""JSON Lines in the interchange format: one thread a line, exact, and importable again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from threads.exports.base import Options, Written
from threads.exports.masking import mask
from threads.exports.records import ThreadRecord
from threads.models import Message, Thread

_ATTACHMENTS = frozenset({"image", "file", "audio"})


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", {}, [])}


def _as_imported(message: Message) -> dict[str, Any] | None:
    """Return the message as the file that brought it said it; None when no file did."""
    if not message.source.raw.startswith("{"):
        return None
    try:
        raw = json.loads(message.source.raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or "role" not in raw:
        return None  # another format's shape: the columns say it in ours
    found = {"id": message.remote_id, **raw}
    if message.created_at is not None:  # the archive's own: the sample's times are moved
        found["created_at"] = message.created_at.isoformat()
    return found


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Text alone where it says it all, else parts."""
    parts: list[dict[str, Any]] = message.source.parts
    spoken = [part for part in parts if part.get("kind") in {"text", "refusal"}]
    is_exact = "\n\n".join(part.get("text", "") for part in spoken) == message.text
    attached = [part for part in parts if part.get("kind") in _ATTACHMENTS]
    has_more = bool(attached) or any(
        part.get("annotations") or part.get("kind") == "refusal" for part in spoken
    )
    if not has_more:
        return message.text
    kept = [part for part in parts if part in spoken or part in attached]
    if not is_exact:
        kept = [{"kind": "text", "text": message.text}, *attached]
    return [_part(part) for part in kept]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    text = part.get("text", "")
    if part["kind"] == "refusal":
        return {"type": "refusal", "refusal": text}
    if part["kind"] == "text":
        notes = part.get("annotations")
        return {"type": "text", "text": text} | ({"annotations": notes} if notes else {})
    return _filled(
        {
            "type": part["kind"],
            "name": part.get("text"),
            "url": part.get("url"),
            "file_id": part.get("file_id"),
            "mime": part.get("mime"),
        }
    )


def _message(message: Message, *, is_imported: bool) -> dict[str, Any]:
    if is_imported and (as_imported := _as_imported(message)) is not None:
        return as_imported
    usage = _filled({"input_tokens": message.input_tokens, "output_tokens": message.output_tokens})
    return {
        "id": message.remote_id,
        "role": message.role,
        "content": _content(message),
    } | _filled(
        {
            "created_at": message.created_at.isoformat() if message.created_at else None,
            "model": message.model,
            "name": message.name,
            "assistant_id": message.assistant.external_id if message.assistant else "",
            "usage": usage,
            "kind": message.kind if message.kind != Message.Kind.MESSAGE else "",
            "type": message.type if message.type != "message" else "",
            "status": message.status,
            "group_id": message.group_id,
            "branch": message.branch or None,
            "is_hidden": message.is_hidden or None,
        }
    )


def _usage(thread: Thread) -> dict[str, Any]:
    """Return what a store says that the thread cost; empty where only its messages tell."""
    if thread.usage_source in {"", Thread.UsageSource.FILE}:
        return {}
    return _filled(
        {
            "input_tokens": thread.input_tokens,
            "output_tokens": thread.output_tokens,
            "total_tokens": thread.total_tokens,
            "cached_tokens": thread.cached_tokens,
            "reasoning_tokens": thread.reasoning_tokens,
            "source": thread.usage_source,
            "is_exact": thread.usage_is_exact,
        }
    )


def _masked(value: Any) -> Any:
    """Mask every text inside `value`, names included, but for ids."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        kept = {"id", "role", "created_at", "source", "type", "kind", "model", "group_id"}
        return {mask(name): item if name in kept else _masked(item) for name, item in value.items()}
    return value


def as_json(record: ThreadRecord, *, masked: bool = False) -> dict[str, Any]:
    """Return a thread in the interchange format. Messages removed upstream say when."""
    thread = record.thread
    is_imported = thread.connection_id is None
    messages = []
    for message in record.messages:
        published = _message(message, is_imported=is_imported)
        if message.removed_at is not None:
            published["removed_at"] = message.removed_at.isoformat()
        messages.append(published)
    made = {"id": thread.external_id} | _filled(
        {
            "title": thread.title,
            "created_at": thread.created_at.isoformat() if thread.created_at else None,
            "user": thread.end_user,
            "source": thread.store,
            "remark": thread.remark,
            "tags": list(record.tags),
            "metadata": thread.metadata,
            "usage": _usage(thread),
        }
    )
    made["messages"] = messages
    result: dict[str, Any] = _masked(made) if masked else made
    return result


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write one line a thread, UTF-8 without escapes. Lone surrogates become U+FFFD."""
    written = Written()
    for record in records:
        line = json.dumps(as_json(record, masked=options.masked), ensure_ascii=False)
        target.write(line.encode("utf-8", "replace") + b"\n")
        written.threads += 1
        written.messages += len(record.messages)
        written.rows += 1
    return written
