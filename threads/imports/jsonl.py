"""JSON Lines: ThreadHub's own interchange format, one thread a line.

`{"id", "title", "created_at", "user", "source", "remark", "tags", "metadata", "messages": [{"id",
"role", "content", "created_at", "model", "name", "tool_calls", "usage"}]}`. Only `messages` and
each one's `role` are required. A message may also carry `kind`, `type`, `status`, `group_id`,
`assistant_id`, `branch` and `is_hidden`, which are those of the archive. Times are ISO 8601 or
Unix seconds. Lines of some other shapes are read as well: `shapes` names them.

A line that is wrong is reported and the rest goes on. It is left out as a whole: a thread without
one of its messages would look complete, and the message would come back in the wrong place.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from threads.imports.base import ImportedThread, Place, Problem
from threads.imports.json_stream import NotJSON, check_values
from threads.imports.shapes import interchange
from threads.sources import Part, RemoteMessage, RemoteThread, Usage, place_of

LONGEST_LINE = 32 * 1024 * 1024  # bytes; parsed it takes several times that in memory
_LONGEST_ID = 200
_LONGEST_NAME = 200
_CALLS = ":calls"  # ends the id of what a message calls, where it also says something
_OF_CALLS = frozenset(
    {"role", "created_at", "model", "assistant_id", "group_id", "branch", "is_hidden", "status"}
)
_MILLISECONDS = 100_000_000_000  # a number of seconds above this (year 5138) is milliseconds
_TEXT_TYPES = frozenset({"text", "input_text", "output_text", "summary_text"})
_IMAGE_TYPES = frozenset({"image", "input_image", "image_url", "image_file"})
_FILE_TYPES = frozenset({"file", "input_file", "document"})
_AUDIO_TYPES = frozenset({"audio", "input_audio"})
_ROLES = {"function": "tool"}
_KINDS = frozenset(
    {"message", "tool_call", "tool_output", "reasoning", "compaction", "event", "unknown"}
)


class Wrong(Exception):
    """The line cannot be taken; the text says why."""


def read_jsonl(path: Path, *, start: Place = Place()) -> Iterator[ImportedThread | Problem]:  # noqa: B008 - frozen
    """Read threads from `path`, one line in memory at a time, going on after `start`."""
    with path.open("rb") as file:
        file.seek(start.offset)
        place = start
        while True:
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                return
            is_too_long = len(line) > LONGEST_LINE
            size = len(line) + (_skip_line(file) if is_too_long else 0)
            before, place = place, Place(place.line + 1, place.offset + size)
            if is_too_long:
                limit = LONGEST_LINE // 1024 // 1024
                yield Problem(place, f"The line is longer than {limit} MB.")
                continue
            if place.line == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.strip():
                continue
            try:
                found = list(threads_in(_parse(line)))
            except Wrong as wrong:
                yield Problem(place, str(wrong))
                continue
            line = b""  # it may be long, and what was found in it waits here to be stored
            for number, (thread, messages) in enumerate(found, 1):
                # Reading goes on behind the line once all of its threads are stored.
                yield ImportedThread(place if number == len(found) else before, thread, messages)


def threads_in(
    record: dict[str, Any],
) -> Iterator[tuple[RemoteThread, tuple[RemoteMessage, ...]]]:
    """Yield the threads in a record of a known shape: one, as a rule.

    :raises Wrong: when it cannot be taken.
    """
    for found in interchange(record):
        yield _thread(found)


def _skip_line(file: BinaryIO) -> int:
    """Read on to the end of a line; return how many bytes that was."""
    skipped = 0
    while chunk := file.readline(1024 * 1024):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _refuse_constant(name: str) -> NoReturn:
    raise Wrong(f"{name} is not JSON.")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        check_values(line)
        record = json.loads(line.decode(), parse_constant=_refuse_constant)
    except NotJSON as error:
        raise Wrong(str(error)) from error
    except UnicodeDecodeError as error:
        raise Wrong(f"The line is not UTF-8 (byte {error.start + 1}).") from error
    except json.JSONDecodeError as error:
        hint = " The file must have one JSON object a line." if len(line) < 4 else ""
        what = error.msg.removesuffix(" at")
        raise Wrong(f"This is not JSON: {what} at character {error.pos + 1}.{hint}") from error
    except (RecursionError, ValueError) as error:
        raise Wrong(
            "The JSON is nested too deeply, or has a number of thousands of digits."
        ) from error
    if not isinstance(record, dict):
        raise Wrong("The line is no JSON object.")
    return record


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _text(record: dict[str, Any], name: str, what: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Wrong(f"{what}: {name} must be text.")
    return value


def _identity(record: dict[str, Any], what: str) -> str:
    value = _text(record, "id", what)
    if len(value) > _LONGEST_ID:
        raise Wrong(f"{what}: its id is longer than {_LONGEST_ID} characters.")
    if not value.isprintable() or value != value.strip():
        raise Wrong(f"{what}: its id has spaces around it or characters that cannot be seen.")
    return value


def _moment(record: dict[str, Any], what: str) -> datetime | None:
    value = record.get("created_at")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Wrong(f"{what}: created_at must be a time.")
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        seconds = value / 1000 if abs(value) > _MILLISECONDS else value
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Wrong(f"{what}: created_at is not a time: {str(value)[:40]!r}.") from error


def _thread(record: dict[str, Any]) -> tuple[RemoteThread, tuple[RemoteMessage, ...]]:
    what = "The thread"
    given = record.get("messages")
    if not isinstance(given, list):
        raise Wrong("There is no list of messages.")
    metadata = record.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise Wrong("The thread: metadata must be an object.")
    tags = record.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Wrong("The thread: tags must be a list of text.")
    identity = _identity(record, what)
    thread = RemoteThread(
        remote_id=identity or f"import-{_digest(_canonical(record))}",
        title=_text(record, "title", what),
        end_user=_text(record, "user", what),
        upstream_state="imported",
        created_at=_moment(record, what),
        metadata=metadata or {},
        store=_text(record, "source", what),
        usage=_usage(record, what),
        remark=_text(record, "remark", what),
        tags=tuple(tags),
    )
    messages: list[RemoteMessage] = []
    identities: set[str] = set()
    repeated: Counter[str] = Counter()
    for number, entry in enumerate(given, 1):
        for item in _apart(entry, f"Message {number}", repeated):
            message = _message(item, f"Message {number}", repeated)
            if message.remote_id in identities:
                raise Wrong(f"Message {number} has the id of one before it: {message.remote_id}.")
            identities.add(message.remote_id)
            messages.append(message)
    return thread, tuple(messages)


def _usage(record: dict[str, Any], what: str) -> Usage | None:
    """Return what a thread cost as its store says; else it is known from its messages only."""
    usage = record.get("usage")
    if not isinstance(usage, dict):
        return None
    sent, written = _count(usage, "input_tokens", what), _count(usage, "output_tokens", what)
    total = _count(usage, "total_tokens", what)
    if total is None and sent is not None and written is not None:
        total = sent + written
    return Usage(
        sent,
        written,
        total,
        cached=_count(usage, "cached_tokens", what),
        reasoning=_count(usage, "reasoning_tokens", what),
        source=_text(usage, "source", what) or "run",
        is_exact=usage.get("is_exact") is True,
    )


def _apart(item: object, what: str, repeated: Counter[str]) -> list[object]:
    """Return what a message says and what it calls as two: so most stores keep it, and so calls
    are folded, left out of searches and found by the names of their tools."""
    if not isinstance(item, dict) or not (item.get("tool_calls") and item.get("content")):
        return [item]
    if item.get("kind"):
        return [item]
    identity = _identity(item, what) or _made_up(_canonical(item), repeated)
    said = {name: value for name, value in item.items() if name != "tool_calls"}
    called = {name: value for name, value in said.items() if name in _OF_CALLS}
    called["tool_calls"] = item["tool_calls"]
    return [
        said | {"id": identity},
        called | {"id": identity[: _LONGEST_ID - len(_CALLS)] + _CALLS},
    ]


def _made_up(raw: str, repeated: Counter[str]) -> str:
    """Return an id for a message without one: the same at every import of the same file."""
    digest = _digest(raw)
    repeated[digest] += 1
    return f"hash-{digest}-{repeated[digest]}"


def _message(item: object, what: str, repeated: Counter[str]) -> RemoteMessage:
    if not isinstance(item, dict):
        raise Wrong(f"{what} is no JSON object.")
    role = _text(item, "role", what).lower()
    if not role:
        raise Wrong(f"{what} has no role.")
    parts, text = _content(item.get("content"), what)
    calls = item.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise Wrong(f"{what}: tool_calls must be a list of objects.")
    kind = _text(item, "kind", what)
    if kind and kind not in _KINDS:
        raise Wrong(f"{what}: its kind {kind[:40]!r} is not known.")
    name = _text(item, "name", what)
    if calls:
        if not parts and text:
            parts = (Part("text", text),)
        parts += tuple(Part("json", _canonical(call)) for call in calls)
        kind = kind or ("message" if text else "tool_call")
        asked = [_call(call) for call in calls]
        if kind == "tool_call":
            name = ", ".join(dict.fromkeys(tool for tool, _arguments in asked))[:_LONGEST_NAME]
        # A tool is looked for by its name.
        text = text or "\n".join([name, *(arguments for _tool, arguments in asked)])
    elif role in {"tool", "function"}:
        kind = kind or "tool_output"
    usage = item.get("usage") or {}
    if not isinstance(usage, dict):
        raise Wrong(f"{what}: usage must be an object.")
    raw = _canonical(item)
    identity = _identity(item, what) or _made_up(raw, repeated)
    moment = _moment(item, what)
    return RemoteMessage(
        remote_id=identity,
        role=_ROLES.get(role, role),
        text=text,
        kind=kind or "message",
        type=_text(item, "type", what) or "message",
        parts=parts,
        name=name,
        model=_text(item, "model", what),
        assistant_id=_text(item, "assistant_id", what),
        group_id=_text(item, "group_id", what),
        status=_text(item, "status", what),
        is_hidden=item.get("is_hidden") is True,
        branch=_count(item, "branch", what) or 0,
        created_at=moment,
        time_source="given" if moment else "unknown",
        input_tokens=_count(usage, "input_tokens", what),
        output_tokens=_count(usage, "output_tokens", what),
        raw=raw,
    )


def _count(record: dict[str, Any], name: str, what: str) -> int | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise Wrong(f"{what}: {name} must be a whole number from 0.")
    return value


def _call(call: dict[str, Any]) -> tuple[str, str]:
    """Return which tool is called, and what is passed on to it as text."""
    details = next(
        (call[name] for name in ("function", "custom") if isinstance(call.get(name), dict)), call
    )
    arguments = details.get("arguments", details.get("input", ""))
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return str(details.get("name") or call.get("type") or "tool"), arguments


def _content(content: object, what: str) -> tuple[tuple[Part, ...], str]:
    """Return parts and text; no parts where the text says it all."""
    if content is None:
        return (), ""
    if isinstance(content, str):
        return (), content
    if not isinstance(content, list):
        raise Wrong(f"{what}: content must be text or a list of parts.")
    parts = [_part(item, what) for item in content]
    text = "\n\n".join(part.text for part in parts if part.kind in {"text", "refusal"})
    if len(parts) == 1 and parts[0] == Part("text", text):
        return (), text
    return tuple(parts), text


def _part(item: object, what: str) -> Part:
    if isinstance(item, str):
        return Part("text", item)
    if not isinstance(item, dict):
        raise Wrong(f"{what}: a part of its content is neither text nor an object.")
    kind = item.get("type", "")
    if kind in _TEXT_TYPES:
        value = item.get("text")
        notes = item.get("annotations") or []
        if isinstance(value, dict):  # as in Assistants threads
            notes, value = value.get("annotations") or notes, value.get("value")
        if not isinstance(value, str):
            raise Wrong(f"{what}: a text part has no text.")
        kept = tuple(note for note in notes if isinstance(note, dict)) if notes else ()
        return Part("text", value, annotations=kept)
    if kind == "refusal":
        return Part("refusal", str(item.get("refusal") or item.get("text") or ""))
    if kind in _IMAGE_TYPES | _FILE_TYPES | _AUDIO_TYPES:
        return _attachment(str(kind), item)
    return Part("unknown", _canonical(item))


def _attachment(kind: str, item: dict[str, Any]) -> Part:
    nested: dict[str, Any] = next(
        (item[name] for name in (kind, "file") if isinstance(item.get(name), dict)), {}
    )
    both = {**nested, **item}
    names = ("url", "image_url", "file_url", "file_data")
    url, mime, embedded = next(
        (found for name in names if any(found := place_of(both.get(name)))), ("", "", "")
    )
    family = "image" if kind in _IMAGE_TYPES else "file" if kind in _FILE_TYPES else "audio"
    return Part(
        family,
        text=str(both.get("filename") or both.get("name") or both.get("alt") or ""),
        url=url,
        file_id=str(both.get("file_id") or embedded),
        mime=str(both.get("mime") or both.get("mime_type") or mime),
    )
