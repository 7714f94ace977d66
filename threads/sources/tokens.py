"""Counts of tokens as stores write them: an unknown count is None, never 0."""

from __future__ import annotations

from typing import Any

from threads.sources.base import Usage


def number(value: Any) -> int | None:
    """Return a count as an integer; None for everything that is no count."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None


def usage_of(given: Any, *, source: str, is_exact: bool = True) -> Usage | None:
    """Return usage in either of the API's wordings (input or prompt tokens); None if none."""
    if not isinstance(given, dict):
        return None

    def count(*names: str) -> int | None:
        return next(
            (found for name in names if (found := number(given.get(name))) is not None), None
        )

    def detail(name: str, *groups: str) -> int | None:
        inside = (given.get(group) for group in groups)
        return next((number(each.get(name)) for each in inside if isinstance(each, dict)), None)

    usage = Usage(
        input=count("input_tokens", "prompt_tokens"),
        output=count("output_tokens", "completion_tokens"),
        total=count("total_tokens"),
        cached=detail(
            "cached_tokens", "input_tokens_details", "prompt_tokens_details", "prompt_token_details"
        ),
        reasoning=detail("reasoning_tokens", "output_tokens_details", "completion_tokens_details"),
        source=source,
        is_exact=is_exact,
    )
    return None if usage.input is usage.output is usage.total is None else usage


def added(parts: list[Usage | None], *, source: str) -> Usage | None:
    """Return the sum of what is known; inexact when something is not. None: nothing is known."""
    known = [part for part in parts if part is not None]
    if not known:
        return None

    def total(name: str) -> int | None:
        counts = [count for part in known if (count := getattr(part, name)) is not None]
        return sum(counts) if counts else None

    is_whole = len(known) == len(parts) and all(
        None not in {part.input, part.output, part.total} and part.is_exact for part in known
    )
    return Usage(
        input=total("input"),
        output=total("output"),
        total=total("total"),
        cached=total("cached"),
        reasoning=total("reasoning"),
        source=source,
        is_exact=is_whole,
    )
