"""Threads out of JSON that is not one object a line: an array, one object, or several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threads.imports.base import ImportedThread, Place, Problem
from threads.imports.json_stream import NotJSON, elements, parse
from threads.imports.jsonl import Wrong, threads_in
from threads.imports.shapes import by_thread, is_assistants_message

_MOST_COLLECTED = 20_000  # messages without their thread, held until another thread's come


def read_json(path: Path, *, start: Place = Place()) -> Iterator[ImportedThread | Problem]:  # noqa: B008 - frozen
    """Read threads in any shape that is known. A place's line is the element's number."""
    collected: list[dict[str, Any]] = []
    place = Place()
    with path.open("rb") as file:
        for number, element in enumerate(elements(file), 1):
            before, place = place, Place(number, file.tell())
            if number <= start.line:
                continue
            try:
                record = _record(element)
            except NotJSON as wrong:
                yield Problem(place, f"Element {number} is left out. {wrong}")
                continue
            is_message = is_assistants_message(record)
            if collected and not (is_message and _belongs(record, collected)):
                yield from _threads(by_thread(collected)[0], before, before)
                collected = []
            if is_message:
                collected.append(record)
            else:
                yield from _threads(record, before, place)
    if collected:
        yield from _threads(by_thread(collected)[0], place, place)


def _record(element: bytes | NotJSON) -> dict[str, Any]:
    if isinstance(element, NotJSON):
        raise element
    record = parse(element)
    if not isinstance(record, dict):
        raise NotJSON("It is no JSON object.")
    return record


def _belongs(message: dict[str, Any], collected: list[dict[str, Any]]) -> bool:
    same = message["thread_id"] == collected[-1]["thread_id"]
    return bool(same) and len(collected) < _MOST_COLLECTED


def _threads(
    record: dict[str, Any], before: Place, place: Place
) -> Iterator[ImportedThread | Problem]:
    """Yield the threads of one element; reading goes on behind it once all are stored."""
    try:
        found = list(threads_in(record))
    except Wrong as wrong:
        yield Problem(place, f"Element {place.line} is left out. {wrong}")
        return
    for thread, messages in found[:-1]:
        yield ImportedThread(before, thread, messages)
    for thread, messages in found[-1:]:
        yield ImportedThread(place, thread, messages)
