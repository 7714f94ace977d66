"""Slow scans: what a text must hold that no index of words knows, at a cost that is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from re import _constants as constants  # type: ignore[attr-defined, unused-ignore]
from re import _parser as parser  # type: ignore[attr-defined, unused-ignore]
from typing import Any

from threads.search.query import Regex, Substring

_READ = 20_000  # characters of a message that an expression looks through
_MANY = 20  # repetitions from which on one counts as endless
# An endless repetition takes the square of a text's length at worst, two the cube: 0.3 s each.
_LENGTHS = {0: _READ, 1: 5_000, 2: 500}
_REPEATS = {constants.MAX_REPEAT, constants.MIN_REPEAT}


def finder(node: Regex | Substring) -> Callable[[str], bool] | None:
    """Return the test for a text; None for an expression that might take for ever.

    Python cannot stop an expression that runs. The parser of queries refuses repetitions inside
    repetitions; of the others each multiplies the time, and more than two are not begun.
    """
    if isinstance(node, Substring):
        wanted = node.text.casefold()
        return lambda text: wanted in text.casefold()
    repeats = _endless(parser.parse(node.pattern))
    if repeats not in _LENGTHS:
        return None
    length = _LENGTHS[repeats]
    pattern = re.compile(node.pattern, re.IGNORECASE)
    return lambda text: pattern.search(text[:length]) is not None


def _endless(parts: Iterable[Any]) -> int:
    """Count the repetitions that have no end, or a far one."""
    count = 0
    for operator, argument in parts:
        if operator in _REPEATS:
            _least, most, inner = argument
            inside = _endless(inner)
            count += inside + (most is constants.MAXREPEAT or most > _MANY)
        elif operator is constants.BRANCH:
            count += sum(_endless(branch) for branch in argument[1])
        elif operator is constants.SUBPATTERN:
            count += _endless(argument[-1])
        elif operator in {constants.ASSERT, constants.ASSERT_NOT}:
            count += _endless(argument[1])
        elif operator is constants.GROUPREF:
            count += 1
    return count
