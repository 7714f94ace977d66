"""Which regular expressions are taken: those that compile, and cannot take for ever."""

from __future__ import annotations

import re

MAX_PATTERN = 200  # characters
_ATOM = re.compile(
    r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]|\(\?P?<\w+>|\((?:\?(?:[:=!>]|<[=!]))?|.", re.DOTALL
)
_MANY = re.compile(r"[*+]|\{\d*,?\d*\}")


def fault_of(pattern: str) -> str:
    """Return what is wrong with `pattern`, as re says it or in our words; "" when it is fine."""
    if len(pattern) > MAX_PATTERN:
        return f"longer than {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning) as problem:
        return str(problem) or "too large"
    return "repeats within repeats" if _repeats_within_repeats(pattern) else ""


def _repeats_within_repeats(pattern: str) -> bool:
    """Whether a repeated group has repeats or alternatives inside, as in (a+)+ and (a|ab)*.

    Python's engine tries all ways to share a text among them, whose number doubles with each
    character, and nothing can interrupt it.
    """
    open_groups = [False]  # for each: whether it holds what can match in several ways
    at = 0
    while at < len(pattern):
        atom = _ATOM.match(pattern, at)
        if atom is None:
            return False
        at = atom.end()
        is_risky = False
        if atom[0].startswith("("):
            open_groups.append(False)
            continue
        if atom[0] == ")" and len(open_groups) > 1:
            is_risky = open_groups.pop()
        elif atom[0] == "|":
            is_risky = True
        if repeat := _MANY.match(pattern, at):
            if is_risky and atom[0] == ")":
                return True
            is_risky = True
            at = repeat.end()
        open_groups[-1] = open_groups[-1] or is_risky
    return False
