"""From the steps of a run to messages: which tools an assistant called, and what they gave back.

Shapes: the API's "run step object" (Assistants, version 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from threads.sources.base import BESIDE, Part, RemoteMessage
from threads.sources.items import argument_part, assembled, output_parts, word
from threads.sources.paging import Found
from threads.sources.parts import parts_of, strings
from threads.sources.reading import Json
from threads.sources.times import moment
from threads.sources.tokens import usage_of

INCLUDE = ["step_details.tool_calls[*].file_search.results[*].content"]


def by_message(steps: list[Found], run: Json) -> tuple[dict[str, list[RemoteMessage]], Json]:
    """Return a run's tool calls by the id of the message that they led to, and its tokens.

    Calls that no message followed are under "". Tokens are by the id of the message that a step
    wrote: {"msg_1": usage}.
    """
    led_to: dict[str, list[RemoteMessage]] = {}
    tokens: Json = {}
    waiting: list[RemoteMessage] = []
    for step in steps:
        details = step.item.get("step_details")
        details = details if isinstance(details, dict) else {}
        made = details.get("message_creation")
        if isinstance(made, dict) and isinstance(made.get("message_id"), str):
            led_to[made["message_id"]], waiting = waiting, []
            tokens[made["message_id"]] = step.item.get("usage")
            continue
        calls = details.get("tool_calls")
        usage = usage_of(step.item.get("usage"), source="run")
        said = [
            message
            for number, call in enumerate(calls if isinstance(calls, list) else [])
            if isinstance(call, dict)
            for message in _messages(step, run, call, number)
        ]
        if said and usage is not None:
            said[0] = replace(said[0], input_tokens=usage.input, output_tokens=usage.output)
        waiting += said
    if waiting:
        led_to[""] = waiting
    return led_to, tokens


def _messages(step: Found, run: Json, call: Json, number: int) -> Iterator[RemoteMessage]:
    """Yield a tool call, and the output of a function, which is a message of its own."""
    kind = word(call.get("type"), longest=40) or "unknown"
    given = call.get(kind)
    inner: Json = given if isinstance(given, dict) else {}
    identity = f"{step.id[:120]}:{word(call.get('id'), longest=70) or number}"
    name = word(inner.get("name")) or kind
    yield _message(step, run, identity, "tool_call", kind, name, _call_parts(kind, inner, call))
    output = output_parts(inner.get("output")) if kind == "function" else []
    if output:
        yield _message(step, run, f"{identity}:output", "tool_output", kind, name, tuple(output))


def _call_parts(kind: str, inner: Json, call: Json) -> tuple[Part, ...]:
    match kind:
        case "function":
            asked = argument_part(inner.get("arguments"))
            return (asked,) if asked else ()
        case "code_interpreter":
            code = Part("text", text=strings(inner.get("input")))
            return (code, *parts_of(inner.get("outputs") or []))
        case "file_search" | "retrieval":
            results = inner.get("results")
            return tuple(map(_result, results if isinstance(results, list) else []))
        case _:
            whole = argument_part({name: call[name] for name in call if name != "id"})
            return (whole,) if whole else ()


def _result(result: Any) -> Part:
    found: Json = result if isinstance(result, dict) else {}
    texts = [part.text for part in parts_of(found.get("content") or [])]
    text = "\n".join(filter(None, [word(found.get("file_name")), *texts]))
    return Part("file", text=text, file_id=word(found.get("file_id")))


def _message(  # noqa: PLR0917 - one place calls it, in this order
    step: Found,
    run: Json,
    identity: str,
    kind: str,
    type_: str,
    name: str,
    parts: tuple[Part, ...],
) -> RemoteMessage:
    return assembled(
        Found(identity, step.item, step.raw),
        role="tool",
        kind=kind,
        type_=f"{BESIDE}.{type_}",
        parts=parts,
        name=name,
        model=word(run.get("model"), longest=120),
        assistant_id=word(step.item.get("assistant_id")) or word(run.get("assistant_id")),
        group_id=word(step.item.get("run_id")) or word(run.get("id")),
        created_at=moment(step.item.get("created_at")),
    )
