"""Reads JSON answers: checks their shape and keeps the text of each item exactly as it came."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from threads.sources.base import BadAnswer

Json = dict[str, Any]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)  # NaN is no JSON, and no database's
# Escapes that make characters which PostgreSQL, UTF-8 or both cannot hold.
_RISKY = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of a list: parsed, and its JSON as received."""

    item: Json
    raw: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page as a server sent it. has_more is None where it says nothing about more."""

    entries: list[Entry]
    has_more: bool | None
    last_id: str


def clean(value: Any) -> Any:
    """Return a JSON value with U+FFFD for NUL and lone surrogates, which no database takes."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [clean(element) for element in value]
    if isinstance(value, dict):
        return {clean(key): clean(element) for key, element in value.items()}
    return value


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, characters: str) -> str:
    found = text[at : at + 1]
    if not found or found not in characters:
        raise json.JSONDecodeError(f"Expecting one of {characters}", text, at)
    return found


def _value(text: str, at: int) -> tuple[Any, int]:
    if at >= len(text):
        raise json.JSONDecodeError("Expecting value", text, at)
    return _DECODER.raw_decode(text, at)


def _elements(text: str, at: int) -> tuple[list[tuple[Any, str]], int]:
    """Walk the JSON list that begins at `at`; return each element with its text, and the end."""
    elements: list[tuple[Any, str]] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return elements, at + 1
    while True:
        value, end = _value(text, at)
        elements.append((value, text[at:end]))
        end = _skip(text, end)
        if _expect(text, end, ",]") == "]":
            return elements, end + 1
        at = _skip(text, end + 1)


def _members(text: str, split: str) -> tuple[Json, list[tuple[Any, str]] | None]:
    """Parse a JSON object; the elements of its member `split` come apart, with their texts."""
    members: Json = {}
    elements: list[tuple[Any, str]] | None = None
    at = _skip(text, _skip(text, 0) + 1)
    is_open = text[at : at + 1] != "}"
    end = at
    while is_open:
        _expect(text, at, '"')
        name, end = _value(text, at)
        end = _skip(text, end)
        _expect(text, end, ":")
        at = _skip(text, end + 1)
        if name == split and text[at : at + 1] == "[":
            elements, end = _elements(text, at)
        else:
            members[name], end = _value(text, at)
        end = _skip(text, end)
        is_open = _expect(text, end, ",}") == ","
        at = _skip(text, end + 1)
    if _skip(text, end + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, end + 1)
    return members, elements


def _parsed(text: str, *, host: str, split: str) -> tuple[Json, list[tuple[Any, str]] | None]:
    start = text[_skip(text, 0) :][:1]
    if start == "<":
        raise BadAnswer(
            f"{host} answers with a web page instead of JSON. Check the base URL, which usually"
            " ends in /v1, and whether a proxy asks for a login."
        )
    if not start:
        raise BadAnswer(f"{host} answers with nothing where JSON is promised.")
    if start != "{":
        raise BadAnswer(f"{host} answers, but not in the shape of the API: no JSON object.")
    try:
        return _members(text, split)
    except RecursionError:
        raise BadAnswer(f"{host} sends JSON that is nested too deeply to be read.") from None
    except ValueError:
        raise BadAnswer(f"{host} sends JSON that is broken or cut off.") from None


def _entries(elements: list[tuple[Any, str]], *, host: str) -> list[Entry]:
    entries = []
    for value, raw in elements:
        if not isinstance(value, dict):
            raise BadAnswer(f"{host} answers, but not in the shape of the API: a strange item.")
        entries.append(Entry(clean(value) if _RISKY.search(raw) else value, raw))
    return entries


def read_object(text: str, *, host: str, split: str = "") -> tuple[Json, list[Entry]]:
    """Return the object in an answer, and the elements of its list `split`, which come apart.

    :raises BadAnswer: when there is none, or no id in it.
    """
    members, elements = _parsed(text, host=host, split=split)
    if not isinstance(members.get("id"), str):
        raise BadAnswer(f"{host} answers, but not in the shape of the API: an object without id.")
    found: Json = clean(members) if _RISKY.search(text) else members
    return found, _entries(elements or [], host=host)


def read_list(text: str, *, host: str) -> Listing:
    """Return the page in an answer. :raises BadAnswer: when it is no list of objects."""
    members, elements = _parsed(text, host=host, split="data")
    if elements is None:
        raise BadAnswer(f"{host} answers, but not in the shape of the API: a page without data.")
    has_more, last_id = members.get("has_more"), members.get("last_id")
    return Listing(
        _entries(elements, host=host),
        has_more if isinstance(has_more, bool) else None,
        last_id if isinstance(last_id, str) else "",
    )
