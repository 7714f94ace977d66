"""Other people's JSON, put into the shape of the interchange format.

Known are the objects of the Assistants API (a thread with its messages and runs, or its messages
alone), requests and results of the Batch API, stored chat completions, and training examples of
the fine-tuning API with a preferred answer. Plain training examples have that shape already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = dict[str, Any]


def interchange(record: Record) -> list[Record]:
    """Return the threads in `record`, each in the interchange format.

    What is not known comes back as it is, for the reader to refuse.
    """
    for is_it, convert in _SHAPES:
        if is_it(record):
            return convert(record)
    return [record]


def is_assistants_message(record: Mapping[str, Any]) -> bool:
    """Tell whether this is one message of an Assistants thread, without its thread."""
    return record.get("object") == "thread.message" and isinstance(record.get("thread_id"), str)


# The Assistants API.


def _listed(value: Any) -> list[Any] | None:
    """Return what a list holds, also when it came as a page of the API."""
    if isinstance(value, dict):
        value = value.get("data")
    return value if isinstance(value, list) else None


def _is_dump(record: Record) -> bool:
    """A thread of the API beside its messages, or with them inside."""
    if isinstance(record.get("thread"), dict):
        return _listed(record.get("messages")) is not None
    return record.get("object") == "thread" and _listed(record.get("messages")) is not None


def _dump(record: Record) -> list[Record]:
    inner = record.get("thread")
    thread = inner if isinstance(inner, dict) else record
    messages = _listed(record.get("messages")) or []
    made: Record = {"source": "assistants", "messages": in_order(messages)}
    for name in ("id", "created_at", "title", "user", "remark", "tags"):
        if thread.get(name) is not None:
            made[name] = thread[name]
    if "id" not in made:
        made["id"] = _thread_id(messages)
    metadata = thread.get("metadata")
    if isinstance(metadata, dict) and metadata:
        made["metadata"] = metadata
        made.setdefault("title", metadata.get("title"))
        made.setdefault("user", metadata.get("user"))
    usage = _usage_of_runs(_listed(record.get("runs")) or [])
    return [made | ({"usage": usage} if usage else {})]


def _thread_id(messages: list[Any]) -> Any:
    return next((each.get("thread_id") for each in messages if isinstance(each, dict)), None)


def in_order(messages: list[Any]) -> list[Any]:
    """Return messages oldest first: the API lists them newest first unless it is asked.

    Those of one second keep the order that the list as a whole turns out to have.
    """
    items = [_message(each) for each in messages]
    times = [each.get("created_at") for each in items if isinstance(each, dict)]
    seconds = [time for time in times if isinstance(time, int | float)]
    if len(seconds) < max(len(items), 2):
        return items
    if seconds[0] > seconds[-1]:
        items.reverse()
    return sorted(items, key=lambda item: item["created_at"])


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    made = {**message}
    if isinstance(made.get("run_id"), str):
        made.setdefault("group_id", made["run_id"])
    files = [
        {"type": "file", "file_id": each["file_id"]}
        for each in made.get("attachments") or []
        if isinstance(each, dict) and isinstance(each.get("file_id"), str)
    ]
    if files and isinstance(made.get("content"), list):
        made["content"] = made["content"] + files
    return made


def _usage_of_runs(runs: list[Any]) -> Record:
    """Add up what runs cost; empty when none of them tells."""
    usages = [run.get("usage") for run in runs if isinstance(run, dict)]
    told = [usage for usage in usages if isinstance(usage, dict)]
    if not told:
        return {}
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    return {
        ours: sum(usage[theirs] for usage in told if isinstance(usage.get(theirs), int))
        for ours, theirs in names.items()
    } | {"is_exact": len(told) == len(runs)}


def _is_page(record: Record) -> bool:
    """A page of messages as the API sends it."""
    listed = _listed(record) or []
    return bool(listed) and all(
        isinstance(each, dict) and is_assistants_message(each) for each in listed
    )


def _page(record: Record) -> list[Record]:
    return by_thread(_listed(record) or [])


def by_thread(messages: list[Any]) -> list[Record]:
    """Return a thread for each id that the messages name."""
    threads: dict[str, list[Any]] = {}
    for message in messages:
        threads.setdefault(message["thread_id"], []).append(message)
    return [
        {"id": identity, "source": "assistants", "messages": in_order(found)}
        for identity, found in threads.items()
    ]


# Chat completions: stored ones, in batches, and as training examples.


def _replies(completion: Mapping[str, Any]) -> list[Any]:
    choices = completion.get("choices")
    replies = []
    for number, choice in enumerate(choices if isinstance(choices, list) else []):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        reply = {"model": completion.get("model"), "created_at": completion.get("created")}
        reply |= message
        if number:  # of several answers the first is the conversation's
            reply["branch"] = number
        replies.append({name: value for name, value in reply.items() if value is not None})
    usage = completion.get("usage")
    if replies and isinstance(usage, dict):
        replies[0]["usage"] = {
            "input_tokens": usage.get("prompt_tokens"),
            "output_tokens": usage.get("completion_tokens"),
        }
    return replies


def _completion(record: Record) -> list[Record]:
    sent = record.get("messages")
    made: Record = {"id": record.get("id"), "source": "completions"}
    made["created_at"] = record.get("created")
    if isinstance(record.get("metadata"), dict):
        made["metadata"] = record["metadata"]
    made["messages"] = [*(sent if isinstance(sent, list) else []), *_replies(record)]
    return [made]


def _batch_request(record: Record) -> list[Record]:
    body = record["body"]
    return [{"title": _custom_id(record), "messages": body.get("messages")}]


def _batch_result(record: Record) -> list[Record]:
    response = record["response"]
    body = response.get("body") if isinstance(response, dict) else None
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        return [{"messages": None}]  # an error, or another kind of call
    return [_completion(body)[0] | {"title": _custom_id(record)}]


def _custom_id(record: Record) -> str | None:
    value = record.get("custom_id")
    return value if isinstance(value, str) else None


def _preference(record: Record) -> list[Record]:
    given = record["input"]
    messages = list(given.get("messages") or [])
    for branch, name in enumerate(("preferred_output", "non_preferred_output")):
        answer = record.get(name)
        messages += [
            {**message, "branch": branch} if branch else message
            for message in (answer if isinstance(answer, list) else [])
            if isinstance(message, dict)
        ]
    return [{"messages": messages}]


_Shape = tuple[Callable[[Record], bool], Callable[[Record], list[Record]]]
_SHAPES: list[_Shape] = [
    (_is_dump, _dump),
    (_is_page, _page),
    (lambda record: record.get("object") == "chat.completion", _completion),
    (lambda record: "custom_id" in record and "response" in record, _batch_result),
    (lambda record: "custom_id" in record and isinstance(record.get("body"), dict), _batch_request),
    (
        lambda record: isinstance(record.get("input"), dict) and "messages" not in record,
        _preference,
    ),
]
