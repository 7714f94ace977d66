"""From the items of conversations, responses and agent sessions to messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from threads.sources.base import Part, RemoteMessage
from threads.sources.embedded import SHORTEST, embedded_id
from threads.sources.paging import Found
from threads.sources.parts import compact, parts_of, strings, text_of, worth_keeping
from threads.sources.reading import Json

_ROLES = {"user", "assistant", "system", "developer", "tool"}
# An item in one of these states may still change. A state that we do not know is taken as final:
# otherwise one strange item would hold the cursor for ever.
_MOVING = {
    "in_progress",
    "queued",
    "pending",
    "searching",
    "interpreting",
    "generating",
    "calling",
    "requires_action",
    "cancelling",
}
_LONGEST_NAME = 200


def role_of(value: Any) -> str:
    return value if isinstance(value, str) and value in _ROLES else "unknown"


def word(value: Any, *, longest: int = _LONGEST_NAME) -> str:
    """Return a short field as text; "" for everything that is none."""
    return value[:longest] if isinstance(value, str) else ""


def is_final(status: str) -> bool:
    return status not in _MOVING


def argument_part(value: Any) -> Part | None:
    """Return arguments or an output that is not parts; text that is no JSON is JSON to nobody."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        kind = "json" if value.lstrip()[:1] in {"{", "["} else "text"
        return Part(kind, text=strings(value))
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return Part("text", text=strings(value))
    return Part("json", text=compact(value))


def output_parts(output: Any) -> list[Part]:
    """Read a tool's output: a string, a list of parts, shell results, or any JSON."""
    if isinstance(output, list) and output and all(isinstance(each, dict) for each in output):
        if all("stdout" in each or "stderr" in each for each in output):
            lines = [strings(each.get(name)) for each in output for name in ("stdout", "stderr")]
            return [Part("text", text="\n".join(line for line in lines if line))]
        if all(isinstance(each.get("type"), str) for each in output):
            return list(parts_of(output))
    if isinstance(output, dict) and output.get("type") == "computer_screenshot":
        return list(parts_of(output))
    part = argument_part(output)
    return [part] if part else []


def _query_parts(item: Json) -> list[Part]:
    """Read a search: what was looked for, and what was found where the store tells."""
    queries = item.get("queries")
    action = item.get("action")
    if not queries and isinstance(action, dict):
        queries = action.get("queries") or action.get("query") or action.get("pattern")
        queries = queries or action.get("url")
    parts = [Part("text", text=strings(queries))] if queries else []
    results = item.get("results")
    for result in results if isinstance(results, list) else []:
        if isinstance(result, dict):
            name = word(result.get("filename")) or word(result.get("title"))
            text = "\n".join(filter(None, [name, strings(result.get("text"))]))
            file_id, url = word(result.get("file_id")), word(result.get("url"), longest=2_000)
            parts.append(Part("file", text=text, url=url, file_id=file_id))
    sources = action.get("sources") if isinstance(action, dict) else None
    parts += [
        Part("file", text=word(source.get("title")), url=source["url"])
        for source in (sources if isinstance(sources, list) else [])
        if isinstance(source, dict) and isinstance(source.get("url"), str)
    ]
    return parts


def _call_parts(item: Json) -> list[Part]:
    """Read a call: what was asked for, then what came back where the item holds both."""
    asked = ("title", "command", "arguments", "input", "code", "action", "actions", "operation")
    parts = [part for name in asked if (part := argument_part(item.get(name)))]
    for name in ("content", "output", "outputs", "result"):
        parts += output_parts(item.get(name))
    failure = item.get("error")
    if isinstance(failure, dict) and isinstance(failure.get("message"), str):
        failure = failure["message"]
    part = argument_part(failure)
    return [*parts, part] if part else parts


def _image_parts(item: Json) -> list[Part]:
    """Read a generated image: its prompt, and the name of what stays in the raw JSON."""
    form = word(item.get("output_format")) or "png"
    prompt = strings(item.get("revised_prompt"))
    parts = [Part("text", text=prompt)] if prompt else []
    result = item.get("result")
    if result:
        is_whole = isinstance(result, str) and len(result) >= SHORTEST
        identity = embedded_id(result) if is_whole else ""
        parts.append(Part("image", mime=f"image/{form}", file_id=identity))
    failure = item.get("error")
    if isinstance(failure, dict):
        parts.append(Part("text", text=strings(failure.get("message"))))
    return parts


def _result_parts(item: Json) -> list[Part]:
    parts: list[Part] = []
    for name in ("output", "result", "content"):
        parts += output_parts(item.get(name))
    return parts


def _reasoning_parts(item: Json) -> list[Part]:
    parts = [*parts_of(item.get("summary")), *parts_of(item.get("content"))]
    return [Part("reasoning", text=part.text) for part in parts if part.text]


def _tool_list_parts(item: Json) -> list[Part]:
    tools = item.get("tools")
    names = [
        word(tool.get("name")) or word(tool.get("type"))
        for tool in (tools if isinstance(tools, list) else [])
        if isinstance(tool, dict)
    ]
    failure = argument_part(item.get("error"))
    return [Part("text", text=", ".join(filter(None, names))), *([failure] if failure else [])]


def _approval_parts(item: Json) -> list[Part]:
    answer = "approved" if item.get("approve") is True else "refused"
    return [Part("text", text=": ".join(filter(None, [answer, strings(item.get("reason"))])))]


def _request_parts(item: Json) -> list[Part]:
    """Read a request for a sign-in or an origin, or the answer to it."""
    inner = item.get("request") or item.get("response")
    asked = inner if isinstance(inner, dict) else {}
    names = ("type", "origin", "credential_origin", "action", "reason")
    return [
        Part("text", text="\n".join(filter(None, (strings(asked.get(name)) for name in names))))
    ]


def _no_parts(_: Json) -> list[Part]:
    return []


def _any_parts(item: Json) -> list[Part]:
    """Read what can be read in an item of a kind that we do not know."""
    parts = list(parts_of(item.get("content")))
    for name in ("text", "summary", "output", "message"):
        parts += output_parts(item.get(name))
    return parts


_Reader = Callable[[Json], list[Part]]
# type: (kind, reader). What is not here is kept as "unknown".
_KINDS: dict[str, tuple[str, _Reader]] = {
    "reasoning": ("reasoning", _reasoning_parts),
    "compaction": ("compaction", _no_parts),
    "image_generation_call": ("tool_call", _image_parts),
    "file_search_call": ("tool_call", _query_parts),
    "web_search_call": ("tool_call", _query_parts),
    "mcp_list_tools": ("event", _tool_list_parts),
    "additional_tools": ("event", _tool_list_parts),
    "tool_search_output": ("tool_output", _tool_list_parts),
    "configuration_update": ("event", _any_parts),
    "mcp_approval_request": ("event", _call_parts),
    "computer_use_approval_request": ("event", _request_parts),
    "computer_use_approval_request_result": ("event", _request_parts),
    "agent_message": ("message", lambda item: list(parts_of(item.get("content")))),
    "mcp_approval_response": ("event", _approval_parts),
    **dict.fromkeys(
        [
            "function_call",
            "custom_tool_call",
            "mcp_call",
            "code_interpreter_call",
            "computer_call",
            "tool_search_call",
            "local_shell_call",
            "shell_call",
            "apply_patch_call",
            "program",
            # Of agents:
            "command_execution",
            "computer_use_call",
            "create_subagent_call",
            "send_subagent_input_call",
            "resume_subagent_call",
            "wait_for_subagents_call",
            "interrupt_subagent_call",
            "close_subagent_call",
        ],
        ("tool_call", _call_parts),
    ),
    **dict.fromkeys(
        [
            "function_call_output",
            "custom_tool_call_output",
            "computer_call_output",
            "local_shell_call_output",
            "shell_call_output",
            "apply_patch_call_output",
            "program_output",
        ],
        ("tool_output", _result_parts),
    ),
}


def _role(item: Json, kind: str) -> str:
    if kind in {"tool_call", "tool_output", "event"}:
        return "tool"
    if kind == "reasoning":
        return "assistant"
    if kind == "compaction":
        return "system"
    if item.get("type") == "agent_message":
        return "assistant"
    return role_of(item.get("role"))


def assembled(
    found: Found,
    *,
    role: str,
    kind: str,
    type_: str,
    parts: tuple[Part, ...],
    name: str = "",
    model: str = "",
    assistant_id: str = "",
    group_id: str = "",
    created_at: datetime | None = None,
    time_source: str = "given",
) -> RemoteMessage:
    """Return the message that these make; status and raw JSON come from the item itself."""
    text = text_of(parts)
    if kind == "tool_call" or type_ == "mcp_approval_request":
        text = "\n".join(filter(None, [name, text]))  # a tool is looked for by its name
    status = word(found.item.get("status"), longest=20)
    return RemoteMessage(
        remote_id=found.id,
        role=role,
        text=text,
        kind=kind,
        type=type_[:60] or "unknown",
        parts=worth_keeping(parts),
        name=name,
        model=model,
        assistant_id=assistant_id,
        group_id=group_id,
        status=status,
        is_final=is_final(status),
        created_at=created_at,
        time_source=time_source if created_at else "unknown",
        raw=found.raw,
    )


def message_of(
    found: Found,
    *,
    created_at: datetime | None = None,
    time_source: str = "given",
    group_id: str = "",
    model: str = "",
) -> RemoteMessage:
    """Return an item as a message. Nothing is refused: what is not understood is "unknown"."""
    item = found.item
    # A compatible server may leave the type out of plain messages.
    type_ = word(item.get("type")) or ("message" if item.get("role") else "")
    if type_ == "message":
        kind, parts = "message", parts_of(item.get("content"))
    else:
        kind, read = _KINDS.get(type_, ("unknown", _any_parts))
        parts = tuple(read(item))
    return assembled(
        found,
        role=_role(item, kind),
        kind=kind,
        type_=type_,
        parts=parts,
        name=word(item.get("name")) or word(item.get("server_label")),
        model=model or word(item.get("model"), longest=120),
        group_id=group_id or word(item.get("response_id")) or word(item.get("turn_id")),
        created_at=created_at,
        time_source=time_source,
    )
